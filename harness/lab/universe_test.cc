// Outside of any universe: making them, and what is left when they are killed.
#include "harness/lab/universe.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "harness/core/rng.h"
#include "harness/lab/procfs.h"
#include "harness/lab/test_server.h"
#include "harness/lab/thread_hold.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
using testing::content;
using testing::own_binary;
using testing::TempFolder;
using namespace std::chrono_literals;

// Forks and runs this binary with other arguments.
pid_t run_self(const std::vector<std::string>& arguments) {
  std::vector<std::string> storage = arguments;
  storage.insert(storage.begin(), own_binary().string());
  std::vector<char*> argv;
  for (auto& argument : storage) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  return pid;
}

int exit_code(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

std::vector<pid_t> processes_with(const std::string& marker) {
  std::vector<pid_t> result;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && pid != ::getpid() &&
        content(entry.path() / "cmdline").find(marker) != std::string::npos)
      result.push_back(pid);
  }
  return result;
}

// Dead, and waiting to be reaped by whoever inherited it (after the outer process was killed: the
// machine's init, which may take its time).
bool is_zombie(const fs::path& process) {
  return content(process / "stat").find(") Z ") != std::string::npos;
}

// By name, each held open: the kernel gives the number of one that is gone to the next, which may be another
// test's.
using Namespaces = std::map<std::string, Fd>;

Namespaces namespaces_of(const fs::path& process) {
  Namespaces result;
  if (is_zombie(process)) return result;
  for (const char* kind : {"net", "mnt", "pid", "user"}) {
    Fd fd(::open((process / "ns" / kind).c_str(), O_RDONLY | O_CLOEXEC));
    std::error_code ignored;
    const auto link = fs::read_symlink(fmt::format("/proc/self/fd/{}", fd.get()), ignored);
    if (fd && !ignored) result.emplace(link.string(), std::move(fd));
  }
  return result;
}

// Those that only processes with this marker are in (the machine may make others at the same time).
Namespaces private_namespaces(const std::string& marker) {
  Namespaces result;
  for (pid_t pid : processes_with(marker))
    result.merge(namespaces_of(fmt::format("/proc/{}", pid)));
  for (const auto& [name, fd] : namespaces_of("/proc/self")) result.erase(name);
  return result;
}

// Whether some process is in one of these namespaces.
bool any_left(const Namespaces& namespaces) {
  std::error_code error;
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    if (std::atoi(process.path().filename().c_str()) == 0) continue;
    for (const auto& [name, fd] : namespaces_of(process.path()))
      if (namespaces.contains(name)) return true;
  }
  return false;
}

std::set<std::string> interfaces() {
  std::set<std::string> result;
  std::istringstream in(content("/proc/net/dev"));
  for (std::string line; std::getline(in, line);) result.insert(line.substr(0, line.find(':')));
  return result;
}

std::vector<pid_t> children_of(pid_t pid) {
  std::istringstream in(content(fmt::format("/proc/{0}/task/{0}/children", pid)));
  return {std::istream_iterator<pid_t>(in), {}};
}

// The pid 1 that the outer process made; 0 if it is not there yet. It has other children for a moment.
pid_t init_of(pid_t outer) {
  for (const pid_t child : children_of(outer))
    if (status_number(content(fmt::format("/proc/{}/status", child)), "NSpid") == 1) return child;
  return 0;
}

bool eventually(const std::function<bool()>& condition, std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

// --- what the test runs in other processes

// Where it can: one node is frozen, one limited. Writes to "cgroups" what these are on the host.
Status hurt_by_cgroups(Lab& lab, const std::string& folder) {
  std::ofstream paths(fs::path(folder) / "cgroups");
  for (const auto& node : lab.nodes()) {
    auto cgroup = lab.cgroup(node.name);
    if (!cgroup) return {};
    for (const fs::path entrance : (*cgroup)->entrances()) paths << entrance.parent_path().string() << "\n";
    if (node.name == "n1")
      if (auto frozen = (*cgroup)->freeze(); !frozen) return tl::make_unexpected(frozen.error());
    Limits slow;
    slow.cpus = 0.1;
    if (node.name == "n2" && limits_available())
      if (auto id = (*cgroup)->limit(slow); !id) return tl::make_unexpected(id.error());
  }
  return {};
}

int build_lab(const std::string& folder, const std::string& marker, int nodes) {
  LabOptions options;
  options.nodes = nodes;
  options.directory = folder;
  options.prepare.cgroups = bool(freezing_available());
  options.prepare.limits = bool(limits_available());
  auto lab = Lab::create(options);
  if (!lab) {
    fmt::print(stderr, "{}\n", lab.error().message);
    return 3;
  }
  for (const auto& node : (*lab)->nodes())
    if (!(*lab)->start(node.name, testing::server_spec(marker))) return 4;
  const auto& n = (*lab)->nodes();
  if (!(*lab)->firewall().add({{n[0].address, n[1].address, Action::drop}})) return 5;
  if (!testing::wait_until_ready(**lab)) return 6;
  auto packets = (*lab)->packets();
  if (!packets || !(*packets)->add({{n[1].address, n[0].address}}, {.hold = true}, 1)) return 7;
  if (testing::reaches(**lab, "n2", "n1")) return 8;  // a packet waits from here on
  if (auto hurt = hurt_by_cgroups(**lab, folder); !hurt) return 9;
  auto held = ThreadHold::create({(*lab)->threads("n3").at(0).tid}, 5s);
  if (!held) return 10;
  std::ofstream(fs::path(folder) / "up") << "up";
  for (;;) ::pause();
}

// A lab on the addresses that every lab has, which knows its servers by their marker.
int check_neighbour(const std::string& folder, const std::string& marker) {
  LabOptions options;
  options.nodes = 2;
  options.directory = folder;
  auto lab = Lab::create(options);
  if (!lab) return 3;
  if (!(*lab)->start("n1", testing::server_spec(marker))) return 4;
  const std::string address = (*lab)->node("n1")->address;
  if (!eventually([&] { return testing::ask(address, "marker", 100).has_value(); }, 10s)) return 6;
  for (int round = 0; round < 100; ++round) {
    const auto answer = testing::ask(address, "marker", 5000);
    if (!answer) return 6;
    if (*answer != marker) return 5;
    std::this_thread::sleep_for(2ms);
  }
  return (*lab)->pids("n1").size() == 1 ? 0 : 7;
}

// --- the tests

TEST(Universe, ReturnsWhatTheBodyReturned) {
  EXPECT_EQ(try_in_universe([] { return 0; }).value(), 0);
  EXPECT_EQ(try_in_universe([] { return 42; }).value(), 42);
  EXPECT_EQ(try_in_universe([]() -> int { throw std::runtime_error("from the body"); }).value(),
            255);
  EXPECT_EQ(try_in_universe([]() -> int {
              ::raise(SIGKILL);
              return 0;
            }).value(),
            255);
  EXPECT_TRUE(universe_available());
}

TEST(Universe, HasNamespacesOfItsOwn) {
  for (bool force : {false, true}) {
    std::string net = fs::read_symlink("/proc/self/ns/net"),
                mnt = fs::read_symlink("/proc/self/ns/mnt");
    const auto body = [&] {
      if (::getppid() != 1) return 1;
      if (fs::read_symlink("/proc/self/ns/net").string() == net) return 2;
      if (fs::read_symlink("/proc/self/ns/mnt").string() == mnt) return 3;
      if (interfaces().size() != 3 || !interfaces().contains("    lo"))  // two lines of heading
        return 4;
      if (universe_has_own_proc() && processes_with("").size() != 1) return 5;
      if (::geteuid() != 0) return 6;
      return 0;
    };
    UniverseOptions options;
    options.force_user_namespace = force;
    EXPECT_EQ(try_in_universe(body, options).value(), 0);
  }
}

TEST(Universe, ReapsOrphans) {
  const auto body = [] {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::fork() == 0) ::_exit(0);  // its orphan
      ::_exit(0);
    }
    if (exit_code(child) != 0) return 1;
    // Only init and this process are left: neither the child nor its orphan as a zombie.
    return eventually([] { return !universe_has_own_proc() || processes_with("").size() == 1; }, 2s)
               ? 0
               : 2;
  };
  EXPECT_EQ(try_in_universe(body).value(), 0);
}

TEST(Universe, ForwardsSignals) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    TempFolder folder;
    const pid_t pid = run_self({"wait-for-signal", (folder.path() / "up").string()});
    ASSERT_TRUE(eventually([&] { return fs::exists(folder.path() / "up"); }, 5s));
    ::kill(pid, signal);
    int status = 0;
    const bool ended = eventually([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }, 10s);
    EXPECT_TRUE(ended) << "signal " << signal << " did not arrive";
    if (!ended) ::kill(pid, SIGKILL);
    if (!ended) ::waitpid(pid, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 40 + signal);
  }
}

TEST(Universe, TwoSideBySideDoNotSeeEachOther) {
  TempFolder a, b;
  const pid_t first = run_self({"neighbour", a.path().string(), "marker-alpha"});
  const pid_t second = run_self({"neighbour", b.path().string(), "marker-beta"});
  EXPECT_EQ(exit_code(first), 0);
  EXPECT_EQ(exit_code(second), 0);
}

// Tens of ms on an idle machine; the tests of others may run at the same time.
constexpr auto kPatience = 10s;

enum class Victim { outer, init, controller, all };

pid_t find(Victim victim, pid_t outer) {
  if (victim == Victim::outer) return outer;
  pid_t target = init_of(outer);
  if (target > 0 && victim == Victim::controller) {
    const auto children = children_of(target);
    target = children.empty() ? 0 : children.front();
  }
  return target > 0 ? target : outer;  // not there yet
}

void sigkill(Victim victim, pid_t outer) {
  std::vector<pid_t> pids{find(victim, outer)};
  if (victim == Victim::all)
    pids = {outer, find(Victim::init, outer), find(Victim::controller, outer)};
  for (const pid_t pid : pids) ::kill(pid, SIGKILL);
}

std::vector<std::string> lines_of(const fs::path& file) {
  std::vector<std::string> result;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) result.push_back(line);
  return result;
}

void kill_at_random(Victim victim, std::chrono::microseconds after,
                    std::chrono::nanoseconds& longest) {
  TempFolder folder;
  const std::string marker = folder.path().filename();  // in the cmdline of all of them
  const auto interfaces_before = interfaces();
  const std::string mounts_before = content("/proc/self/mountinfo");
  const pid_t outer = run_self({"victim", folder.path().string(), marker});
  std::this_thread::sleep_for(after);
  const auto namespaces = private_namespaces(marker);
  ::kill(find(victim, outer), SIGKILL);
  const auto begin = std::chrono::steady_clock::now();
  int status = 0;
  const bool ended = eventually([&] { return ::waitpid(outer, &status, WNOHANG) == outer; }, kPatience);
  EXPECT_TRUE(ended) << after.count();
  if (!ended) ::kill(outer, SIGKILL);
  EXPECT_TRUE(eventually([&] { return processes_with(marker).empty(); }, kPatience))
      << after.count();
  EXPECT_TRUE(eventually([&] { return !any_left(namespaces); }, kPatience)) << after.count();
  longest = std::max(longest, std::chrono::steady_clock::now() - begin);
  EXPECT_EQ(interfaces(), interfaces_before);
  EXPECT_EQ(content("/proc/self/mountinfo"), mounts_before);
}

TEST(Universe, NothingOutlivesASigkillAtAnyMoment) {
  Rng rng(2024);
  std::chrono::nanoseconds longest{0};
  for (int round = 0; round < 10; ++round)
    for (Victim victim : {Victim::outer, Victim::init, Victim::controller})
      kill_at_random(victim, std::chrono::microseconds(rng.between(0, 150'000)), longest);
  fmt::print("  everything gone at most {:.1f} ms after the SIGKILL\n", ms(longest));
}

TEST(Universe, NothingOutlivesASigkillOfAStandingLab) {
  for (Victim victim : {Victim::outer, Victim::init, Victim::controller, Victim::all}) {
    TempFolder folder;
    const std::string marker = folder.path().filename();
    const pid_t outer = run_self({"victim", folder.path().string(), marker});
    ASSERT_TRUE(eventually([&] { return fs::exists(folder.path() / "up"); }, 10s));
    EXPECT_GE(processes_with(marker).size(), 9U);  // outer, init, controller, three nodes of two
    const auto namespaces = private_namespaces(marker);
    EXPECT_GE(namespaces.size(), 12U);  // net, mnt and pid of the universe and of each node
    EXPECT_TRUE(any_left(namespaces));
    const auto cgroups = lines_of(folder.path() / "cgroups");
    EXPECT_GE(cgroups.size(), freezing_available() ? 3U : 0U);
    for (const auto& cgroup : cgroups) EXPECT_TRUE(fs::exists(cgroup)) << cgroup;
    sigkill(victim, outer);
    const auto begin = std::chrono::steady_clock::now();
    exit_code(outer);
    EXPECT_TRUE(eventually([&] { return processes_with(marker).empty() && !any_left(namespaces); },
                           kPatience));
    const auto gone = [](const std::string& cgroup) { return !fs::exists(cgroup); };
    EXPECT_TRUE(eventually([&] { return std::all_of(cgroups.begin(), cgroups.end(), gone); },
                           kPatience));
    fmt::print("  everything gone {:.1f} ms after the SIGKILL\n",
               ms(std::chrono::steady_clock::now() - begin));
  }
}

volatile sig_atomic_t got = 0;

int wait_for_signal(const std::string& file) {
  for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(signal, [](int s) { got = s; });
  std::ofstream(file) << "up";
  while (got == 0) std::this_thread::sleep_for(1ms);
  return 40 + got;
}

}  // namespace

int other_modes(int argc, char** argv) {
  const std::string mode = argc >= 2 ? argv[1] : "";
  if (mode == "victim") return run_in_universe([&] { return build_lab(argv[2], argv[3], 3); });
  if (mode == "neighbour")
    return run_in_universe([&] { return check_neighbour(argv[2], argv[3]); });
  if (mode == "wait-for-signal") return run_in_universe([&] { return wait_for_signal(argv[2]); });
  return -1;
}

}  // namespace gameday::lab

int main(int argc, char** argv) {
  gameday::lab::maybe_run_init(argc, argv);
  if (const int code = gameday::lab::other_modes(argc, argv); code >= 0) return code;
  return gameday::lab::testing::test_main(argc, argv, false);
}
