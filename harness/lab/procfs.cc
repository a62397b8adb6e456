#include "harness/lab/procfs.h"

#include <dirent.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <thread>

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;

bool is_number(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

struct Stat {
  char state = 'X';
  std::int64_t ticks = 0;
};

// Fields 3, 14 and 15 of /proc/<pid>/stat; the name in field 2 may have spaces and parentheses.
Stat parse_stat(const std::string& text) {
  const std::size_t at = text.rfind(')');
  if (at == std::string::npos) return {};
  std::istringstream in(text.substr(at + 1));
  Stat stat;
  std::string skipped;
  in >> stat.state;
  for (int field = 4; field < 14; ++field) in >> skipped;
  std::int64_t user = 0, system = 0;
  in >> user >> system;
  stat.ticks = user + system;
  return stat;
}

bool is_dead(char state) { return state == 'Z' || state == 'X' || state == 'x'; }
bool is_stopped(char state) { return state == 'T' || state == 't'; }

// nullopt: it died while we looked, or is a zombie.
std::optional<ProcessState> look_at(const fs::path& proc, pid_t pid) {
  const Stat stat = parse_stat(read_file(proc / "stat"));
  if (is_dead(stat.state)) return std::nullopt;
  ProcessState result{pid, stat.state, stat.ticks, 0, 0};
  if (result.state == 't') result.state = 'T';
  std::error_code error;
  for (const auto& task : fs::directory_iterator(proc / "task", error)) {
    const char state = parse_stat(read_file(task.path() / "stat")).state;
    if (!is_dead(state) && !is_stopped(state)) result.state = state;
    if (state == 't') ++result.held;
    const std::string status = read_file(task.path() / "status");
    result.switches += status_number(status, "voluntary_ctxt_switches") +
                       status_number(status, "nonvoluntary_ctxt_switches");
  }
  return result;
}

}  // namespace

std::int64_t status_number(const std::string& status, const std::string& key) {
  const std::size_t at = status.find("\n" + key + ":");
  if (at == std::string::npos) return -1;
  const std::size_t end = status.find('\n', at + 1);
  const std::string line = status.substr(at, end - at);
  const std::size_t last = line.find_last_of(" \t");
  return std::atoll(line.c_str() + last + 1);
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::vector<ProcessState> processes_of(const std::string& pid_namespace) {
  std::vector<ProcessState> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (!is_number(name)) continue;
    std::error_code ignored;
    if (fs::read_symlink(entry.path() / "ns/pid", ignored).string() != pid_namespace) continue;
    if (status_number(read_file(entry.path() / "status"), "NSpid") == 1) continue;
    if (auto state = look_at(entry.path(), std::stoi(name))) result.push_back(*state);
  }
  return result;
}

std::vector<ThreadState> threads_of(const std::string& pid_namespace) {
  std::vector<ThreadState> result;
  for (const auto& process : processes_of(pid_namespace)) {
    std::error_code error;
    const fs::path tasks = fmt::format("/proc/{}/task", process.pid);
    for (const auto& task : fs::directory_iterator(tasks, error)) {
      ThreadState thread;
      thread.pid = process.pid;
      thread.tid = std::stoi(task.path().filename());
      thread.state = parse_stat(read_file(task.path() / "stat")).state;
      if (is_dead(thread.state)) continue;
      thread.name = read_file(task.path() / "comm");
      if (!thread.name.empty()) thread.name.pop_back();  // the newline
      thread.run_ns = std::atoll(read_file(task.path() / "schedstat").c_str());
      const std::string status = read_file(task.path() / "status");
      thread.switches = status_number(status, "voluntary_ctxt_switches") +
                        status_number(status, "nonvoluntary_ctxt_switches");
      result.push_back(std::move(thread));
    }
  }
  std::sort(result.begin(), result.end(), [](auto& a, auto& b) { return a.tid < b.tid; });
  return result;
}

Result<std::vector<ProcessState>> wait_until_stopped(const std::string& pid_namespace, bool stopped,
                                                     std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto processes = processes_of(pid_namespace);
    const bool reached = std::all_of(processes.begin(), processes.end(), [&](const auto& process) {
      // One whose threads are all held stays so.
      return is_stopped(process.state) == stopped || (!stopped && process.held > 0);
    });
    if (reached && !processes.empty()) return processes;
    if (std::chrono::steady_clock::now() > deadline)
      return fail("the node's processes are {} after {} ms",
                  stopped ? "still running" : "still stopped", timeout.count());
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

}  // namespace gameday::lab
