#include "reports/view.h"

#include <gtest/gtest.h>

#include "reports/sample.h"

namespace gameday {
namespace {

using report::FaultState;

TEST(View, TheSentenceSaysWhatWasFoundAndTheFirst) {
  const std::string sentence = verdict_sentence(sample_run({}));
  EXPECT_TRUE(sentence.starts_with("INVALID: 3 acknowledged writes were lost. The first: append "))
      << sentence;
  EXPECT_TRUE(sentence.ends_with("is on no node at the end.")) << sentence;
}

TEST(View, TheSentenceOfAValidRunHasFigures) {
  const std::string sentence = verdict_sentence(sample_run({.invalid = false}));
  EXPECT_TRUE(sentence.starts_with("VALID: 3 checkers found no contradiction in ")) << sentence;
}

TEST(View, TheRunnersSummaryExplainsUnknown) {
  RunRecord run;
  run.results = {
      {"verdict", "UNKNOWN"},
      {"summary", "UNKNOWN: every fault was vacuous"},
      {"checkers", {{{"checker", "set"}, {"verdict", "UNKNOWN"}, {"summary", "out of time"}}}}};
  EXPECT_EQ(verdict_sentence(run), "UNKNOWN: every fault was vacuous. set: out of time.");
}

TEST(View, FurtherInvalidCheckersAreNamed) {
  RunRecord run;
  const auto checker = [](const char* name) {
    return Json{
        {"checker", name}, {"verdict", "INVALID"}, {"summary", std::string(name) + " broke"}};
  };
  run.results = {{"verdict", "INVALID"}, {"checkers", {checker("set"), checker("register")}}};
  EXPECT_EQ(verdict_sentence(run), "INVALID: set broke. Also INVALID: register.");
}

TEST(View, ARunWithoutResultsIsNotChecked) {
  RunRecord run = sample_run({.ops = 50});
  run.results = Json::object();
  EXPECT_EQ(verdict_sentence(run), "NOT CHECKED YET: gameday check store/search/20261103T021455Z");
  run.results = nullptr;
  run.folder.clear();
  EXPECT_EQ(verdict_sentence(run), "NOT CHECKED YET: gameday check RUN");
}

TEST(View, OddShapesAreTolerated) {
  RunRecord run;
  run.test = Json::array({1, 2});
  run.results = {{"verdict", 7},
                 {"checkers",
                  {nullptr,
                   3,
                   "x",
                   {{"checker", 5}, {"anomalies", "no"}, {"seconds", "x"}},
                   {{"verdict", "INVALID"}, {"anomalies", {nullptr, {{"ops", {"a", -1, 99}}}}}}}},
                 {"ops", 3},
                 {"duration", "long"}};
  const auto view = report::make_view(run);
  EXPECT_EQ(view.checkers.size(), 5U);
  EXPECT_EQ(view.verdict, Verdict::invalid);  // of the checkers, as the run's own cannot be read
  ASSERT_EQ(view.anomalies.size(), 2U);
  EXPECT_EQ(view.anomalies[1].unknown_ops, 3U);
  EXPECT_FALSE(verdict_sentence(run).empty());
}

TEST(View, FiguresAreCountedWhereResultsHaveNone) {
  const RunRecord run = sample_run({.ops = 300});
  const auto figures = report::make_view(run).ops;
  EXPECT_GT(figures.invoked, 200);
  EXPECT_EQ(figures.open(), 0);
}

TEST(View, AnOpIsItsInvocationAndItsCompletion) {
  History history;
  Op op;
  op.process = 3;
  op.f = "append";
  op.value = {7, 41};
  op.time = 100;
  ASSERT_TRUE(history.append(op));
  Op other = op;
  other.process = 4;
  ASSERT_TRUE(history.append(other));
  op.type = OpType::ok;
  op.time = 250;
  op.value = {7, 41, 212};
  op.node = "n1";
  ASSERT_TRUE(history.append(op));
  const auto rows = report::op_rows(history, {2, 0, 1});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].index, 0U);
  EXPECT_EQ(rows[0].completed, 2);
  EXPECT_EQ(rows[0].type, "ok");
  EXPECT_EQ(rows[0].node, "n1");
  EXPECT_EQ(rows[0].result, Json({7, 41, 212}));
  EXPECT_EQ(rows[1].type, "open");
}

TEST(View, FaultsAreFlagged) {
  const RunRecord run = sample_run({.ops = 50});
  EXPECT_EQ(report::state_of(run.faults[0]), FaultState::effective);
  EXPECT_EQ(report::state_of(run.faults[3]), FaultState::vacuous);
  EXPECT_EQ(report::state_of(run.faults[4]), FaultState::failed);
  EXPECT_EQ(report::state_of(run.faults[15]), FaultState::missed);
  FaultRecord fault = run.faults[0];
  fault.healed = -1;
  EXPECT_EQ(report::state_of(fault), FaultState::unhealed);
  EXPECT_EQ(report::state_of({}), FaultState::never);
}

}  // namespace
}  // namespace gameday
