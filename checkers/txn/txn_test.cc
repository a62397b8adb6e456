#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "checkers/events/read.h"
#include "checkers/model.h"
#include "checkers/txn/consistency.h"
#include "checkers/txn/differential.h"

namespace gameday {
namespace {

// testdata/NAME.edn, judged as NAME.expected.json says: of each of its `checks` the fields that it
// has. GAMEDAY_UPDATE=1 writes the other fields, for a new case; look at what it wrote.
Json verdict_json(Verdict v) {
  return v == Verdict::unknown ? Json("unknown") : Json(v == Verdict::valid);
}

// As check_model does, which is above this library.
CheckResult run(const Model& model, const ModelInput& input) {
  try {
    return model.check(input);
  } catch (const std::exception& e) {
    CheckResult result;
    result.summary = e.what();
    return result;
  }
}

CheckResult check(const std::string& model, const Events& events, const Json& expected) {
  ModelOptions options;
  if (expected.contains("consistency"))
    options.consistency = {expected["consistency"].get<std::string>()};
  options.linearizable_keys = expected.value("linearizable-keys", false);
  options.sequential_keys = expected.value("sequential-keys", false);
  options.wfr_keys = expected.value("wfr-keys", false);
  const Limits limits;
  for (const Model& m : transaction_models())
    if (m.name == model) return run(m, {events, options, limits});
  throw std::invalid_argument("there is no model " + model);
}

TEST(Transactions, Testdata) {
  const bool update = std::getenv("GAMEDAY_UPDATE") != nullptr;
  std::size_t cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA)) {
    if (entry.path().extension() != ".edn") continue;
    ++cases;
    auto file = entry.path();
    file.replace_extension(".expected.json");
    Json expected = Json::parse(std::ifstream(file));
    const auto events = read_events(entry.path());
    ASSERT_TRUE(events) << events.error().message;
    for (Json& one : expected["checks"]) {
      const CheckResult result = check(expected["model"], *events, one);
      const Json found = {{"valid", verdict_json(result.verdict)},
                          {"anomaly-types", result.anomaly_types},
                          {"not", result.not_models},
                          {"also-not", result.also_not}};
      for (const auto& [field, value] : found.items())
        if (one.contains(field))
          EXPECT_EQ(one[field], value) << entry.path().filename() << " " << one.dump() << "\n"
                                       << result.summary;
        else if (update)
          one[field] = value;
    }
    if (update) std::ofstream(file) << expected.dump(1) << "\n";
  }
  EXPECT_GT(cases, 40u);
}

// Every kind of anomaly that a list-append history can show has a case that shows it.
TEST(Transactions, EveryListAppendAnomalyHasACase) {
  std::set<std::string> shown;
  for (const auto& entry : std::filesystem::directory_iterator(TESTDATA))
    if (entry.path().extension() == ".json") {
      const Json expected = Json::parse(std::ifstream(entry.path()));
      for (const Json& one : expected["checks"])
        for (const auto& type : one["anomaly-types"].get<std::vector<std::string>>())
          shown.insert(type);
    }
  for (const std::string variant : {"", "-process", "-realtime"})
    for (const std::string kind : {"G0", "G1c", "G-single-item", "G-nonadjacent-item", "G2-item"})
      EXPECT_TRUE(shown.contains(kind + variant)) << kind << variant;
  for (const std::string kind :
       {"G1a", "G1b", "internal", "dirty-update", "lost-update", "duplicate-elements",
        "incompatible-order", "future-read", "never-written", "empty-transaction-graph"})
    EXPECT_TRUE(shown.contains(kind)) << kind;
}

TEST(Transactions, AgreeWithBruteForce) {
  EXPECT_EQ(txn::differential("list-append", 20, 20'000), "");
}

TEST(Transactions, SayWhyACycleIsOne) {
  const auto events = read_events(std::filesystem::path(TESTDATA) / "g2-item.edn");
  ASSERT_TRUE(events);
  const CheckResult result = check("list-append", *events, {{"consistency", "serializable"}});
  ASSERT_EQ(result.anomalies.size(), 1u);
  const Anomaly& anomaly = result.anomalies[0];
  EXPECT_EQ(anomaly.ops, (std::vector<std::int64_t>{2, 3}));
  ASSERT_EQ(anomaly.explanation.size(), 4u);
  EXPECT_EQ(anomaly.explanation[2],
            "T1 comes before T2, because T1 read :y as [], without 1, which T2 appended");
  EXPECT_EQ(anomaly.explanation[3],
            "Yet T2 comes before T1, because T2 read :x as [], without 1, which T1 appended: a "
            "contradiction");
  EXPECT_EQ(anomaly.detail["steps"][0]["type"], "rw");
  EXPECT_EQ(anomaly.detail["steps"][0]["key"], "y");
}

TEST(Transactions, LimitsEndInUnknown) {
  const auto events = read_events(std::filesystem::path(TESTDATA) / "g2-item.edn");
  ASSERT_TRUE(events);
  Limits limits;
  limits.deadline = std::chrono::steady_clock::now();
  const CheckResult result = run(transaction_models()[0], {*events, {}, limits});
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("time limit"), std::string::npos) << result.summary;
}

TEST(Transactions, UnknownModelsAreNamed) {
  const auto events = parse_events("{:process 0, :type :invoke, :value [[:r :x nil]]}");
  ASSERT_TRUE(events);
  const CheckResult result = check("list-append", *events, {{"consistency", "seriouslyable"}});
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("seriouslyable"), std::string::npos);
  EXPECT_NE(result.summary.find("strict-serializable"), std::string::npos);
}

TEST(Consistency, NamesAndTheirOrder) {
  using namespace txn;
  EXPECT_EQ(canonical_model("strict-serializable"), "PL-SS");
  EXPECT_EQ(friendly_model("strict-serializable"), "strong-serializable");
  EXPECT_EQ(friendly_model("PL-3"), "serializable");
  EXPECT_EQ(friendly_model("PL-2.99"), "repeatable-read");
  EXPECT_TRUE(is_model("1SR"));
  EXPECT_TRUE(is_model("PL-MSR"));
  EXPECT_FALSE(is_model("G0"));
  EXPECT_TRUE(is_anomaly("G0"));
  EXPECT_TRUE(is_anomaly("commit-order-cycle"));
  EXPECT_TRUE(is_anomaly("GSIa"));
  EXPECT_FALSE(is_anomaly("G9"));
  EXPECT_FALSE(is_anomaly("serializable"));
  // What a weaker model does not allow, a stronger one does not allow either.
  for (const auto& model : model_names()) {
    const Names mine = anomalies_prohibited_by({model});
    EXPECT_TRUE(std::includes(mine.begin(), mine.end(), mine.begin(), mine.end()));
    for (const auto& anomaly : mine)
      EXPECT_TRUE(models_ruled_out_by({anomaly}).contains(canonical_model(model)))
          << model << anomaly;
  }
  const Names strict = anomalies_prohibited_by({"strict-serializable"});
  for (const auto* name :
       {"G0", "G1c-process", "G-single-item-realtime", "G2", "lost-update", "internal"})
    EXPECT_TRUE(strict.contains(name)) << name;
  EXPECT_FALSE(anomalies_prohibited_by({"snapshot-isolation"}).contains("G2-item"));
  EXPECT_FALSE(anomalies_prohibited_by({"serializable"}).contains("G0-process"));
  EXPECT_EQ(boundary({"G-single-item"}).not_models, (Names{"consistent-view", "repeatable-read"}));
  EXPECT_EQ(boundary({"lost-update"}).not_models, (Names{"cursor-stability", "update-atomic"}));
  EXPECT_EQ(boundary({"G2-item"}).also_not,
            (Names{"serializable", "strong-serializable", "strong-session-serializable"}));
}

}  // namespace
}  // namespace gameday
