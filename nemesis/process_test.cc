// Faults of processes: killed, frozen, slowed, one thread held.
#include <signal.h>

#include <cerrno>

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
  EXPECT_TRUE(eventually([&] { return answers("n1"); }));  // before the fault is healed
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

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
