// Power losses and torn writes on real processes.
#include <signal.h>

#include <cstdlib>

#include "nemesis/fault_test.h"

namespace gameday::nemesis {
namespace {

class PowerLoss : public NemesisTest {
 protected:
  void SetUp() override {
    if (auto available = lab::torn_disks_available(); !available)
      GTEST_SKIP() << available.error().message;
  }
  std::string run(const std::string& node, const std::string& command) {
    return testing::ask(must(lab->node(node)).address, "run " + command, 5000).value_or("no answer");
  }
};

TEST_F(PowerLoss, WhatNodesDidNotSyncVanishes) {
  for (const lab::Preparation& prepare : {lab::Preparation{.disks = true}, {.torn_disks = true}}) {
    up(3, prepare);
    fmt::print("  {}, lab in {:.0f} ms\n", must(lab->disk("n1"))->backend(),
               ms(lab->build_time()));
    for (const char* node : {"n1", "n2", "n3"})
      run(node, "mkdir -p d; printf kept >synced; sync synced .; printf gone >unsynced; mkdir e");
    auto fault = must(inject("power-loss", {{"order", {"n1", "n2"}}, {"count", 2}}));
    EXPECT_FALSE(answers("n1"));
    EXPECT_FALSE(answers("n2"));
    EXPECT_TRUE(answers("n3"));
    const Proof proof = heal(fault);
    EXPECT_TRUE(proof.effective);
    EXPECT_EQ(proof.detail["nodes"]["n1"]["vanished"], (Json{"e", "unsynced"}));
    EXPECT_FALSE(proof.detail["nodes"].contains("n3"));
    ASSERT_TRUE(testing::wait_until_ready(*lab));
    for (const char* node : {"n1", "n2"})
      EXPECT_EQ(run(node, "cat synced; ls -A | grep -v lost+found"), "keptd\nsynced\n");
    EXPECT_EQ(run("n3", "cat unsynced"), "gone");
    EXPECT_EQ(lab->incarnation("n1"), 2U);
    must(lab->verify_healed());
    lab.reset();
    EXPECT_TRUE(std::filesystem::exists(folder.path() / "nodes/n3/data/unsynced"));  // left behind
  }
}

TEST_F(PowerLoss, ANodeSeesItsOwnDiskOnly) {
  up(2, {.disks = true});
  run("n1", "touch mine");
  const std::string other = must(lab->node("n1")).data.string();
  EXPECT_EQ(run("n2", "ls -A " + other), "");
  EXPECT_EQ(run("n2", "grep -c nodes/n./data /proc/mounts"), run("n1", "grep -c nodes/n./data /proc/mounts"));
  EXPECT_NE(run("n1", "df --output=size -B1M . | tail -1"), "no answer");
}

TEST_F(PowerLoss, PowerComesBackByItself) {
  up(1, {.disks = true});
  auto fault = must(inject("power-loss", {{"order", {"n1"}}, {"down_ms", 20}}));
  ASSERT_TRUE(eventually([&] { return answers("n1"); }));
  EXPECT_EQ(lab->incarnation("n1"), 2U);
  EXPECT_NE(heal(fault).summary.find("nothing was unsynced"), std::string::npos);
}

TEST_F(PowerLoss, NobodyStartsANodeWithoutPower) {
  up(2, {.disks = true});
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  auto power = must(inject("power-loss", {{"order", {"n1", "n2"}}, {"count", 2}}));
  auto again = must(inject("power-loss", {{"order", {"n2"}}}));
  EXPECT_FALSE(heal(again).effective);
  EXPECT_TRUE(heal(kill).effective);
  EXPECT_FALSE(lab->alive("n1"));
  EXPECT_FALSE(lab->verify_healed(std::chrono::milliseconds(0)));
  EXPECT_TRUE(heal(power).effective);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  must(lab->verify_healed());
  // Killed and restarted by another fault in between, and forgotten: it heals all the same.
  {
    auto forgotten = must(inject("power-loss", {{"order", {"n1"}}, {"down_ms", 0}}));
    ASSERT_TRUE(eventually([&] { return lab->alive("n1"); }));
    auto second = must(inject("kill", {{"order", {"n1"}}}));
    heal(second);
    auto third = must(inject("power-loss", {{"order", {"n2"}}}));
  }
  EXPECT_TRUE(testing::wait_until_ready(*lab));
}

TEST_F(PowerLoss, TornWritesLeaveSomeSectors) {
  up(1, {.torn_disks = true});
  run("n1", "yes old | head -c 65536 >log; sync log");
  run("n1", "yes NEW | dd of=log bs=65536 count=1 iflag=fullblock conv=notrunc status=none; true");
  auto fault = must(inject("torn-write", {{"order", {"n1"}}, {"seed", 7}, {"sector", 512}}));
  const Proof proof = heal(fault);
  EXPECT_GT(proof.detail["nodes"]["n1"]["torn"]["sectors-kept"], 0);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(run("n1", "tr -d '\\n' <log | fold -w 3 | sort -u | tr '\\n' ' '"), "NEW old ");
  EXPECT_FALSE(inject("torn-write", {{"order", {"n1"}}, {"sector", 1000}}));
  EXPECT_TRUE(eventually([&] { return answers("n1"); }));
}

// What the tool breaks by itself is never the system's: a run ends with an error, and no verdict.
TEST_F(PowerLoss, ADiskThatBrokeIsNotHealed) {
  up(2, {.torn_disks = true});
  must(lab->verify_healed());
  for (const auto& entry : std::filesystem::directory_iterator("/proc"))
    if (const auto line = testing::content(entry.path() / "cmdline");
        line.find("lab-disk") != std::string::npos && line.find("nodes/n2/") != std::string::npos)
      ::kill(std::atoi(entry.path().filename().c_str()), SIGKILL);
  const Status healed = lab->verify_healed(std::chrono::milliseconds(50));
  ASSERT_FALSE(healed);
  EXPECT_EQ(healed.error().message.find("n2: cannot write to its data directory"), 0U)
      << healed.error().message;
}

// sync(2) and syncfs(2), of which a FUSE disk would not know, with and without somebody else who traps
// the second; of another file system they sync nothing here.
TEST_F(PowerLoss, WhatSyncedWholeDisksStays) {
  for (const bool others : {false, true}) {
    lab::Preparation prepare{.torn_disks = true};
    if (others) prepare.syscalls = lab::kSyncCalls;
    up(1, prepare);
    for (const char* sync : {"sync -f .", "sync", "sync -f /proc"}) {
      run("n1", fmt::format("mkdir d; printf kept >d/file; {}; printf lost >>d/file; touch new", sync));
      auto fault = must(inject("power-loss", {{"order", {"n1"}}, {"down_ms", 0}}));
      heal(fault);
      ASSERT_TRUE(testing::wait_until_ready(*lab));
      const bool kept = sync != std::string("sync -f /proc");
      EXPECT_EQ(run("n1", "cat d/file 2>/dev/null; ls; rm -rf d; sync"), kept ? "keptd\n" : "") << sync;
    }
    lab.reset();
  }
}

TEST_F(PowerLoss, NeedsItsDisks) {
  up(1);
  EXPECT_FALSE(inject("power-loss", {{"order", {"n1"}}}));
  EXPECT_TRUE(answers("n1"));
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
