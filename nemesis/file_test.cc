// Faults of files on real processes: their calls fail, are slow, or are their last.
#include <sys/stat.h>

#include <cerrno>
#include <fstream>

#include "harness/lab/file_faults.h"
#include "nemesis/fault_test.h"

namespace gameday::nemesis {
namespace {

class FileTest : public NemesisTest {
 protected:
  // Prepared for just what this fault says it needs.
  void up_for(int nodes, std::string_view name, const Json& parameters) {
    up(nodes, needs_of(*find(name), parameters));
  }
  int call(const std::string& node, const std::string& words) {
    const auto answer = testing::ask(must(lab->node(node)).address, "file " + words, 5000);
    return answer ? std::atoi(answer->c_str()) : -1;
  }
  std::string run(const std::string& node, const std::string& command) {
    return testing::ask(must(lab->node(node)).address, "run " + command, 5000).value_or("no answer");
  }
};

TEST_F(FileTest, TheNthFsyncFails) {
  const Json parameters = {{"style", "nth"}, {"order", {"leader"}}, {"nth", 2}};
  up_for(3, "io-error", parameters);
  auto fault = must(inject("io-error", parameters));
  EXPECT_EQ(fault->description()["targets"], Json{"n2"});
  EXPECT_EQ(call("n2", "fsync f"), 0);
  EXPECT_EQ(call("n1", "fsync f"), 0);
  EXPECT_EQ(call("n1", "fsync f"), 0);
  EXPECT_EQ(call("n2", "fsync f"), EIO);
  EXPECT_EQ(call("n2", "fsync f"), 0);
  EXPECT_FALSE(lab->verify_healed(10ms));
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["nodes"]["n2"]["failed"], 1);
  EXPECT_EQ(proof.detail["nodes"]["n2"]["by_path"]["f"]["failed"], 1);
  EXPECT_TRUE(lab->verify_healed(10ms));
}

TEST_F(FileTest, RandomFsyncsFailAsTheSeedSays) {
  const Json parameters = {{"style", "random"}, {"order", {"n1"}}, {"probability", 0.4}, {"seed", 9}};
  up_for(1, "io-error", parameters);
  std::vector<std::string> drawn;
  for (int round = 0; round < 2; ++round) {
    auto fault = must(inject("io-error", parameters));
    std::string result;
    for (int i = 0; i < 30; ++i) result += call("n1", "fsync f") == EIO ? 'x' : '-';
    drawn.push_back(result);
    EXPECT_EQ(heal(fault).detail["nodes"]["n1"]["failed"], std::count(result.begin(), result.end(), 'x'));
  }
  EXPECT_EQ(drawn[0], drawn[1]);
  EXPECT_NE(drawn[0].find('x'), std::string::npos);
  EXPECT_NE(drawn[0].find('-'), std::string::npos);
}

TEST_F(FileTest, AReadOnlyDisk) {
  const Json parameters = {{"style", "read-only"}, {"order", {"n1"}}};
  up_for(2, "io-error", parameters);
  for (const char* node : {"n1", "n2"}) run(node, "printf kept >a");
  auto fault = must(inject("io-error", parameters));
  for (const char* words : {"create b", "mkdir d", "rename a b", "unlink a", "link a b"})
    EXPECT_EQ(call("n1", words), EROFS) << words;
  EXPECT_NE(run("n1", "truncate -c -s 0 a 2>&1").find("Read-only"), std::string::npos);
  EXPECT_EQ(run("n1", "cat a"), "kept");
  EXPECT_EQ(call("n2", "rename a b"), 0);
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_EQ(call("n1", "fsync a"), 0);
  EXPECT_EQ(call("n1", "rename a b"), 0);
}

TEST_F(FileTest, AWindowOnAClassOfCallsAndAPath) {
  const Json parameters = {{"style", "window"},   {"calls", "rename"}, {"path", "*.snap"},
                           {"errno", "EROFS"}, {"order", {"n1"}}};
  up_for(1, "io-error", parameters);
  run("n1", "touch a b");
  auto fault = must(inject("io-error", parameters));
  EXPECT_EQ(call("n1", "rename a a.snap"), EROFS);
  EXPECT_EQ(call("n1", "rename b b.log"), 0);
  EXPECT_EQ(call("n1", "fsync a"), 0);
  EXPECT_EQ(call("n1", "unlink a.snap"), EROFS);
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_EQ(call("n1", "rename a a.snap"), 0);
}

TEST_F(FileTest, SlowFsyncs) {
  const Json parameters = {
      {"style", "slow"}, {"delay_ms", 120}, {"jitter_ms", 30}, {"order", {"n1"}}, {"path", "wal*"}};
  up_for(2, "io-error", parameters);
  auto fault = must(inject("io-error", parameters));
  const auto took = [&](const std::string& node, const std::string& path) {
    const auto answer = testing::ask(must(lab->node(node)).address, "file fsync " + path, 5000);
    return std::atoi(answer.value_or("0 0").substr(2).c_str());
  };
  EXPECT_GE(took("n1", "wal-1"), 120);
  EXPECT_LT(took("n1", "other") + took("n2", "wal-1"), 100);
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["nodes"]["n1"]["delayed"], 1);
  EXPECT_GE(proof.detail["nodes"]["n1"]["waited_ms"], 120);
  EXPECT_LT(took("n1", "wal-1"), 100);
}

TEST_F(FileTest, AFullDiskAfterSomeBytes) {
  const Json parameters = {{"order", {"n1"}}, {"after_bytes", 100}};
  up_for(2, "disk-full", parameters);
  auto fault = must(inject("disk-full", parameters));
  EXPECT_EQ(call("n1", "write f 80"), 0);
  EXPECT_EQ(call("n1", "write f 80"), ENOSPC);
  EXPECT_EQ(call("n1", "create new"), ENOSPC);
  EXPECT_EQ(call("n2", "write f 800"), 0);
  EXPECT_EQ(call("n1", "read f"), 0);
  EXPECT_EQ(run("n1", "wc -c < f"), "80\n");
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["nodes"]["n1"]["failed"], 2);
  EXPECT_EQ(call("n1", "write f 800"), 0);
  EXPECT_EQ(call("n1", "create new"), 0);
}

TEST_F(FileTest, WhatNobodyCallsIsVacuous) {
  up(2, {.syscalls = lab::kSyncCalls | lab::kWriteCalls | lab::kCreateCalls});
  auto io = must(inject("io-error", {{"style", "window"}, {"order", {"n1"}}}));
  auto full = must(inject("disk-full", {{"order", {"n1"}}}));
  EXPECT_EQ(call("n2", "fsync f"), 0);
  EXPECT_FALSE(heal(io).effective);
  EXPECT_FALSE(heal(full).effective);
  EXPECT_FALSE(inject("io-error", {{"style", "window"}, {"calls", "read"}}));  // not prepared for
  EXPECT_FALSE(inject("io-error", {{"errno", "EWHAT"}}));
  EXPECT_TRUE(lab->verify_healed(10ms));
}

TEST_F(FileTest, AForgottenOneHealsItself) {
  up(1, {.syscalls = lab::kSyncCalls});
  {
    auto fault = must(inject("io-error", {{"style", "window"}}));
    EXPECT_EQ(call("n1", "fsync f"), EIO);
  }
  EXPECT_EQ(call("n1", "fsync f"), 0);
}

// A server may end when its disk fails. The heal starts it again.
TEST_F(FileTest, AServerThatGivesUpIsStartedAgain) {
  up(2, {.syscalls = lab::kSyncCalls});
  auto fault = must(inject("io-error", {{"style", "window"}, {"order", {"n1"}}}));
  EXPECT_EQ(call("n1", "fsync f"), EIO);
  testing::ask(must(lab->node("n1")).address, "exit 3", 50);
  ASSERT_TRUE(eventually([&] { return !lab->alive("n1"); }));
  EXPECT_TRUE(lab->last_exit("n1")->provoked);
  const Proof proof = heal(fault);
  EXPECT_NE(proof.summary.find("n1 exited with code 3, which was started again"), std::string::npos)
      << proof.summary;
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(lab->unexpected_exits().size(), 1U);  // the run notes it; a checker knows the reason
  // Without a failed call in this life it is its own doing, and nobody starts it.
  auto again = must(inject("io-error", {{"style", "window"}, {"order", {"n1"}}}));
  testing::ask(must(lab->node("n1")).address, "exit 3", 50);
  ASSERT_TRUE(eventually([&] { return !lab->alive("n1"); }));
  EXPECT_FALSE(lab->last_exit("n1")->provoked);
  heal(again);
  EXPECT_FALSE(lab->alive("n1"));
}

TEST_F(FileTest, SurvivesKillsAndPausesInBetween) {
  up(2, {.syscalls = lab::kSyncCalls});
  auto slow = must(inject("io-error", {{"style", "slow"}, {"delay_ms", 60000}, {"order", {"n1"}}}));
  testing::ask(must(lab->node("n1")).address, "file fsync f", 1);  // is held now
  auto pause = must(inject("pause", {{"order", {"n1"}}}));
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  auto fails = must(inject("io-error", {{"style", "window"}, {"order", {"n1"}}}));
  heal(kill);
  heal(slow);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(call("n1", "fsync f"), EIO);
  heal(pause);
  EXPECT_TRUE(heal(fails).effective);
  EXPECT_EQ(call("n1", "fsync f"), 0);
}

TEST_F(FileTest, CrashesAtEveryNthFsync) {
  for (const std::string moment : {"before", "after"}) {
    const Json parameters = {{"style", "at-fsync"}, {"every", 2},        {"delay_ms", 20},
                             {"moment", moment},    {"order", {"n1"}}};
    up_for(2, "kill", parameters);
    auto fault = must(inject("kill", parameters));
    for (unsigned life = 1; life <= 3; ++life) {
      EXPECT_EQ(call("n1", "fsync f"), 0);
      testing::ask(must(lab->node("n1")).address, "file fsync f", 1);
      ASSERT_TRUE(eventually([&] { return lab->incarnation("n1") == life + 1 && answers("n1"); }));
    }
    EXPECT_EQ(call("n2", "fsync f"), 0);
    EXPECT_EQ(call("n2", "fsync f"), 0);
    const Proof proof = heal(fault);
    EXPECT_TRUE(proof.effective);
    EXPECT_EQ(proof.detail["nodes"]["n1"], (Json{{"kills", 3}, {"fsyncs", 6}}));
    EXPECT_EQ(proof.detail["moments"][2]["executed"], moment == "after");
    EXPECT_TRUE(lab->alive("n1"));
    EXPECT_EQ(call("n1", "fsync f"), 0);
    EXPECT_EQ(call("n1", "fsync f"), 0);
    EXPECT_TRUE(lab->unexpected_exits().empty());
    lab.reset();
  }
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
