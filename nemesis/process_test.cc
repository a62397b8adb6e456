// Faults of processes: killed, frozen, slowed, one thread held.
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "nemesis/fault_test.h"

namespace gameday::nemesis {
namespace {

class ProcessFaults : public NemesisTest {};

TEST_F(ProcessFaults, SigtermIsObeyedOrFollowedByAKill) {
  up(2);
  Proof proof = [&] {
    auto fault = must(inject("kill", {{"style", "term"}, {"order", {"n1"}}}));
    EXPECT_FALSE(answers("n1"));
    return heal(fault);
  }();
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["terminated"]["n1"]["signal"], SIGTERM);
  EXPECT_EQ(proof.detail["terminated"]["n1"]["grace_exceeded"], false);
  ASSERT_TRUE(testing::wait_until_ready(*lab));

  must(lab->kill("n2"));
  auto deaf = testing::server_spec();
  deaf.argv = {"sh", "-c", "trap 'exit 5' TERM; trap '' USR1; while :; do sleep 0.01; done"};
  must(lab->start("n2", deaf));
  std::this_thread::sleep_for(100ms);
  auto fault = must(inject("kill", {{"style", "term"}, {"order", {"n2"}}}));
  EXPECT_EQ(heal(fault).detail["terminated"]["n2"]["code"], 5);

  must(lab->kill("n2"));
  deaf.argv = {"sh", "-c", "trap '' TERM; while :; do sleep 0.01; done"};
  must(lab->start("n2", deaf));
  std::this_thread::sleep_for(100ms);
  fault = must(inject("kill", {{"style", "term"}, {"order", {"n2"}}, {"grace_ms", 50}}));
  EXPECT_EQ(heal(fault).detail["terminated"]["n2"]["grace_exceeded"], true);
  EXPECT_TRUE(lab->alive("n2"));
  EXPECT_TRUE(lab->unexpected_exits().empty());
}

TEST_F(ProcessFaults, RestartsAfterADelay) {
  up(1);
  auto fault = must(inject("kill", {{"order", {"n1"}}, {"delay_ms", 300}}));
  EXPECT_FALSE(lab->alive("n1"));
  std::this_thread::sleep_for(50ms);
  EXPECT_FALSE(lab->alive("n1"));
  EXPECT_TRUE(eventually([&] { return lab->alive("n1"); }));  // before the fault is healed
  EXPECT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(heal(fault).detail["kills"], 1);
  EXPECT_EQ(lab->incarnation("n1"), 2U);
}

TEST_F(ProcessFaults, ACrashLoopLastsUntilItIsHealed) {
  up(1);
  auto fault = must(inject("kill", {{"style", "crash-loop"}, {"order", {"n1"}}, {"up_ms", 20}}));
  ASSERT_TRUE(eventually([&] { return lab->incarnation("n1") >= 6; }));
  EXPECT_GE(heal(fault).detail["kills"], 5);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  const unsigned life = lab->incarnation("n1");
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(lab->incarnation("n1"), life);
}

// A machine that cannot (an ordinary user without a cgroup of his own) must say so when the lab is made.
bool refused(const Status& available, lab::Preparation prepare, const std::filesystem::path& folder) {
  if (available) return false;
  lab::LabOptions options;
  options.nodes = 1;
  options.directory = folder;
  options.prepare = prepare;
  const auto lab = lab::Lab::create(options);
  EXPECT_FALSE(lab);
  if (lab) return true;
  EXPECT_EQ(lab.error().message, available.error().message);
  EXPECT_NE(lab.error().message.find("run"), std::string::npos) << lab.error().message;
  fmt::print("  this user cannot: {}\n", lab.error().message);
  return true;
}

void touch(const std::filesystem::path& file) { std::ofstream out(file); }

// For programs that must get some work done first, on a machine that has other things to do.
bool in_the_end(const std::function<bool()>& condition) {
  for (int i = 0; i < 20; ++i)
    if (eventually(condition)) return true;
  return false;
}

constexpr lab::Preparation kFreezing{.cgroups = true}, kLimits{.limits = true};

TEST_F(ProcessFaults, NothingWakesWhatIsFrozen) {
  if (refused(lab::freezing_available(), kFreezing, folder.path())) return;
  up(2, kFreezing);
  testing::ask(must(lab->node("n2")).address, "fork");
  auto fault = must(inject("freeze", {{"order", {"leader"}}}));
  EXPECT_FALSE(answers("n2"));
  for (const pid_t pid : lab->pids("n2")) ::kill(pid, SIGCONT);
  EXPECT_FALSE(answers("n2"));
  EXPECT_TRUE(answers("n1"));
  EXPECT_FALSE(lab->verify_healed(10ms));
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["nodes"]["n2"]["stood_still"], true);
  EXPECT_EQ(proof.detail["nodes"]["n2"]["processes"], 2);
  EXPECT_TRUE(answers("n2"));
  EXPECT_TRUE(lab->verify_healed());
}

TEST_F(ProcessFaults, AFreezeLetsADelayedCallGo) {
  if (refused(lab::freezing_available(), kFreezing, folder.path())) return;
  up(1, {.syscalls = lab::kSyncCalls, .cgroups = true});
  auto slow = must(inject("io-error", {{"style", "slow"}, {"delay_ms", 60000}}));
  testing::ask(must(lab->node("n1")).address, "file fsync f", 1);  // is held now
  auto freeze = must(inject("freeze", {{"order", {"n1"}}}));
  const Proof proof = heal(freeze);
  EXPECT_EQ(proof.detail["nodes"]["n1"]["stood_still"], true) << proof.summary;
  EXPECT_TRUE(answers("n1"));
  EXPECT_TRUE(heal(slow).effective);
}

TEST_F(ProcessFaults, FreezesNestWithPausesAndEndWithALife) {
  if (refused(lab::freezing_available(), kFreezing, folder.path())) return;
  up(1, kFreezing);
  const Json n1 = {{"order", {"n1"}}};
  auto freeze = must(inject("freeze", n1)), again = must(inject("freeze", n1));
  auto pause = must(inject("pause", n1));
  EXPECT_TRUE(heal(freeze).effective);
  EXPECT_FALSE(answers("n1"));
  EXPECT_TRUE(heal(again).effective);
  EXPECT_FALSE(answers("n1"));  // paused
  EXPECT_TRUE(heal(pause).effective);
  EXPECT_TRUE(answers("n1"));
  pause = must(inject("pause", n1));
  freeze = must(inject("freeze", n1));
  EXPECT_TRUE(heal(pause).effective);
  EXPECT_FALSE(answers("n1"));  // frozen
  auto kill = must(inject("kill", n1));
  EXPECT_TRUE(heal(kill).effective);
  ASSERT_TRUE(testing::wait_until_ready(*lab));  // a new life is not frozen
  again = must(inject("freeze", n1));
  EXPECT_EQ(heal(freeze).detail["nodes"]["n1"]["life_ended"], true);
  EXPECT_FALSE(answers("n1"));  // the freeze of the old life has not thawed the new one
  EXPECT_TRUE(heal(again).effective);
  EXPECT_TRUE(answers("n1"));
}

TEST_F(ProcessFaults, ACpuQuotaHoldsForTheNextLifeToo) {
  if (refused(lab::limits_available(), kLimits, folder.path())) return;
  up(1, kLimits);
  const std::string address = must(lab->node("n1")).address;
  const auto burn = [&] {
    testing::ask(address, "run timeout 0.5 sh -c 'while :; do :; done'", 3000);
    return must(lab->cgroup("n1"))->usage().throttled_us;
  };
  // On a busy machine others may leave so little that the quota holds up little of it at first.
  const auto burn_beyond = [&](std::int64_t us) {
    auto throttled = burn();
    for (int i = 0; i < 10 && throttled <= us; ++i) throttled = burn();
    return throttled;
  };
  EXPECT_EQ(burn(), 0);
  auto fault = must(inject("resources", {{"kind", "cpu"}, {"cpu_percent", 3}, {"order", {"n1"}}}));
  const auto first = burn_beyond(100'000);
  EXPECT_GT(first, 100'000);
  must(lab->kill("n1"));
  must(lab->restart("n1"));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_GT(burn_beyond(first + 100'000), first + 100'000);
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_GT(proof.detail["nodes"]["n1"]["nr_throttled"], 0);
  const auto healed = must(lab->cgroup("n1"))->usage().throttled_us;
  EXPECT_EQ(burn(), healed);
  EXPECT_TRUE(lab->verify_healed());
}

TEST_F(ProcessFaults, AQuotaThatNobodyNeedsIsVacuous) {
  if (refused(lab::limits_available(), kLimits, folder.path())) return;
  up(1, kLimits);
  auto fault = must(inject("resources", {{"kind", "cpu"}, {"cpu_percent", 400}}));
  EXPECT_FALSE(heal(fault).effective);
  EXPECT_FALSE(inject("resources", {{"kind", "luck"}}));
}

TEST_F(ProcessFaults, TheKernelKillsForAMemoryLimit) {
  if (refused(lab::limits_available(), kLimits, folder.path())) return;
  up(1, kLimits);
  must(lab->kill("n1"));
  auto hungry = testing::server_spec();
  hungry.argv = {"sh", "-c",
                 "while [ ! -e go ]; do sleep 0.01; done; "
                 "x=$(head -c 60000000 /dev/zero | tr '\\0' a); sleep 1000"};
  must(lab->start("n1", hungry));
  auto fault = must(inject("resources", {{"kind", "memory"}, {"memory_mb", 16}}));
  const auto go = must(lab->node("n1")).data / "go";
  touch(go);
  ASSERT_TRUE(in_the_end([&] { return !lab->alive("n1"); }));
  EXPECT_TRUE(lab->last_exit("n1")->out_of_memory);
  EXPECT_TRUE(lab->unexpected_exits().empty());  // the fault's doing
  std::filesystem::remove(go);
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_GE(proof.detail["nodes"]["n1"]["oom_kill"], 1);
  EXPECT_TRUE(lab->alive("n1"));
  EXPECT_TRUE(lab->verify_healed());
}

TEST_F(ProcessFaults, AMemoryLimitBelowWhatIsInUseIsAccepted) {
  if (refused(lab::limits_available(), kLimits, folder.path())) return;
  up(1, kLimits);
  must(lab->kill("n1"));
  auto grown = testing::server_spec();
  grown.argv = {"sh", "-c",
                "x=$(head -c 40000000 /dev/zero | tr '\\0' a); : > grown; "
                "while [ ! -e go ]; do sleep 0.01; done; y=$x$x; sleep 1000"};
  must(lab->start("n1", grown));
  const auto data = must(lab->node("n1")).data;
  ASSERT_TRUE(in_the_end([&] { return std::filesystem::exists(data / "grown"); }));
  auto fault = must(inject("resources", {{"kind", "memory"}, {"memory_percent", 60}}));
  EXPECT_GT(fault->description()["memory_limits"]["n1"], 10'000'000);
  touch(data / "go");
  ASSERT_TRUE(in_the_end([&] { return !lab->alive("n1"); }));
  std::filesystem::remove(data / "go");
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_TRUE(lab->alive("n1"));
}

TEST_F(ProcessFaults, ADiskIsThrottled) {
  if (refused(lab::limits_available(), kLimits, folder.path())) return;
  up(1, kLimits);
  const auto node = must(lab->node("n1"));
  const auto write = [&] {
    const auto begin = std::chrono::steady_clock::now();
    testing::ask(node.address, "run dd if=/dev/zero of=big bs=64k count=16 conv=fsync 2>&1", 20'000);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const double before = write();
  auto fault = must(inject("resources", {{"kind", "io"}, {"write_kbps", 1000}}));
  const double throttled = write();
  const Proof proof = heal(fault);
  fmt::print("  1 MiB: {:.2f} s, throttled to 1 MB/s {:.2f} s\n", before, throttled);
  if (!lab::device_behind(node.data) || !lab::io_limits_available()) {
    EXPECT_FALSE(proof.effective);  // and the proof says what is missing
    EXPECT_FALSE(proof.summary.empty());
    return;
  }
  EXPECT_TRUE(proof.effective);
  EXPECT_GT(throttled, 0.7);
  EXPECT_GE(proof.detail["nodes"]["n1"]["write_bytes"], 1 << 20);
}

// A program of three threads, each of which counts in a file: this binary, asked for by this argument.
// (Not an interpreter's threads: one held while it has the interpreter's lock stops all of them.)
constexpr const char* kThreeThreads = "three-threads";

[[noreturn]] void count_in(const char* file) {
  for (std::int64_t i = 1;; ++i) {
    std::ofstream(file) << i;
    std::this_thread::sleep_for(1ms);
  }
}

TEST_F(ProcessFaults, OneThreadStandsStillWhileOthersGoOn) {
  up(1);
  must(lab->kill("n1"));
  auto spec = testing::server_spec();
  spec.argv = {testing::own_binary().string(), kThreeThreads};
  must(lab->start("n1", spec));
  const auto data = must(lab->node("n1")).data;
  // Which of the files still change: who stands still does so for 300 ms, who is to move is waited for.
  const auto moving = [&](std::size_t at_least) {
    std::map<std::string, std::filesystem::file_time_type> before;
    for (const char* name : {"a", "b", "c"}) before[name] = std::filesystem::last_write_time(data / name);
    std::this_thread::sleep_for(300ms);
    std::string result;
    eventually([&] {
      result.clear();
      for (const auto& [name, time] : before)
        if (std::filesystem::last_write_time(data / name) != time) result += name;
      return result.size() >= at_least;
    });
    return result;
  };
  for (const char* name : {"a", "b", "c"})
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(data / name); })) << name;
  ASSERT_TRUE(eventually([&] { return lab->threads("n1").size() == 3; }));
  auto fault = must(inject("grey", {{"pick", "index"}, {"index", 1}}));
  EXPECT_EQ(moving(2), "bc");
  auto other = must(inject("grey", {{"pick", "index"}, {"index", 0}}));  // of those left
  EXPECT_EQ(moving(1), "b");
  EXPECT_FALSE(lab->verify_healed(10ms));
  Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["nodes"]["n1"]["held_switches"], 0);
  EXPECT_GT(proof.detail["nodes"]["n1"]["other_switches"], 0);
  EXPECT_EQ(moving(2), "ab");
  // A pause over it, and the end of it within the pause.
  auto pause = must(inject("pause", {{"order", {"n1"}}}));
  EXPECT_EQ(moving(0), "");
  EXPECT_TRUE(heal(other).effective);
  EXPECT_EQ(moving(0), "");
  EXPECT_TRUE(heal(pause).effective);
  EXPECT_EQ(moving(3), "abc");
  fault = must(inject("grey", {{"pick", "busiest"}, {"threads", 2}}));
  EXPECT_EQ(moving(1).size(), 1U);
  EXPECT_TRUE(heal(fault).effective);
  fault = must(inject("grey", {{"pick", "name"}, {"name", "no such*"}}));
  EXPECT_FALSE(heal(fault).effective);
  EXPECT_EQ(moving(3), "abc");
  EXPECT_TRUE(lab->verify_healed());
}

TEST_F(ProcessFaults, AHeldThreadDiesWithItsProcess) {
  up(1);
  auto fault = must(inject("grey", {{"pick", "busiest"}}));  // its only one
  EXPECT_FALSE(answers("n1"));
  auto pause = must(inject("pause", {{"order", {"n1"}}}));
  EXPECT_TRUE(heal(pause).effective);
  EXPECT_FALSE(answers("n1"));
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  EXPECT_TRUE(heal(kill).effective);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_TRUE(answers("n1"));
}

TEST_F(ProcessFaults, AHeldThreadOfAServerWhoseCallsAreTrapped) {
  up(1, {.syscalls = lab::kSyncCalls});
  auto fault = must(inject("grey", {{"pick", "index"}, {"index", 0}}));
  EXPECT_FALSE(answers("n1"));
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_TRUE(answers("n1"));
}

void run_three_threads() {
  std::thread([] { count_in("a"); }).detach();
  std::thread([] { count_in("b"); }).detach();
  count_in("c");
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == gameday::nemesis::kThreeThreads)
    gameday::nemesis::run_three_threads();
  return gameday::lab::testing::test_main(argc, argv, true);
}
