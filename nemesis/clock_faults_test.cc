// Clock faults against a lab of real processes.
#include <gtest/gtest.h>

#include "harness/lab/universe.h"
#include "nemesis/fault_test.h"

namespace gameday::nemesis {
namespace {

class ClockFaultTest : public NemesisTest {
 protected:
  double monotonic(const std::string& node) {
    return testing::clock_offset(must(lab->node(node)).address, "mono");
  }
};

TEST_F(ClockFaultTest, SkewsClocks) {
  up(2, {.clocks = true});
  auto fault = must(
      inject("clock", {{"order", {"n1", "n2"}}, {"count", 2}, {"offsets_ms", {1500, -30000}}}));
  EXPECT_NEAR(skew("n1"), 1.5, 0.1);
  EXPECT_NEAR(skew("n2"), -30, 0.1);
  auto other = must(inject("clock", {{"order", {"n1"}}, {"offsets_ms", {-500}}}));
  EXPECT_NEAR(skew("n1"), 1, 0.1);
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_NEAR(skew("n1"), -0.5, 0.1);
  EXPECT_NEAR(skew("n2"), 0, 0.1);
  EXPECT_TRUE(heal(other).effective);
  EXPECT_NEAR(skew("n1"), 0, 0.1);
}

TEST_F(ClockFaultTest, StrobesClocks) {
  up(1, {.clocks = true});
  auto fault = must(
      inject("clock",
             {{"style", "strobe"}, {"order", {"n1"}}, {"offsets_ms", {5000}}, {"period_ms", 10}}));
  bool wrong = false, right = false;
  EXPECT_TRUE(eventually([&] {
    const double now = skew("n1");
    wrong |= now > 4;
    right |= now < 1;
    return wrong && right;
  }));
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_NEAR(skew("n1"), 0, 0.1);
}

TEST_F(ClockFaultTest, AClockThatDoesNotFollowIsVacuous) {
  up(1, {.clocks = true}, true);
  if (auto killed = lab->kill("n1"); !killed) FAIL();
  auto spec = testing::server_spec();
  spec.environment["LD_PRELOAD"] = "";  // as a static binary is to libfaketime
  ASSERT_TRUE(lab->start("n1", spec));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  auto fault = must(inject("clock", {{"order", {"n1"}}, {"offsets_ms", {5000}}}));
  EXPECT_FALSE(heal(fault).effective);
}

TEST_F(ClockFaultTest, Drifts) {
  up(2, {.clocks = true});
  auto fault = must(inject(
      "clock",
      {{"style", "drift"}, {"order", {"n1", "n2"}}, {"count", 2}, {"rates_ppm", {4e6, -5e5}}}));
  EXPECT_LT(skew("n1"), 2);
  EXPECT_TRUE(eventually([&] { return skew("n1") > 1 && skew("n2") < -0.1; }));
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_TRUE(proof.detail["nodes"]["n2"]["confirmed"]);
  EXPECT_EQ(proof.detail["mechanism"], "vDSO page");
  EXPECT_NEAR(skew("n1"), 0, 0.1);
  EXPECT_NEAR(skew("n2"), 0, 0.1);
}

TEST_F(ClockFaultTest, Freezes) {
  up(1, {.clocks = true});
  auto fault = must(inject("clock", {{"style", "freeze"}, {"order", {"n1"}}}));
  EXPECT_TRUE(eventually([&] { return skew("n1") < -0.3; }));
  auto bump = must(inject("clock", {{"order", {"n1"}}, {"offsets_ms", {30'000}}}));
  EXPECT_NEAR(skew("n1"), 29.5, 0.4);
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_NEAR(skew("n1"), 30, 0.1);
  EXPECT_TRUE(heal(bump).effective);
  EXPECT_NEAR(skew("n1"), 0, 0.1);
}

TEST_F(ClockFaultTest, LeapsTheMonotonicClock) {
  up(2, {.clocks = true});
  auto fault =
      must(inject("clock", {{"style", "jump"}, {"order", {"n1"}}, {"jumps_ms", {30'000}}}));
  EXPECT_NEAR(monotonic("n1"), 30, 0.1);
  EXPECT_NEAR(skew("n1"), 0, 0.1);
  EXPECT_NEAR(monotonic("n2"), 0, 0.1);
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_NEAR(monotonic("n1"), 30, 0.1);  // it never goes back
  EXPECT_TRUE(lab->verify_healed());
}

TEST_F(ClockFaultTest, WakesUpFromASuspend) {
  up(2, {.clocks = true});
  auto fault = must(
      inject("clock",
             {{"style", "suspend"}, {"order", {"n1"}}, {"jumps_ms", {30'000}}, {"hold_ms", 300}}));
  EXPECT_TRUE(lab->paused("n1"));
  EXPECT_FALSE(answers("n1"));
  ASSERT_TRUE(eventually([&] { return answers("n1"); }));
  EXPECT_NEAR(skew("n1"), 30, 0.1);
  EXPECT_NEAR(monotonic("n1"), 30, 0.1);
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_NEAR(skew("n1"), 0, 0.1);

  auto killed =
      must(inject("clock", {{"style", "suspend"}, {"order", {"n1"}}, {"hold_ms", 60'000}}));
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  EXPECT_TRUE(heal(kill).effective);
  heal(killed);  // woken up early, and of another life
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_NEAR(skew("n1"), 0, 0.1);
}

TEST_F(ClockFaultTest, SkewsOutliveTheirProcesses) {
  up(1, {.clocks = true});
  auto fault = must(inject("clock", {{"order", {"n1"}}, {"offsets_ms", {-7000}}}));
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  heal(kill);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_NEAR(skew("n1"), -7, 0.1);
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_NEAR(skew("n1"), 0, 0.1);
}

TEST_F(ClockFaultTest, SaysWhatLibfaketimeCannot) {
  up(1, {.clocks = true}, true);
  const auto refused = inject("clock", {{"style", "freeze"}, {"order", {"n1"}}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("libfaketime"), std::string::npos);
  auto fault = must(inject("clock", {{"order", {"n1"}}, {"offsets_ms", {5000}}}));
  EXPECT_EQ(heal(fault).detail["mechanism"], "libfaketime");
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
