// Cases are data: testdata/<name>.jsonl is a history, <name>.expected.json says which checker
// judges it, with which nodes and faults (times in seconds), and what must come out. A new case is
// two files.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "checkers/catalog.h"

namespace gameday {
namespace {

std::int64_t ns(const Json& fault, const char* field) {
  const auto found = fault.find(field);
  return found == fault.end() ? -1 : static_cast<std::int64_t>(found->get<double>() * 1e9);
}

std::vector<FaultRecord> parse_faults(const Json& expected) {
  std::vector<FaultRecord> faults;
  for (const auto& json : expected.value("faults", Json::array())) {
    FaultRecord fault;
    fault.id = json.value("id", 0);
    fault.fault = json.at("fault").get<std::string>();
    fault.summary = json.value("summary", "");
    fault.description = json.value("description", Json::object());
    fault.requested = ns(json, "requested");
    fault.in_force = ns(json, "in_force");
    fault.heal_requested = ns(json, "heal_requested");
    fault.healed = ns(json, "healed");
    fault.proof.effective = json.value("effective", true);
    fault.error = json.value("error", "");
    faults.push_back(std::move(fault));
  }
  return faults;
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA))
    if (entry.path().extension() == ".jsonl") names.push_back(entry.path().stem().string());
  std::sort(names.begin(), names.end());
  return names;
}

class Case : public testing::TestWithParam<std::string> {};

TEST_P(Case, IsJudgedAsExpected) {
  const std::filesystem::path base = std::filesystem::path(TESTDATA) / GetParam();
  auto history = read_history(std::filesystem::path(base.string() + ".jsonl"));
  ASSERT_TRUE(history) << history.error().message;
  std::ifstream file(base.string() + ".expected.json");
  const Json expected = Json::parse(file);
  const CheckInput input{*history,
                         Json::object(),
                         parse_faults(expected),
                         expected.value("nodes", std::vector<std::string>{}),
                         {}};
  const Checker* checker = find_checker(expected.at("checker").get<std::string>());
  ASSERT_NE(checker, nullptr);
  EXPECT_TRUE(checker->fits(input));
  const CheckResult result = check_safely(*checker, input);
  const std::string all = to_json(result).dump(2);
  EXPECT_EQ(to_string(result.verdict), expected.at("verdict").get<std::string>()) << all;
  std::multiset<std::string> types;
  for (const auto& anomaly : result.anomalies) types.insert(anomaly.type);
  const auto wanted = expected.at("anomalies").get<std::multiset<std::string>>();
  EXPECT_EQ(types, wanted) << all;
  std::string said = result.summary;
  for (const auto& anomaly : result.anomalies) {
    said += "\n" + anomaly.summary;
    for (const auto& line : anomaly.explanation) said += "\n" + line;
    EXPECT_FALSE(anomaly.ops.empty()) << anomaly.summary;
    for (const auto op : anomaly.ops) {
      EXPECT_GE(op, 0);
      EXPECT_LT(op, static_cast<std::int64_t>(history->size()));
    }
  }
  EXPECT_NE(said.find(expected.at("explains").get<std::string>()), std::string::npos) << said;
}

INSTANTIATE_TEST_SUITE_P(Testdata, Case, testing::ValuesIn(case_names()),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// A correct history is correct for every checker, not only for the one that it was written for;
// and what one checker says must not depend on the process numbers.
TEST(Testdata, ResultsDoNotDependOnProcessNumbers) {
  for (const auto& name : case_names()) {
    const std::filesystem::path base = std::filesystem::path(TESTDATA) / name;
    const auto history = read_history(std::filesystem::path(base.string() + ".jsonl"));
    ASSERT_TRUE(history);
    std::ifstream file(base.string() + ".expected.json");
    const Json expected = Json::parse(file);
    History renamed;
    for (std::size_t i = 0; i < history->size(); ++i) {
      Op op = history->op(i);
      if (op.process >= 0) op.process = 100'000 - op.process;
      ASSERT_TRUE(renamed.append(op));
    }
    const CheckInput input{renamed,
                           Json::object(),
                           parse_faults(expected),
                           expected.value("nodes", std::vector<std::string>{}),
                           {}};
    const auto result =
        check_safely(*find_checker(expected.at("checker").get<std::string>()), input);
    EXPECT_EQ(to_string(result.verdict), expected.at("verdict").get<std::string>()) << name;
  }
}

}  // namespace
}  // namespace gameday
