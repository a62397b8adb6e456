#include "checkers/txn/closed_predicate.h"

#include <gtest/gtest.h>

#include "checkers/events/read.h"
#include "checkers/txn/differential_predicate.h"

namespace gameday::txn {
namespace {

TEST(ClosedPredicate, AgreesWithBruteForce) { EXPECT_EQ(differential_predicate(1, 3000), ""); }

TEST(ClosedPredicate, SaysWhatAnAnswerLeftOut) {
  const auto events = parse_events(R"([
    {"process": 0, "type": "invoke", "f": "init", "value": {"6": 3, "8": 3}},
    {"process": 0, "type": "ok", "f": "init", "value": {"6": 3, "8": 3}},
    {"process": 0, "type": "invoke", "f": "txn", "value": [["delete", "6"], ["delete", "8"]]},
    {"process": 0, "type": "ok", "f": "txn", "value": [["delete", "6"], ["delete", "8"]]},
    {"process": 1, "type": "invoke", "f": "txn", "value": [["rp", "true", null]]},
    {"process": 1, "type": "ok", "f": "txn", "value": [["rp", "true", {"8": 3}]]}])");
  ASSERT_TRUE(events) << events.error().message;
  const CheckResult result = check_closed_predicate({*events, {}, Limits()});
  ASSERT_EQ(result.anomalies.size(), 1u) << result.summary;
  const Anomaly& anomaly = result.anomalies[0];
  EXPECT_EQ(anomaly.type, "G-single");
  EXPECT_EQ(anomaly.ops.size(), 2u);
  std::string all;
  for (const auto& line : anomaly.explanation) all += line + "\n";
  EXPECT_NE(all.find("left out key \"6\", which must have been deleted then"), std::string::npos)
      << all;
  EXPECT_NE(all.find("found key \"8\" as 3"), std::string::npos) << all;
}

}  // namespace
}  // namespace gameday::txn
