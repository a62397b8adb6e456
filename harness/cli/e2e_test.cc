// Real clusters, real faults, through the real program.
#include "harness/cli/e2e.h"
#include "harness/core/rng.h"

namespace gameday {
namespace {

TEST_F(EndToEnd, AHealthyClusterUnderAllFaultsIsValid) {
  const Outcome o = run({"--faults", "partition,kill,pause,clock", "--time-limit", "12", "--seed", "1"});
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  EXPECT_NE(o.out.find("VALID"), std::string::npos) << o.out;
  EXPECT_NE(o.out.find((latest() / "report.html").string()), std::string::npos) << o.out;
  expect_whole_run(latest());
  const Json r = results();
  EXPECT_EQ(r.at("verdict"), "VALID");
  for (const auto& checker : {"linearizable", "job-sequence", "log-linearizable", "apply-order",
                              "exactly-once", "set-full", "election-safety", "availability", "stats"})
    EXPECT_EQ(verdict_of(r, checker), "VALID") << checker;
}

// Bugs whose run must be INVALID, with the checker that must say so. Faults drawn at random would
// show some of them in every second run only; these hit whoever leads, again and again.
struct Canary {
  std::string bug;
  Json fault;  // without its times; null: the load is enough
  std::vector<std::string> checkers;  // at least one of them
};
class Canaries : public EndToEnd, public testing::WithParamInterface<Canary> {};

TEST_P(Canaries, IsCaught) {
  const Canary& canary = GetParam();
  std::vector<std::string> options{"--time-limit", "8", "--bug", canary.bug};
  if (!canary.fault.is_null()) {
    Json schedule = Json::array();
    for (double at = 0.5; at < 6.5; at += 1.4) {
      schedule.push_back(canary.fault);
      schedule.back().update({{"at", at}, {"until", at + 0.9}});
    }
    std::ofstream(scratch / "schedule.json") << schedule;
    options.insert(options.end(), {"--schedule", scratch / "schedule.json"});
  }
  std::string seen;
  for (int seed = 1; seed <= 3; ++seed) {
    auto with_seed = options;
    with_seed.insert(with_seed.end(), {"--seed", std::to_string(seed)});
    const Outcome o = run(with_seed);
    ASSERT_TRUE(o.code == 0 || o.code == 1 || o.code == 2) << o.code << o.err;
    if (o.code != 1) continue;
    const Json r = results();
    EXPECT_EQ(r.at("verdict"), "INVALID");
    for (const auto& checker : canary.checkers) {
      if (verdict_of(r, checker) != "INVALID") continue;
      EXPECT_NE(o.out.find("INVALID"), std::string::npos);
      return;
    }
    for (const auto& c : r.at("checkers"))
      if (c.at("verdict") == "INVALID") seen += " " + c.at("checker").get<std::string>();
  }
  FAIL() << canary.bug << " was not caught by the checkers expected; others:" << seen;
}

Json partition_of_the_leader(const std::string& shape) {
  return {{"fault", "partition"},
          {"parameters", {{"shape", shape}, {"direction", "in"}, {"order", {"leader"}}}}};
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, Canaries,
    testing::Values(
        Canary{"ack-before-quorum", partition_of_the_leader("one"), {"set-full", "job-sequence"}},
        Canary{"reply-at-commit-read-before-apply", nullptr, {"linearizable"}},
        // A leader that hears nobody leaves entries behind which nobody knows as committed.
        Canary{"job-id-reused", partition_of_the_leader("one-way"), {"job-sequence"}}),
    [](const auto& canary) {
      std::string name = canary.param.bug;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST_F(EndToEnd, FailFastEndsTheRunWithTheFirstViolation) {
  Json schedule = Json::array();
  for (double at = 0.5; at < 40; at += 1.4) {
    schedule.push_back(partition_of_the_leader("one-way"));
    schedule.back().update({{"at", at}, {"until", at + 0.9}});
  }
  std::ofstream(scratch / "schedule.json") << schedule;
  const Outcome o = run({"--time-limit", "45", "--bug", "job-id-reused", "--fail-fast", "--seed", "1",
                         "--schedule", scratch / "schedule.json"});
  EXPECT_EQ(o.code, 1) << o.out << o.err;
  const Json r = results();
  EXPECT_EQ(r.at("verdict"), "INVALID");
  ASSERT_TRUE(r.contains("fail-fast")) << r.at("summary");
  EXPECT_LT(r.at("duration").get<double>(), 40);
}

TEST_F(EndToEnd, CtrlCHealsFinishesAndReports) {
  Child p(scratch, run_argv({"--faults", "partition,pause", "--time-limit", "60", "--seed", "3"}));
  ASSERT_TRUE(wait_for(store / "latest/startup.json"));
  std::this_thread::sleep_for(3s);
  p.signal(SIGINT);
  const Outcome o = p.wait();
  EXPECT_TRUE(o.code == 0 || o.code == 2) << o.code << o.out << o.err;
  expect_whole_run(latest());
  std::ifstream in(latest() / "faults.jsonl");
  int in_force = 0, healed = 0;
  for (std::string line; std::getline(in, line);) {
    in_force += line.find("\"in-force\"") != std::string::npos;
    healed += line.find("\"event\":\"healed\"") != std::string::npos;
  }
  EXPECT_EQ(in_force, healed);
  EXPECT_NE(verdict_of(results(), "set-full"), "absent") << "the final reads were made";
}

// A machine that ends the run reads only the exit code, and must not take a part for the whole.
TEST_F(EndToEnd, ARunThatWasCutShortIsUnknown) {
  for (const int signal : {SIGTERM, SIGKILL}) {
    Child p(scratch, run_argv({"--workload", "register", "--time-limit", "60"}));
    ASSERT_TRUE(wait_for(store / "latest/startup.json"));
    std::this_thread::sleep_for(1s);
    p.signal(signal);
    const Outcome o = p.wait();
    EXPECT_EQ(o.code, signal == SIGTERM ? 2 : -SIGKILL) << o.out << o.err;
    EXPECT_EQ(gameday({"check", latest()}).code, 2);
    EXPECT_EQ(verdict_of(results(), "record"), "UNKNOWN");
    EXPECT_EQ(verdict_of(results(), "linearizable"), "VALID");
    fs::remove_all(store);
    fs::create_directory(store);
  }
}

TEST_F(EndToEnd, ADamagedHistoryIsJudgedUpToTheDamage) {
  ASSERT_EQ(run({"--time-limit", "2", "--quiet"}).code, 0);
  std::ofstream(latest() / "history.jsonl", std::ios::app) << "{\"process\":0\n{}\n";
  const Outcome o = gameday({"check", latest()});
  EXPECT_EQ(o.code, 2);
  EXPECT_NE(verdict_of(results(), "record"), "absent");
  EXPECT_NE(o.out.find("line"), std::string::npos) << o.out;
  EXPECT_EQ(gameday({"report", latest()}).code, 0);
  EXPECT_EQ(gameday({"check", latest() / "history.jsonl"}).code, 254);
  fs::remove(latest() / "history.jsonl");
  EXPECT_EQ(gameday({"check", latest()}).code, 2);
}

TEST_F(EndToEnd, ARunThatDidNothingIsUnknown) {
  Child p(scratch, run_argv({"--faults", "kill", "--time-limit", "60"}));
  ASSERT_TRUE(wait_for(store / "latest/test.json"));
  p.signal(SIGINT);
  const Outcome o = p.wait();
  EXPECT_EQ(o.code, 2) << o.out << o.err;
  EXPECT_NE(o.out.find("interrupted"), std::string::npos) << o.out;
}

TEST_F(EndToEnd, ADiskThatIsFullWhileAFaultIsInForceIsAnErrorThatSaysSo) {
  const fs::path file = scratch / "schedule.json";
  std::ofstream(file) << R"([{"at":0.2,"until":60,"fault":"partition","parameters":{"shape":"one"}},
                             {"at":0.3,"until":60,"fault":"kill","parameters":{"style":"bounce"}}])";
  std::string command = "trap '' XFSZ; ulimit -f 200; exec";
  for (const auto& arg : run_argv({"--schedule", file.string(), "--time-limit", "30", "--quiet"}))
    command += " '" + arg + "'";
  const Outcome o = Child(scratch, {"bash", "-c", command}).wait();
  EXPECT_EQ(o.code, 255);
  EXPECT_NE(o.err.find("cannot write"), std::string::npos) << o.err;
}

TEST_F(EndToEnd, APartOfTheCheckersDoesNotReplaceTheVerdict) {
  ASSERT_EQ(run({"--time-limit", "2", "--quiet"}).code, 0);
  const Json before = results();
  const std::string folder = latest();
  const Outcome o = gameday({"check", folder, "--checker", "stats", "--json"});
  EXPECT_EQ(o.code, 0);
  EXPECT_EQ(Json::parse(o.out, nullptr, false).at("checkers").size(), 1u);
  EXPECT_EQ(results(), before);
}

TEST_F(EndToEnd, AKilledControllerLeavesARunAndNothingElse) {
  Rng rng(static_cast<std::uint64_t>(::getpid()));
  for (int i = 0; i < 4; ++i) {
    Child p(scratch, run_argv({"--faults", "partition,kill,pause,clock", "--time-limit", "60"}));
    ASSERT_TRUE(wait_for(store / "latest/test.json"));
    std::this_thread::sleep_for(std::chrono::milliseconds(rng.between(0, i == 0 ? 300 : 6'000)));
    p.signal(SIGKILL);
    EXPECT_EQ(p.wait().code, -SIGKILL);
    EXPECT_TRUE(gone_within(2s)) << marked().size() << " processes are left";
    if (!fs::exists(store / "latest/history.jsonl")) continue;  // killed before the first op
    const std::string run_name = latest();
    const Outcome checked = gameday({"check", run_name});
    EXPECT_TRUE(checked.code == 0 || checked.code == 2) << checked.code << checked.out << checked.err;
    EXPECT_EQ(gameday({"report", run_name}).code, 0);
    EXPECT_TRUE(fs::exists(fs::path(run_name) / "report.html"));
    fs::remove_all(store);
    fs::create_directory(store);
  }
}

TEST_F(EndToEnd, RunsSideBySideDoNotSeeEachOther) {
  Child a(scratch, run_argv({"--faults", "kill,partition", "--time-limit", "7", "--seed", "1"}));
  Child b(scratch, run_argv({"--faults", "kill,partition", "--time-limit", "7", "--seed", "2"}));
  const Outcome one = a.wait(), two = b.wait();
  EXPECT_EQ(one.code, 0) << one.out << one.err;
  EXPECT_EQ(two.code, 0) << two.out << two.err;
  EXPECT_EQ(std::distance(fs::directory_iterator(store / "search"), {}), 3) << "two runs and latest";
}

TEST_F(EndToEnd, AnOrdinaryUserCanDoItToo) {
  if (::geteuid() != 0) GTEST_SKIP() << "this whole test runs as an ordinary user already";
  // Somewhere the user can read and write, wherever the checkout is.
  const fs::path bin = scratch / "bin";
  fs::create_directory(bin);
  for (const auto& name : {"gameday", "searchd"})
    fs::copy_file(program().parent_path() / name, bin / name);
  fs::permissions(scratch, fs::perms::owner_all | fs::perms::group_exec | fs::perms::others_exec |
                               fs::perms::others_read);
  ASSERT_EQ(::chown(store.c_str(), kOrdinaryUser, kOrdinaryUser), 0);
  const std::string id = std::to_string(kOrdinaryUser);
  std::vector<std::string> argv{"setpriv", "--reuid", id, "--regid", id, "--clear-groups",
                                (bin / "gameday").string(), "run", "search", "--store",
                                store.string(), "--faults", "partition,kill,pause,clock",
                                "--time-limit", "12", "--seed", "4"};
  const Outcome o = Child(scratch, argv).wait();
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  expect_whole_run(latest());
  struct stat info {};
  ASSERT_EQ(::stat((latest() / "results.json").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, kOrdinaryUser);
}

TEST_F(EndToEnd, BadArgumentsSayWhatIsWrong) {
  const fs::path schedule = scratch / "bad.json";
  std::ofstream(schedule) << R"([{"at":1,"until":2,"fault":"kill","parameters":{"rouns":3}}])";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{}, "subcommand"},
      {{"run"}, "SYSTEM"},
      {{"run", "nosuch"}, "search"},
      {{"run", "search", "--faults", "plague"}, "partition"},
      {{"run", "search", "--bug", "plague"}, "ack-before-quorum"},
      {{"run", "search", "--workload", "plague"}, "workload"},
      {{"run", "search", "--nodes", "0"}, "--nodes"},
      {{"run", "search", "--time-limit", "soon"}, "time-limit"},
      {{"run", "search", "--schedule", "/nowhere"}, "/nowhere"},
      {{"run", "search", "--schedule", "/tmp"}, "/tmp"},
      {{"run", "search", "--schedule", schedule}, "rouns"},
      {{"run", "search", "--seed", "-1"}, "seed"},
      {{"run", "search", "--store", "/proc/nowhere"}, "/proc/nowhere"},
      {{"run", "search", "--faults", "kill", "--time-limit", "1"}, "at least"},
      {{"run", "search", "--faults=", "--store", "/tmp"}, "--faults: needs a list"},
      {{"run", "search", "--faults", "kill", "--schedule", schedule}, "leave out --faults"},
      {{"run", "search", "--faults", "partition", "--nodes", "1"}, "partition needs at least 2 nodes"},
      {{"run", "search", "--frobnicate"}, "frobnicate"},
      {{"check", "/nowhere"}, "/nowhere"},
      {{"check", "--checker", "plague"}, "plague"},
      {{"report", "/nowhere"}, "/nowhere"},
      {{"list", "plagues"}, "workloads"},
  };
  for (const auto& [arguments, text] : cases) {
    const Outcome o = gameday(arguments);
    EXPECT_EQ(o.code, 254) << text;
    EXPECT_NE((o.out + o.err).find(text), std::string::npos) << o.out << o.err;
  }
}

TEST_F(EndToEnd, AScheduleThatIsNoJsonIsToldWhereAndQuotedHarmlessly) {
  const auto said = [&](const std::string& text) {
    std::ofstream(scratch / "hostile.json") << text;
    const Outcome o =
        gameday({"run", "search", "--print-schedule", "--schedule", (scratch / "hostile.json").string()});
    EXPECT_EQ(o.code, 254) << o.out << o.err;
    return o.err;
  };
  EXPECT_NE(said("[{},\n {\"when\" 1}]").find("line 2, column"), std::string::npos);
  EXPECT_NE(said(std::string(200'000, '[')).find("deeper than"), std::string::npos);
  const std::string quoted = said(R"([{"when":1,"until":2,"fault":"\u001b[2Jkill"}])");
  EXPECT_EQ(quoted.find('\x1b'), std::string::npos);
  EXPECT_NE(quoted.find("\\u{1b}[2Jkill"), std::string::npos) << quoted;
}

TEST_F(EndToEnd, ListsWhatThereIs) {
  for (const auto& [what, expected] : {std::pair{"systems", "search"}, {"workloads", "register"},
                                       {"faults", "partition"}, {"checkers", "linearizable"},
                                       {"models", "list-append"},
                                       {"consistency-models", "snapshot-isolation"},
                                       {"bugs", "job-id-reused"}}) {
    const Outcome text = gameday({"list", what});
    EXPECT_EQ(text.code, 0);
    EXPECT_NE(text.out.find(expected), std::string::npos) << text.out;
    const Json json = Json::parse(gameday({"list", what, "--json"}).out, nullptr, false);
    EXPECT_TRUE(json.is_array() && !json.empty()) << what;
  }
  EXPECT_EQ(gameday({"--help"}).code, 0);
  EXPECT_EQ(gameday({"run", "--help"}).code, 0);
  EXPECT_EQ(gameday({"--version"}).code, 0);
}

TEST_F(EndToEnd, AScheduleIsReplayedAndPrintedAsJson) {
  const fs::path file = scratch / "schedule.json";
  std::ofstream(file) << R"([{"at":1,"until":2,"fault":"pause","parameters":{"order":["n2"]}}])";
  const Outcome o = run({"--schedule", file.string(), "--time-limit", "4", "--json", "--quiet"});
  EXPECT_EQ(o.code, 0) << o.err;
  const Json json = Json::parse(o.out, nullptr, false);
  ASSERT_TRUE(json.is_object()) << o.out;
  EXPECT_EQ(json.at("verdict"), "VALID");
  EXPECT_EQ(json.at("folder"), latest().string());
  const Json test = read_json(latest() / "test.json");
  ASSERT_EQ(test.at("schedule").size(), 1u);
  EXPECT_EQ(test.at("schedule")[0].at("fault"), "pause");
}

}  // namespace
}  // namespace gameday
