#include "harness/cli/doctor.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>

#include "harness/cli/commands.h"
#include "harness/core/duration.h"
#include "harness/core/verdict.h"
#include "harness/lab/cgroup.h"
#include "harness/lab/clock_control.h"
#include "harness/lab/disk_backend.h"
#include "harness/lab/lab.h"
#include "harness/lab/packets.h"
#include "harness/lab/sockets.h"
#include "harness/lab/syscall_supervisor.h"
#include "harness/lab/thread_hold.h"
#include "harness/lab/universe.h"
#include "harness/run/store.h"
#include "nemesis/catalog.h"
#include "nemesis/packages.h"

namespace gameday::cli {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using Answer = Result<std::string>;  // what was found

double ms_since(Clock::time_point begin) {
  return ms(Clock::now() - begin);
}

// A folder that is removed with the object.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "gameday-doctor-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// --- of the lab; each in a universe of its own

Result<std::unique_ptr<lab::Lab>> small_lab(const fs::path& folder) {
  lab::LabOptions options;
  options.nodes = 2;
  options.directory = folder;
  return lab::Lab::create(options);
}

Answer try_universe() {
  const auto begin = Clock::now();
  if (auto status = lab::universe_available(); !status) return tl::make_unexpected(status.error());
  return fmt::format("{}, made and thrown away in {:.0f} ms",
                     ::geteuid() == 0 ? "as root" : "in a user namespace", ms_since(begin));
}

Answer try_fabric(const fs::path& folder) {
  auto lab = small_lab(folder);
  if (!lab) return tl::make_unexpected(lab.error());
  return fmt::format("two nodes in {:.0f} ms",
                     ms((*lab)->build_time()));
}

Answer try_firewall(const fs::path& folder) {
  auto lab = small_lab(folder);
  if (!lab) return tl::make_unexpected(lab.error());
  const auto begin = Clock::now();
  const auto &a = (*lab)->nodes()[0], &b = (*lab)->nodes()[1];
  auto id = (*lab)->firewall().add({{a.address, b.address, lab::Action::drop}});
  if (!id) return tl::make_unexpected(id.error());
  if (auto removed = (*lab)->firewall().remove(*id); !removed) return tl::make_unexpected(removed.error());
  return fmt::format("{}: a rule added and removed in {:.0f} ms", (*lab)->firewall().variant(),
                     ms_since(begin));
}

Answer try_signals(const fs::path& folder) {
  auto lab = small_lab(folder);
  if (!lab) return tl::make_unexpected(lab.error());
  if (auto started = (*lab)->start("n1", {{"sleep", "60"}, {}}); !started)
    return tl::make_unexpected(started.error());
  const auto paused = (*lab)->pause("n1");
  if (!paused) return tl::make_unexpected(paused.error());
  if (auto resumed = (*lab)->resume(*paused); !resumed) return tl::make_unexpected(resumed.error());
  const auto killed = (*lab)->kill("n1");
  if (!killed) return tl::make_unexpected(killed.error());
  return fmt::format("stopped, resumed, and dead {:.1f} ms after kill -9",
                     ms(*killed));
}

// Runs it in a universe, which tells by a pipe what came of it.
Answer in_universe(Answer (*probe)(const fs::path&)) {
  const Scratch scratch;
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno("cannot make a pipe");
  lab::Fd in(fds[0]), out(fds[1]);
  const auto made = lab::try_in_universe([&] {
    const Answer answer = probe(scratch.path());
    const std::string text = (answer ? "y" : "n") + (answer ? *answer : answer.error().message);
    return ::write(out.get(), text.data(), text.size()) < 0 ? 1 : 0;
  });
  out.reset();
  if (!made) return tl::make_unexpected(made.error());
  std::string text(4096, '\0');
  const ssize_t n = ::read(in.get(), text.data(), text.size());
  if (n < 1) return fail("the attempt ended without an answer");
  text.resize(static_cast<std::size_t>(n));
  if (text[0] == 'y') return text.substr(1);
  return fail("{}", text.substr(1));
}

Answer answer_of(const Status& status, const char* how) {
  if (!status) return tl::make_unexpected(status.error());
  return std::string(how);
}

// Loses power once, in a universe.
Answer try_disk(const fs::path& folder, bool fuse) {
  const auto begin = Clock::now();
  auto disk = lab::Disk::create({.directory = folder, .bytes = std::uint64_t{64} << 20, .force_fuse = fuse});
  if (!disk) return tl::make_unexpected(disk.error());
  if (auto lost = (*disk)->power_loss(); !lost) return tl::make_unexpected(lost.error());
  return fmt::format("made, and power lost once, in {:.0f} ms", ms_since(begin));
}

Answer try_ext4() {
  if (auto status = lab::ext4_available(); !status) return tl::make_unexpected(status.error());
  return in_universe([](const fs::path& folder) { return try_disk(folder, false); });
}

Answer try_fuse() {
  if (auto status = lab::fuse_available(); !status) return tl::make_unexpected(status.error());
  return in_universe([](const fs::path& folder) { return try_disk(folder, true); });
}

Answer try_clocks() {
  const auto status = lab::clocks_available();
  if (status) return std::string("of every process, also of static ones");
  if (lab::find_libfaketime().empty()) return tl::make_unexpected(status.error());
  return "by libfaketime, of programs that ask the C library for the time: " + status.error().message;
}

// --- of the machine

Answer kernel() {
  utsname name{};
  ::uname(&name);
  int major = 0, minor = 0;
  if (std::sscanf(name.release, "%d.%d", &major, &minor) == 2 && (major < 5 || (major == 5 && minor < 9)))
    return fail("Linux {} is older than 5.9, the first with all that some faults use; boot a newer one",
                name.release);
  return fmt::format("Linux {} {}", name.release, name.machine);
}

Answer cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int count = ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  if (count < 2) return fail("{} core: timings will be rough; give the machine two or more", count);
  return fmt::format("{} cores", count);
}

Answer memory() {
  std::ifstream in("/proc/meminfo");
  std::string key, rest;
  std::uint64_t kib = 0, available = 0;
  while (in >> key >> kib && std::getline(in, rest))
    if (key == "MemAvailable:") available = kib >> 10;
  if (available < 1024)
    return fail("{} MiB are free: a run of the search cluster with five nodes wants 1024", available);
  return fmt::format("{} MiB free", available);
}

Answer space() {
  struct statvfs info {};
  if (::statvfs(".", &info) != 0) return fail_errno("cannot look at the disk of this folder");
  const auto mib = info.f_bavail * info.f_frsize >> 20;
  if (mib < 1024) return fail("{} MiB are free here: give --store a folder with 1024 or more", mib);
  return fmt::format("{} MiB free here", mib);
}

Answer real_time() {
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot fork");
  if (pid == 0) {
    const sched_param parameter{1};
    ::_exit(::sched_setscheduler(0, SCHED_FIFO, &parameter) == 0 ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return std::string("delays of packets are kept on a busy machine too");
  return fail("no right to real-time priority: delays of packets are less exact on a busy machine "
              "(ulimit -r 1, as root, before)");
}

// --- all of it

struct Probe {
  const char* name;
  const char* group;
  bool basic;
  Answer (*probe)();
};

constexpr const char* kMechanism = "mechanism";
constexpr const char* kMachine = "machine";

const Probe kProbes[] = {
    {"universe", kMechanism, true, try_universe},
    {"network", kMechanism, true, [] { return in_universe(try_fabric); }},
    {"iptables", kMechanism, true, [] { return in_universe(try_firewall); }},
    {"signals", kMechanism, true, [] { return in_universe(try_signals); }},
    {"connection reset", kMechanism, false,
     [] {
       return in_universe([](const fs::path&) {
         return answer_of(lab::reset_available(), "of established ones, by the kernel (SOCK_DESTROY)");
       });
     }},
    {"packet queue", kMechanism, false,
     [] { return answer_of(lab::packets_available(), "every packet of chosen pairs (NFQUEUE)"); }},
    {"system calls", kMechanism, false,
     [] { return answer_of(lab::syscalls_available(), "failed, delayed, counted (seccomp notify)"); }},
    {"clocks", kMechanism, false, try_clocks},
    {"freezing", kMechanism, false,
     [] { return answer_of(lab::freezing_available(), "every process of a node (cgroup)"); }},
    {"limits", kMechanism, false,
     [] { return answer_of(lab::limits_available(), "of CPU and memory (cgroup)"); }},
    {"limits of I/O", kMechanism, false,
     [] { return answer_of(lab::io_limits_available(), "of the bytes that a disk gets (cgroup)"); }},
    {"disk on ext4", kMechanism, false, try_ext4},
    {"disk on FUSE", kMechanism, false, try_fuse},
    {"held threads", kMechanism, false,
     [] { return answer_of(lab::grey_available(), "some threads of a process (ptrace)"); }},
    {"kernel", kMachine, false, kernel},
    {"cores", kMachine, false, cores},
    {"memory", kMachine, false, memory},
    {"disk space", kMachine, false, space},
    {"real-time priority", kMachine, false, real_time},
};

Finding finding_of(std::string name, std::string group, bool basic, const Answer& answer) {
  Finding finding{std::move(name), std::move(group), answer.has_value(), "", "", "", basic};
  if (answer) finding.detail = *answer;
  else std::tie(finding.why, finding.fix) = why_and_fix(answer.error().message);
  return finding;
}

std::string user() {
  const passwd* entry = ::getpwuid(::geteuid());
  return entry == nullptr ? fmt::format("user {}", ::geteuid()) : std::string(entry->pw_name);
}

void print(const std::vector<Finding>& findings) {
  fmt::print("What gameday can do on this machine as {}\n", user());
  std::string group;
  for (const auto& f : findings) {
    if (f.group != group) fmt::print("\n{}\n", f.group == kMachine ? "the machine" : f.group + "s");
    group = f.group;
    fmt::print("  {}  {:<18}  {}\n", f.works ? "yes" : "NO ", f.name, f.works ? f.detail : f.why);
    if (!f.fix.empty()) fmt::print("  {:25}to change it: {}\n", "", f.fix);
  }
}

}  // namespace

std::pair<std::string, std::string> why_and_fix(const std::string& message) {
  if (message.ends_with(')'))
    if (const std::size_t open = message.rfind(" ("); open != std::string::npos)
      return {message.substr(0, open), message.substr(open + 2, message.size() - open - 3)};
  if (const std::size_t at = message.rfind("; "); at != std::string::npos)
    return {message.substr(0, at), message.substr(at + 2)};
  return {message, ""};
}

std::vector<Finding> examine() {
  std::vector<Finding> findings;
  for (const auto& probe : kProbes)
    findings.push_back(finding_of(probe.name, probe.group, probe.basic, probe.probe()));
  const bool basics = std::all_of(findings.begin(), findings.end(),
                                  [](const Finding& f) { return f.works || !f.basic; });
  const auto add_fault = [&](std::string_view name, std::string_view summary, const nemesis::Entry& entry) {
    Answer answer = std::string(summary);
    if (!basics)
      answer = fail("no lab can be built here: see the mechanisms");
    else if (auto status = nemesis::available(entry); !status)
      answer = tl::make_unexpected(status.error());
    else if (entry.needs_membership)
      *answer += ", of a system that offers it";
    findings.push_back(finding_of(std::string(name), "fault", false, answer));
  };
  for (const auto& entry : nemesis::catalog()) add_fault(entry.name, entry.summary, entry);
  for (const auto& composite : nemesis::composites())
    add_fault(composite.name, composite.summary, *nemesis::find(composite.fault));
  return findings;
}

int doctor_command(bool json) {
  const auto findings = examine();
  const bool basics = std::all_of(findings.begin(), findings.end(),
                                  [](const Finding& f) { return f.works || !f.basic; });
  if (json) {
    Json array = Json::array();
    for (const auto& f : findings)
      array.push_back({{"name", f.name}, {"group", f.group}, {"works", f.works}, {"detail", f.detail},
                       {"why", f.why}, {"fix", f.fix}, {"basic", f.basic}});
    fmt::print("{}\n", run::dump(array, 2));
  } else {
    print(findings);
    fmt::print("\n{}\n", basics ? "`gameday run` works here, with the faults that say yes."
                                : "`gameday run` does not work here: see the first NO.");
  }
  if (const int failed = flushed(); failed != 0) return failed;
  return basics ? exit_code::valid : exit_code::tool_failed;
}

}  // namespace gameday::cli
