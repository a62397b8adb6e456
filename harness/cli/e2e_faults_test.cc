// Canaries for faults: bugs that only one kind of fault shows. Each run with the bug is VALID without the
// fault and INVALID with it, and the same fault without the bug is never INVALID.
#include "harness/cli/e2e.h"
#include "nemesis/catalog.h"

namespace gameday {
namespace {

struct Canary {
  std::string bug;
  std::vector<Json> schedule;
  std::vector<std::string> checkers;  // at least one of them says so
  double seconds = 5;
  std::vector<std::string> load = {};  // options
};

class FaultCanaries : public EndToEnd, public testing::WithParamInterface<Canary> {
 protected:
  // The verdict of a run, with the INVALID checkers behind it.
  std::string verdict(const std::vector<std::string>& options, int seed) {
    auto argv = options;
    argv.insert(argv.end(), {"--time-limit", fmt::format("{}", GetParam().seconds), "--seed",
                             std::to_string(seed), "--quiet"});
    argv.insert(argv.end(), GetParam().load.begin(), GetParam().load.end());
    const Outcome o = run(argv);
    EXPECT_TRUE(o.code == 0 || o.code == 1 || o.code == 2) << o.code << o.err;
    if (o.code < 0 || o.code > 2) return "none";
    const Json r = results();
    std::string words = r.at("verdict");
    for (const auto& c : r.at("checkers"))
      if (c.at("verdict") != "VALID")
        words += fmt::format(" {}:{} ({})", c.at("checker").get<std::string>(),
                             c.at("verdict").get<std::string>(), c.value("summary", std::string()));
    return words;
  }
};

TEST_P(FaultCanaries, IsInvalidWithItsFaultOnly) {
  const Canary& canary = GetParam();
  for (const Json& planned : canary.schedule) {
    const auto* entry = nemesis::find(planned.at("fault").get<std::string>());
    ASSERT_NE(entry, nullptr);
    if (const auto possible = nemesis::available(*entry); !possible)
      GTEST_SKIP() << possible.error().message;
  }
  std::ofstream(scratch / "schedule.json") << Json(canary.schedule);
  const std::vector<std::string> bug{"--bug", canary.bug},
      fault{"--schedule", (scratch / "schedule.json").string()};
  std::vector<std::string> both = bug;
  both.insert(both.end(), fault.begin(), fault.end());

  EXPECT_EQ(verdict(bug, 1), "VALID") << "with the bug alone";
  const std::string correct = verdict(fault, 1);
  EXPECT_FALSE(correct.starts_with("INVALID")) << "with the fault alone: " << correct;
  std::string seen;
  for (int seed = 1; seed <= 3; ++seed) {
    const std::string found = verdict(both, seed);
    for (const auto& checker : canary.checkers)
      if (found.find(" " + checker + ":INVALID") != std::string::npos) return;
    seen += found + "\n";
  }
  FAIL() << canary.bug << " was not caught by the checkers expected, but was: " << seen;
}

Json fault(const char* name, double at, double until, Json parameters) {
  return {{"fault", name}, {"at", at}, {"until", until}, {"parameters", std::move(parameters)}};
}

// Answers to clients are lost, requests are not: a client tries again, elsewhere.
const Json kLostReplies = {{"style", "drop-replies"}, {"scope", "clients"}, {"targets", "all"}};

// All nodes at once, so that nobody has what was not synced.
Json power_loss(double at) {
  return fault("power-loss", at, at + 0.6, {{"targets", "all"}, {"down_ms", 0}});
}
// While many writes wait for a slow fsync: what is torn is then more than one sector, and there is
// something to be torn each time.
std::vector<Json> torn_writes() {
  std::vector<Json> schedule{
      fault("io-error", 0.6, 5.4,
            {{"style", "slow"}, {"calls", "fsync"}, {"delay_ms", 100}, {"targets", "all"}})};
  for (int i = 0; i < 6; ++i)
    schedule.push_back(fault("torn-write", 1 + i * 0.75, 1.5 + i * 0.75,
                             {{"targets", i % 2 == 0 ? "all" : "minority"}, {"order", {"leader"}},
                              {"down_ms", 0}, {"seed", i + 1}}));
  return schedule;
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, FaultCanaries,
    testing::Values(
        Canary{"no-fsync", {power_loss(2.5)}, {"set-full", "job-sequence"}},
        Canary{"torn-tail-accepted", torn_writes(), {"recovery", "apply-order"}, 6,
               {"--clients", "60", "--rate", "3000"}},
        Canary{"fsync-error-ignored",
               {fault("io-error", 1, 4,
                      {{"style", "window"}, {"calls", "fsync"}, {"targets", "all"}}),
                power_loss(2.5)},
               {"set-full", "job-sequence"}},
        // One that hears nobody, never the leader for long: it cannot confirm anything.
        Canary{"no-prevote",
               {fault("partition", 0.5, 4.5,
                      {{"shape", "one-way"}, {"direction", "in"}, {"order", {"n3"}}})},
               {"election-safety"}},
        Canary{"retry-applied-twice", {fault("packet", 0.7, 3.7, kLostReplies)}, {"exactly-once"}},
        Canary{"dedup-table-per-host", {fault("packet", 0.7, 3.7, kLostReplies)}, {"exactly-once"}},
        Canary{"apply-depends-on-local-clock",
               {fault("clock", 0.7, 4,
                      {{"order", {"n1", "leader"}}, {"count", 1}, {"offsets_ms", {60'000}}}),
                fault("clock", 0.8, 4, {{"order", {"n2"}}, {"offsets_ms", {-60'000}}})},
               {"apply-order"}}),
    [](const auto& canary) {
      std::string name = canary.param.bug;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

// A minority loses bits and tails; each node in places of its own. A node that refuses to run on what is
// left is right, and the others have to show everything.
TEST_F(EndToEnd, FileCorruptionOfAMinorityIsNeverInvalid) {
  for (const int seed : {1, 2, 3}) {
    const Outcome o = run({"--faults", "file-corruption,kill", "--time-limit", "8", "--seed",
                           std::to_string(seed), "--quiet"});
    EXPECT_TRUE(o.code == 0 || o.code == 2) << o.code << o.out << o.err;
    EXPECT_NE(results().at("verdict"), "INVALID");
  }
}

}  // namespace
}  // namespace gameday
