#include "harness/lab/lab.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "harness/lab/init.h"
#include "harness/lab/test_server.h"
#include "harness/lab/universe.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
using testing::ask;
using testing::ask_number;
using testing::cut_pairs;
using testing::TempFolder;
using Pairs = std::vector<std::string>;
using std::chrono::steady_clock;
using testing::content;
using testing::must;

bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 2000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

class LabTest : public ::testing::Test {
 protected:
  void up(int nodes, Preparation prepare = {}) {
    LabOptions options;
    options.nodes = nodes;
    options.directory = folder.path();
    options.prepare = prepare;
    lab = must(Lab::create(options));
    const auto begin = steady_clock::now();
    for (const auto& node : lab->nodes()) must(lab->start(node.name, testing::server_spec()));
    start_time = (steady_clock::now() - begin) / nodes;
    ASSERT_TRUE(testing::wait_until_ready(*lab)) << content(lab->directory("n1") / "log");
  }
  std::string address(const std::string& node) { return must(lab->node(node)).address; }

  TempFolder folder;
  std::unique_ptr<Lab> lab;
  std::chrono::nanoseconds start_time{0};
};

TEST_F(LabTest, BuildsANetworkInWhichEverybodyReachesEverybody) {
  for (int nodes : {3, 5}) {
    up(nodes);
    fmt::print("  {} nodes: lab {:.1f} ms, each node's start {:.1f} ms\n", nodes,
               ms(lab->build_time()), ms(start_time));
    EXPECT_EQ(cut_pairs(*lab), Pairs{});
    lab.reset();
  }
}

TEST_F(LabTest, ServersLiveInNamespacesOfTheirOwn) {
  up(2);
  std::set<std::string> seen;
  for (const std::string kind : {"net", "pid", "mnt", "uts", "ipc"}) {
    seen.insert(fs::read_symlink("/proc/self/ns/" + kind).string());
    for (const char* node : {"n1", "n2"})
      seen.insert(*ask(address(node), "run readlink /proc/self/ns/" + kind));
  }
  EXPECT_EQ(seen.size(), 15U);
  EXPECT_EQ(ask(address("n1"), "run hostname"), "n1\n");
  EXPECT_EQ(ask(address("n1"), "run pwd -P"),
            fs::canonical(must(lab->node("n1")).data).string() + "\n");
  // Its own init, the server, the shell and what it runs: nobody else's processes.
  if (universe_has_own_proc()) {
    EXPECT_LE(ask_number(address("n1"), "run ls /proc | grep -c '^[0-9]'"), 6);
  }
}

TEST_F(LabTest, TemporaryFilesArePrivateAndDataIsNotHidden) {
  up(2);
  ask(address("n1"), "run touch /tmp/private /dev/shm/private kept");
  EXPECT_EQ(ask(address("n1"), "run ls /tmp/private"), "/tmp/private\n");
  EXPECT_EQ(ask(address("n2"), "run ls /tmp /dev/shm | grep private"), "");
  EXPECT_FALSE(fs::exists("/tmp/private"));
  EXPECT_TRUE(fs::exists(must(lab->node("n1")).data / "kept"));
}

TEST_F(LabTest, EnvironmentIsMinimalPlusTheSpecs) {
  ::setenv("GAMEDAY_LEAK", "1", 1);
  up(1);
  must(lab->kill("n1"));
  auto spec = testing::server_spec();
  spec.environment["EXTRA"] = "yes";
  must(lab->start("n1", spec));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(ask(address("n1"), "run echo $EXTRA$GAMEDAY_LEAK"), "yes\n");
}

TEST_F(LabTest, FirewallCutsExactlyWhatItIsTold) {
  up(3);
  const std::string a = address("n1"), b = address("n2");
  auto begin = steady_clock::now();
  const int id = must(lab->firewall().add({{a, b, Action::drop}}));
  const auto applied = steady_clock::now() - begin;
  EXPECT_EQ(cut_pairs(*lab), Pairs{"n1>n2"});
  EXPECT_EQ(must(lab->firewall().counters(id))[0].packets, 1);
  EXPECT_EQ(must(lab->firewall().counters(id))[0].bytes, 32);  // IP 20, UDP 8, "ping" 4
  begin = steady_clock::now();
  const auto last = must(lab->firewall().remove(id));
  fmt::print("  partition by {}: apply {:.1f} ms, heal {:.1f} ms\n", lab->firewall().variant(),
             ms(applied), ms(steady_clock::now() - begin));
  EXPECT_EQ(last.size(), 1U);
  EXPECT_EQ(last[0].packets, 1);
  EXPECT_EQ(must(lab->firewall().rules_in_force()), 0U);
  EXPECT_EQ(cut_pairs(*lab), Pairs{});
}

TEST_F(LabTest, SetsOfRulesAreUnitedAndKeepTheirCounters) {
  up(3);
  const std::string a = address("n1"), b = address("n2"), c = address("n3");
  const int first = must(lab->firewall().add({{a, b, Action::drop}}));
  EXPECT_EQ(cut_pairs(*lab), Pairs{"n1>n2"});
  const int second = must(lab->firewall().add({{b, c, Action::drop}, {a, b, Action::drop}}));
  EXPECT_EQ(cut_pairs(*lab), (Pairs{"n1>n2", "n2>n3"}));
  EXPECT_EQ(must(lab->firewall().counters(first))[0].packets, 2);
  EXPECT_EQ(must(lab->firewall().counters(second))[0].packets, 1);
  must(lab->firewall().remove(first));
  EXPECT_EQ(cut_pairs(*lab), (Pairs{"n1>n2", "n2>n3"}));
  EXPECT_EQ(must(lab->firewall().counters(second))[1].packets, 1);
  must(lab->firewall().remove(second));
  EXPECT_FALSE(lab->firewall().remove(second));
  EXPECT_EQ(cut_pairs(*lab), Pairs{});
}

TEST_F(LabTest, ASetIsAppliedAsAWholeOrNotAtAll) {
  up(2);
  const std::string a = address("n1"), b = address("n2");
  EXPECT_FALSE(lab->firewall().add({{a, b, Action::drop}, {"nonsense!", b, Action::drop}}));
  EXPECT_EQ(must(lab->firewall().rules_in_force()), 0U);
  EXPECT_EQ(cut_pairs(*lab), Pairs{});
}

TEST_F(LabTest, RejectAnswersAndDropIsSilent) {
  up(2);
  const std::string a = address("n1"), b = address("n2");
  const auto connect = [&] {
    int error = -1;
    must(lab->in_node_network("n1", [&] { error = testing::connect_tcp(b, 100); }));
    return error;
  };
  EXPECT_EQ(connect(), 0);
  const int rejecting = must(lab->firewall().add({{a, b, Action::reject}}));
  EXPECT_EQ(connect(), ECONNREFUSED);
  EXPECT_EQ(must(lab->firewall().remove(rejecting))[0].packets, 1);
  const int dropping = must(lab->firewall().add({{a, b, Action::drop}}));
  EXPECT_EQ(connect(), ETIMEDOUT);
  must(lab->firewall().remove(dropping));
  EXPECT_EQ(connect(), 0);
}

TEST_F(LabTest, ClientsReachIsolatedNodes) {
  up(3);
  std::vector<Rule> rules;
  for (const auto& x : lab->nodes())
    for (const auto& y : lab->nodes())
      if (x.name != y.name) rules.push_back({x.address, y.address, Action::drop});
  must(lab->firewall().add(rules));
  EXPECT_EQ(cut_pairs(*lab).size(), 6U);  // asked from the clients' network, all the while
}

TEST_F(LabTest, KillTakesTheWholeNode) {
  up(2);
  ASSERT_TRUE(ask(address("n1"), "fork"));
  ask(address("n1"), "run setsid sleep 1000 >/dev/null 2>&1 &");  // a daemon, orphaned
  ASSERT_TRUE(eventually([&] { return lab->pids("n1").size() == 3; }));
  const auto before = lab->pids("n1");
  const auto took = must(lab->kill("n1"));
  fmt::print("  kill -9 of a node with 3 processes: {:.1f} ms\n", ms(took));
  for (pid_t pid : before) EXPECT_EQ(::kill(pid, 0), -1) << pid;
  EXPECT_FALSE(lab->alive("n1"));
  EXPECT_TRUE(lab->alive("n2"));
  EXPECT_EQ(lab->last_exit("n1")->signal, SIGKILL);
  EXPECT_TRUE(lab->last_exit("n1")->asked);
  EXPECT_TRUE(lab->unexpected_exits().empty());
  EXPECT_FALSE(lab->kill("n1"));
  EXPECT_EQ(content(lab->directory("n1") / "exit"),
            "{\"incarnation\":1,\"asked\":true,\"signal\":9}\n");
}

// A server killed so looks killed by signal 9. But no server can kill its init: the tool has lost a
// process of its own, and must not call that the server's end.
TEST_F(LabTest, AnInitThatIsKilledFromOutsideIsAnErrorOfTheTool) {
  up(2);
  must(lab->verify_healed());
  for (const auto& entry : std::filesystem::directory_iterator("/proc"))
    if (content(entry.path() / "cmdline").find(std::string("lab-init\0n2", 11)) != std::string::npos)
      ::kill(std::atoi(entry.path().filename().c_str()), SIGKILL);
  ASSERT_TRUE(eventually([&] { return !lab->alive("n2"); }));
  must(lab->restart("n2"));
  const Status healed = lab->verify_healed(std::chrono::milliseconds(50));
  ASSERT_FALSE(healed);
  EXPECT_EQ(healed.error().message.find("n2: its init, a process of this tool, was killed"), 0U)
      << healed.error().message;
  must(lab->kill("n1"));
  must(lab->restart("n1"));
  EXPECT_EQ(lab->verify_healed(std::chrono::milliseconds(50)).error().message.find("n1"),
            std::string::npos);
}

TEST_F(LabTest, ARestartKeepsLogAndData) {
  up(1);
  ask(address("n1"), "run touch kept");
  must(lab->kill("n1"));
  must(lab->restart("n1"));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(lab->incarnation("n1"), 2U);
  EXPECT_EQ(ask(address("n1"), "run ls kept"), "kept\n");
  EXPECT_EQ(content(lab->directory("n1") / "log"), "serving\nserving\n");
  EXPECT_FALSE(lab->restart("n1"));  // runs
}

TEST_F(LabTest, ADeathOfItsOwnIsNoticed) {
  LabOptions options;
  options.nodes = 2;
  options.directory = folder.path();
  std::mutex mutex;
  std::vector<std::string> told;
  options.on_unexpected_exit = [&](const Exit& exit) {
    const std::lock_guard lock(mutex);
    told.push_back(describe(exit));
  };
  lab = must(Lab::create(options));
  for (const auto& node : lab->nodes()) must(lab->start(node.name, testing::server_spec()));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  ask(address("n1"), "exit 3", 10);
  ask(address("n2"), "run kill -SEGV $PPID", 10);
  ASSERT_TRUE(eventually([&] { return !lab->alive("n1") && !lab->alive("n2"); }));
  EXPECT_EQ(lab->last_exit("n1")->code, 3);
  EXPECT_EQ(lab->last_exit("n2")->signal, SIGSEGV);
  // Told after the node is dead, by a thread of each node's own.
  ASSERT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return told.size() == 2;
  }));
  EXPECT_EQ(lab->unexpected_exits().size(), 2U);
  EXPECT_EQ(std::ranges::count(told, "n1 exited with code 3"), 1);
}

TEST_F(LabTest, TerminateAsksFirst) {
  up(2);
  EXPECT_EQ(must(lab->terminate("n1")).signal, SIGTERM);
  must(lab->pause("n2"));
  EXPECT_EQ(must(lab->terminate("n2")).signal, SIGTERM);
  const std::string deaf = "trap '' TERM; echo deaf; while :; do sleep 1; done";
  must(lab->start("n1", {{"/bin/sh", "-c", deaf}, {}}));
  ASSERT_TRUE(
      eventually([&] { return content(lab->directory("n1") / "log").ends_with("deaf\n"); }));
  EXPECT_EQ(must(lab->terminate("n1", std::chrono::milliseconds(50))).signal, SIGKILL);
}

TEST_F(LabTest, PauseStopsEveryThreadAndNothingRuns) {
  up(1);
  ask(address("n1"), "fork");
  const auto pause = must(lab->pause("n1"));
  fmt::print("  pause of a node with 2 processes: {:.1f} ms\n", ms(pause.took));
  EXPECT_EQ(pause.processes.size(), 2U);
  EXPECT_TRUE(lab->paused("n1"));
  EXPECT_FALSE(ask(address("n1"), "time", 100));
  const auto later = must(lab->processes("n1"));
  ASSERT_EQ(later.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(later[i].state, 'T');
    EXPECT_EQ(later[i].switches, pause.processes[i].switches);
  }
  EXPECT_TRUE(must(lab->resume(pause)));
  for (const auto& process : must(lab->processes("n1"))) EXPECT_NE(process.state, 'T');
  EXPECT_TRUE(ask(address("n1"), "time"));
}

TEST_F(LabTest, PausesNestAndEndWithTheLife) {
  up(1);
  const auto first = must(lab->pause("n1")), second = must(lab->pause("n1"));
  EXPECT_FALSE(must(lab->resume(first)));
  EXPECT_FALSE(ask(address("n1"), "time", 50));
  EXPECT_TRUE(must(lab->resume(second)));
  EXPECT_TRUE(ask(address("n1"), "time"));

  const auto third = must(lab->pause("n1"));
  must(lab->kill("n1"));
  EXPECT_FALSE(lab->paused("n1"));
  EXPECT_FALSE(must(lab->resume(third)));
  EXPECT_FALSE(lab->pause("n1"));
  must(lab->restart("n1"));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  const auto fourth = must(lab->pause("n1"));
  EXPECT_FALSE(must(lab->resume(third)));  // of another life
  EXPECT_TRUE(lab->paused("n1"));
  EXPECT_TRUE(must(lab->resume(fourth)));
}

TEST_F(LabTest, ClockOffsetsApplyLiveAndLeaveMonotonicAlone) {
  up(2, {.clocks = true});
  const auto offset = [&](const std::string& node) {
    return testing::clock_offset(address(node), "time");
  };
  const auto mono_offset = [&] { return testing::clock_offset(address("n1"), "mono"); };
  EXPECT_NEAR(offset("n1"), 0, 0.02);
  auto* clock = must(lab->clock("n1"));
  const int first = must(clock->add(std::chrono::milliseconds(12'345)));
  EXPECT_NEAR(offset("n1"), 12.345, 0.02);
  EXPECT_NEAR(offset("n2"), 0, 0.02);
  EXPECT_NEAR(mono_offset(), 0, 0.02);
  const int second = must(clock->add(std::chrono::milliseconds(-20'100)));
  EXPECT_NEAR(offset("n1"), -7.755, 0.02);
  must(clock->remove(first));
  EXPECT_NEAR(offset("n1"), -20.1, 0.02);
  must(clock->change(second, std::chrono::milliseconds(100)));
  EXPECT_NEAR(offset("n1"), 0.1, 0.02);
  must(lab->kill("n1"));  // a skewed clock stays skewed over a restart
  must(lab->restart("n1"));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_NEAR(offset("n1"), 0.1, 0.02);
  must(clock->remove(second));
  EXPECT_NEAR(offset("n1"), 0, 0.02);
  fmt::print("  a faked reading of the clock costs {} ns\n",
             ask_number(address("n1"), "time-cost").value_or(-1));
}

// What the end of a run relies on: whatever is still done to the lab is named.
TEST_F(LabTest, SaysWhatIsNotHealed) {
  up(2, {.clocks = true});
  EXPECT_TRUE(lab->verify_healed());
  const auto left = [&] {
    const Status healed = lab->verify_healed(std::chrono::milliseconds(50));
    return healed ? std::string() : healed.error().message;
  };
  const int rules = must(lab->firewall().add({{address("n1"), address("n2"), Action::drop}}));
  EXPECT_NE(left().find("the firewall: 1 rules"), std::string::npos) << left();
  const Pause pause = must(lab->pause("n2"));
  EXPECT_NE(left().find("; n2: still paused"), std::string::npos) << left();
  ClockControl* clock = must(lab->clock("n1"));
  const int skew = must(clock->add(std::chrono::seconds(-5)));
  EXPECT_NE(left().find("n1: its clock is wrong by -5 s"), std::string::npos) << left();
  must(clock->remove(skew));
  must(lab->firewall().remove(rules));
  EXPECT_EQ(left(), "n2: still paused");
  must(lab->resume(pause));
  EXPECT_EQ(left(), "");
  ::kill(lab->pids("n1").at(0), SIGSTOP);  // not through the lab
  EXPECT_TRUE(eventually([&] { return left().find("is stopped") != std::string::npos; }));
  must(lab->kill("n1"));
  EXPECT_EQ(left(), "");
  EXPECT_TRUE(lab->verify_healed());
}

TEST_F(LabTest, SaysWhatIsWrong) {
  up(1);
  EXPECT_FALSE(lab->start("n9", testing::server_spec()));
  EXPECT_FALSE(lab->clock("n1"));
  must(lab->kill("n1"));
  const auto status = lab->start("n1", {{"/no/such/server"}, {}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "n1: cannot execute /no/such/server: No such file or directory");
  EXPECT_FALSE(lab->alive("n1"));
  must(lab->start("n1", testing::server_spec()));
  EXPECT_TRUE(testing::wait_until_ready(*lab));
}

TEST(InitSpec, FindsWhatATmpfsWouldHide) {
  TempFolder folder;
  const fs::path base = fs::canonical(folder.path());
  fs::create_directories(base / "n1/data");
  fs::create_directories(base / "bin");
  std::ofstream(base / "bin/server") << "x";
  InitSpec spec{"n1",
                base / "n1",
                base / "n1/data",
                base / "n1/log",
                {base / "bin/server", "--conf=" + (base / "bin").string(), "/tmp", "/etc"},
                {},
                {}};
  EXPECT_EQ(needed_under(base.parent_path(), spec),
            (std::vector<std::string>{base / "bin", base / "n1"}));
  EXPECT_TRUE(needed_under("/dev/shm", spec).empty());
}

TEST(LabNames, AreChecked) {
  TempFolder folder;
  LabOptions options;
  options.directory = folder.path();
  options.nodes = 65;
  EXPECT_FALSE(Lab::create(options));
}

}  // namespace
}  // namespace gameday::lab

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
