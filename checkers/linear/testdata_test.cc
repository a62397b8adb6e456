// Cases are data: testdata/<model>/<name>.<verdict>.edn (or .log, as Porcupine's of etcd) is a
// history. Comments at its beginning say more: "; initial: 5" and "; permits: 2" are options, "; op:"
// is the row where every order fails, "; says:" words of the result.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "checkers/events/read.h"
#include "checkers/model.h"

namespace gameday {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(TESTDATA))
    if (entry.is_regular_file()) names.push_back(fs::relative(entry.path(), TESTDATA).string());
  std::sort(names.begin(), names.end());
  return names;
}

std::map<std::string, std::string> header(const fs::path& file) {
  std::map<std::string, std::string> header;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line) && line.starts_with("; ");)
    if (const auto colon = line.find(": "); colon != line.npos)
      header[line.substr(2, colon - 2)] = line.substr(colon + 2);
  return header;
}

const Model* model_of(const std::string& name) {
  for (const Model& m : linear_models())
    if (m.name == fs::path(name).parent_path().string()) return &m;
  return nullptr;
}

class LinearCase : public testing::TestWithParam<std::string> {};

TEST_P(LinearCase, IsJudgedAsExpected) {
  const fs::path file = fs::path(TESTDATA) / GetParam();
  const auto events = read_events(file);
  ASSERT_TRUE(events) << events.error().message;
  const Model* model = model_of(GetParam());
  ASSERT_NE(model, nullptr);
  const auto expected = header(file);
  ModelOptions options;
  if (expected.contains("initial")) options.initial = expected.at("initial");
  if (expected.contains("permits")) options.permits = std::stoll(expected.at("permits"));
  const CheckResult result = model->check({*events, options, Limits{}});
  const std::string all = to_json(result).dump(2);
  std::string verdict = file.stem().extension().string().substr(1);
  for (char& c : verdict) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_EQ(to_string(result.verdict), verdict) << all;
  std::string said = result.summary;
  for (const auto& anomaly : result.anomalies) {
    said += "\n" + anomaly.summary;
    for (const auto& line : anomaly.explanation) said += "\n" + line;
    EXPECT_FALSE(anomaly.ops.empty()) << all;
  }
  EXPECT_EQ(result.anomalies.empty(), verdict != "INVALID") << all;
  if (expected.contains("op")) {
    ASSERT_EQ(result.anomalies.size(), 1u) << all;
    EXPECT_EQ(result.anomalies[0].detail.at("op"), std::stoll(expected.at("op"))) << all;
  }
  if (expected.contains("says")) {
    EXPECT_NE(said.find(expected.at("says")), said.npos) << said;
  }
}

INSTANTIATE_TEST_SUITE_P(Testdata, LinearCase, testing::ValuesIn(case_names()),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace_if(
                               name.begin(), name.end(),
                               [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

TEST(LinearTestdata, EveryModelHasAValidAndAnInvalidCase) {
  std::set<std::string> seen;
  for (const auto& name : case_names())
    seen.insert(fs::path(name).parent_path().string() + fs::path(name).stem().extension().string());
  for (const Model& m : linear_models())
    for (const char* verdict : {".valid", ".invalid"})
      EXPECT_TRUE(seen.contains(std::string(m.name) + verdict)) << m.name << verdict;
}

// `early`: what is INVALID stays so, however the history goes on.
TEST(LinearTestdata, AnInvalidPrefixIsNeverMended) {
  for (const auto& name : case_names()) {
    const Model* model = model_of(name);
    const auto events = read_events(fs::path(TESTDATA) / name);
    ASSERT_TRUE(model != nullptr && events) << name;
    // Those with a header may need options.
    if (!model->early || !header(fs::path(TESTDATA) / name).empty()) continue;
    bool invalid = false;
    for (std::size_t n = 1; n <= events->size(); ++n) {
      Events prefix = events->part();
      for (std::size_t i = 0; i < n; ++i)
        prefix.append({events->type(i), events->process(i), events->f(i), events->value(i),
                       events->time(i), events->index(i), events->extra(i)});
      ASSERT_TRUE(prefix.pair_up());
      const Verdict verdict = model->check({prefix, ModelOptions{}, Limits{}}).verdict;
      EXPECT_TRUE(!invalid || verdict == Verdict::invalid) << name << " as of row " << n;
      invalid = invalid || verdict == Verdict::invalid;
    }
  }
}

}  // namespace
}  // namespace gameday
