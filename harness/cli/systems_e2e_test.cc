// Real systems, installed on demand: each comes up, serves its clients through a fault that it
// promises to bear, is judged, and leaves nothing behind. Then whatever a person does with them:
// findings, a system in a file.
#include <algorithm>

#include "harness/cli/e2e.h"
#include "sut/catalog.h"

namespace gameday {
namespace {

class RealSystem : public EndToEnd {
 protected:
  // As a person would; who may not install anything sees why this is skipped.
  void install(const std::string& system) {
    const Outcome o = gameday({"doctor", "--install", system});
    if (o.code == 0) return;
    const bool not_to_be_had = std::ranges::any_of(
        std::vector{"Unable to locate", "no installation candidate", "Failed to fetch",
                    "Temporary failure"},
        [&](const char* said) { return o.err.find(said) != std::string::npos; });
    if (::geteuid() != 0 || not_to_be_had) GTEST_SKIP() << o.err;
    FAIL() << o.err;
  }
  Outcome run_system(std::vector<std::string> options) const {
    options.insert(options.begin(), "run");
    options.insert(options.end(), {"--store", store.string(), "--quiet"});
    return gameday(std::move(options));
  }
};

class EverySystem : public RealSystem, public testing::WithParamInterface<const SystemKind*> {};

TEST_P(EverySystem, ServesAndIsJudged) {
  const std::string name(GetParam()->name);
  install(name);
  if (IsSkipped() || HasFatalFailure()) return;
  // Not a kill: an asynchronous primary that dies has promised nothing. On a machine that stands
  // still for seconds an operation of one kind may never have succeeded, which is UNKNOWN: once.
  int code = 2;
  for (int seed = 1; code == 2 && seed <= 2; ++seed) {
    const Outcome o = run_system({name, "--time-limit", "6", "--rate", "100", "--faults", "pause",
                                  "--seed", std::to_string(seed)});
    code = o.code;
    EXPECT_TRUE(code == 0 || code == 2) << o.out << o.err;
  }
  EXPECT_EQ(code, 0);
  ASSERT_TRUE(fs::exists(store / "latest"));
  expect_whole_run(latest());
  const Json r = results();
  EXPECT_EQ(r.value("verdict", std::string()), "VALID") << r.value("summary", std::string());
  EXPECT_GT(r.value("ops", Json::object()).value("ok", 0), 50) << r.value("ops", Json());
}
INSTANTIATE_TEST_SUITE_P(Systems, EverySystem,
                         testing::ValuesIn(sut::catalog().begin(), sut::catalog().end()),
                         [](const auto& kind) { return std::string(kind.param->name); });

TEST_F(RealSystem, MembersOfEtcdLeaveAndComeBack) {
  install("etcd");
  if (IsSkipped() || HasFatalFailure()) return;
  std::ofstream(scratch / "schedule.json") << R"([
    {"at": 1, "until": 3, "fault": "membership",
     "parameters": {"change": "remove", "order": ["leader"], "leaver": "stays"}},
    {"at": 4, "until": 7, "fault": "membership",
     "parameters": {"change": "remove", "order": ["n2"], "leaver": "stops"}}])";
  const Outcome o = run_system({"etcd", "--nodes", "5", "--time-limit", "9", "--rate", "100",
                                "--schedule", (scratch / "schedule.json").string()});
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  for (const auto& c : results().at("checkers")) {
    if (c.at("checker") != "faults-proven") continue;
    EXPECT_EQ(c.value("summary", std::string()).find("membership 0 of 2"), std::string::npos) << c;
  }
}

TEST_F(RealSystem, FindingsAreReproduced) {
  install("redis");
  if (IsSkipped() || HasFatalFailure()) return;
  const Outcome o = gameday(
      {"reproduce", "redis-no-persistence", "--store", store.string(), "--json", "--quiet"});
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  const Json rows = Json::parse(o.out, nullptr, false);
  ASSERT_TRUE(rows.is_array() && rows.size() == 1) << o.out;
  const Json& row = rows[0];
  EXPECT_EQ(row.at("name"), "redis-no-persistence");
  EXPECT_EQ(row.at("system"), "redis");
  EXPECT_EQ(row.at("expected"), "INVALID");
  EXPECT_EQ(row.at("verdict"), "INVALID");
  EXPECT_EQ(row.at("anomaly-types"), Json({"lost"}));
  EXPECT_TRUE(fs::exists(fs::path(row.at("folder").get<std::string>()) / "report.html"));
  EXPECT_EQ(read_json(store / "reproduce.json"), rows);
  std::ifstream page(store / "reproduce.html");
  const std::string html{std::istreambuf_iterator<char>(page), {}};
  EXPECT_NE(html.find("redis-no-persistence"), std::string::npos);
  EXPECT_EQ(gameday({"reproduce", "no-such-finding"}).code, 254);
  const Json all = Json::parse(gameday({"reproduce", "--list", "--json"}).out, nullptr, false);
  ASSERT_TRUE(all.is_array());
  EXPECT_GT(all.size(), 20U);
}

// sut/custom/examples, as a person copies and runs them.
class SystemInAFile : public RealSystem {
 protected:
  void SetUp() override {
    RealSystem::SetUp();
    install("redis");
    if (IsSkipped() || HasFatalFailure()) return;
    // Beside the test where it was copied for a user who may not enter the sources.
    const fs::path beside = program().parent_path();
    const fs::path from = fs::exists(beside / "redis.json") ? beside : fs::path(GAMEDAY_EXAMPLES);
    fs::create_directory(scratch / "mine");
    for (const auto& entry : fs::directory_iterator(from))
      if (entry.path().filename().string().starts_with("redis"))
        fs::copy(entry.path(), scratch / "mine");
  }
  fs::path mine(const std::string& name) const { return scratch / "mine" / name; }
};

TEST_F(SystemInAFile, RunsWithAClientInPython) {
  const Outcome o = run_system({mine("redis.json"), "--time-limit", "5", "--workload", "set",
                                "--rate", "50", "--clients", "3"});
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  EXPECT_EQ(results().at("verdict"), "VALID");
  EXPECT_EQ(gameday({"check", latest().string()}).code, 0);
  EXPECT_EQ(gameday({"report", latest().string()}).code, 0);
}

TEST_F(SystemInAFile, RunsWithAClientInShell) {
  const Outcome o =
      run_system({mine("redis_shell.json"), "--time-limit", "5", "--rate", "15", "--clients", "3"});
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  EXPECT_EQ(results().at("verdict"), "VALID");
}

TEST_F(SystemInAFile, LosesWhatIsNotForcedToDiskAndSaysSo) {
  std::ofstream(scratch / "schedule.json")
      << R"([{"at": 6, "until": 7, "fault": "power-loss", "parameters": {"targets": "all"}}])";
  const Outcome o = run_system({mine("redis.json"), "--time-limit", "9", "--workload", "set",
                                "--rate", "200", "--clients", "3", "--set", "appendfsync=no",
                                "--schedule", (scratch / "schedule.json").string()});
  EXPECT_EQ(o.code, 1) << o.out << o.err;
}

TEST_F(SystemInAFile, AWrongFieldIsNamed) {
  Json file = read_json(mine("redis.json"));
  file["node"]["comand"] = file["node"]["command"];
  std::ofstream(mine("wrong.json")) << file;
  const Outcome o = run_system({mine("wrong.json")});
  EXPECT_EQ(o.code, 254);
  EXPECT_NE(o.err.find("node.comand"), std::string::npos) << o.err;
  EXPECT_EQ(run_system({mine("none.json")}).code, 254);
  EXPECT_FALSE(fs::exists(store / "latest")) << "nothing was run";
}

}  // namespace
}  // namespace gameday
