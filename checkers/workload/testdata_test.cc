// Cases are data: testdata/<model>/<name>.edn is a history, <name>.expected.json says what must
// come out: "valid" (true, false or "unknown"), "anomaly-types", some of the "stats", words that
// the result "says", and the "options" that the model is run with.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "checkers/events/read.h"
#include "checkers/model.h"

namespace gameday {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(TESTDATA))
    if (entry.path().extension() == ".edn" || entry.path().extension() == ".jsonl")
      names.push_back(fs::relative(entry.path(), TESTDATA).string());
  std::sort(names.begin(), names.end());
  return names;
}

template <class T>
void take(const Json& json, const char* name, T& option) {
  if (const auto found = json.find(name); found != json.end()) {
    if constexpr (requires { option.value(); }) {
      option = found->template get<typename T::value_type>();
    } else {
      option = found->template get<T>();
    }
  }
}

ModelOptions parse_options(const Json& json, const fs::path& folder) {
  ModelOptions options;
  take(json, "group_size", options.group_size);
  take(json, "key_count", options.key_count);
  take(json, "negative_balances", options.negative_balances);
  take(json, "total_amount", options.total_amount);
  take(json, "max_staleness_ms", options.max_staleness_ms);
  take(json, "max_staleness_versions", options.max_staleness_versions);
  take(json, "max_latency_ms", options.max_latency_ms);
  take(json, "min_availability", options.min_availability);
  take(json, "latency_quantile", options.latency_quantile);
  take(json, "pattern", options.pattern);
  take(json, "log_files", options.log_files);
  take(json, "set_linearizable", options.set_linearizable);
  for (auto& file : options.log_files) file = (folder / file).string();
  return options;
}

class Case : public testing::TestWithParam<std::string> {};

TEST_P(Case, IsJudgedAsExpected) {
  const fs::path file = fs::path(TESTDATA) / GetParam();
  const auto events = read_events(file);
  ASSERT_TRUE(events) << events.error().message;
  std::ifstream in(fs::path(file).replace_extension(".expected.json"));
  const Json expected = Json::parse(in);
  const std::string name = fs::path(GetParam()).parent_path().string();
  const auto all = workload_models();
  const auto model =
      std::find_if(all.begin(), all.end(), [&](const Model& m) { return m.name == name; });
  ASSERT_NE(model, all.end()) << name;
  const ModelOptions options =
      parse_options(expected.value("options", Json::object()), file.parent_path());
  const CheckResult result = model->check({*events, options, Limits{}});
  const std::string dump = to_json(result).dump(2);

  const Json valid = result.verdict == Verdict::valid     ? Json(true)
                     : result.verdict == Verdict::invalid ? Json(false)
                                                          : Json("unknown");
  EXPECT_EQ(valid, expected.at("valid")) << dump;
  std::set<std::string> types(result.anomaly_types.begin(), result.anomaly_types.end());
  if (types.empty())
    for (const auto& anomaly : result.anomalies) types.insert(anomaly.type);
  EXPECT_EQ(Json(types), expected.value("anomaly-types", Json::array())) << dump;
  const Json stats = expected.value("stats", Json::object());
  for (const auto& [key, value] : stats.items()) {
    ASSERT_TRUE(result.stats.contains(key)) << key << dump;
    EXPECT_EQ(result.stats[key], value) << key << dump;
  }
  EXPECT_FALSE(result.summary.empty());
  std::string said = result.summary;
  for (const auto& anomaly : result.anomalies) {
    said += "\n" + anomaly.summary;
    for (const auto& line : anomaly.explanation) said += "\n" + line;
    EXPECT_FALSE(anomaly.summary.empty()) << anomaly.type;
  }
  EXPECT_NE(said.find(expected.value("says", "")), std::string::npos) << said;
}

INSTANTIATE_TEST_SUITE_P(Testdata, Case, testing::ValuesIn(case_names()),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

// Every model says what it needs, and does not judge what it does not know.
TEST(Workload, AnEmptyHistoryIsNeverInvalid) {
  Events events;
  ASSERT_TRUE(events.pair_up());
  const ModelOptions options;
  for (const Model& model : workload_models()) {
    const CheckResult result = model.check({events, options, Limits{}});
    EXPECT_NE(result.verdict, Verdict::invalid) << model.name;
    EXPECT_FALSE(result.summary.empty()) << model.name;
  }
}

}  // namespace
}  // namespace gameday
