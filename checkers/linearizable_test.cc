// The checker as a whole on long histories of simulated registers: many keys, many processes,
// operations whose outcome is not known, and budgets.
#include <gtest/gtest.h>

#include <cstdio>
#include <queue>

#include "checkers/catalog.h"
#include "checkers/linear/search.h"
#include "checkers/linear/zones.h"
#include "checkers/register_history.h"
#include "checkers/story.h"
#include "harness/core/rng.h"

namespace gameday {
namespace {

struct Shape {
  int ops = 1000, processes = 10, keys = 1;
  double info = 0.02;  // of the writes
  bool unique = true;  // every written value is new
  bool stale = false;  // one read near the end returns what was overwritten long ago
  std::uint64_t seed = 1;
};

// A register service that is linearizable by construction: an operation takes effect at a point
// between its invocation and its completion, when its event comes up.
class Simulation {
 public:
  explicit Simulation(const Shape& shape)
      : shape_(shape),
        rng_(shape.seed),
        clients_(static_cast<std::size_t>(shape.processes)),
        values_(static_cast<std::size_t>(shape.keys)) {}

  History run() {
    for (std::size_t c = 0; c < clients_.size(); ++c) {
      clients_[c].process = next_process_++;
      push(c, rng_.between(1, 100));
    }
    while (!queue_.empty()) {
      const auto [time, c] = queue_.top();
      queue_.pop();
      now_ = time;
      step(c);
    }
    return std::move(history_);
  }

 private:
  struct Client {
    Process process = 0;
    int phase = 0;  // 0: about to invoke, 1: takes effect, 2: completes
    std::string f;
    std::size_t key = 0;
    Json argument, result;
    bool failed = false, lost = false;
  };

  void push(std::size_t c, std::int64_t delay) { queue_.emplace(now_ + delay, c); }

  void record(const Client& client, OpType type, const Json& value) {
    Op op;
    op.time = now_ * 100'000;
    op.process = client.process;
    op.type = type;
    op.f = client.f;
    op.value = {client.key, value};
    ASSERT_TRUE(history_.append(op));
  }

  Json new_value() { return shape_.unique ? ++last_value_ : rng_.between(1, 5); }

  void invoke(Client& client) {
    client.key = rng_.below(values_.size());
    const double draw = rng_.unit();
    const Json& held = values_[client.key];
    client.f = draw < 0.5 ? "read" : draw < 0.8 || held.is_null() ? "write" : "cas";
    client.argument = nullptr;
    if (client.f == "write") client.argument = new_value();
    if (client.f == "cas") {
      client.argument = Json::array({held, nullptr});
      client.argument[1] = new_value();
    }
    client.failed = false;
    client.lost = client.f != "read" && rng_.chance(shape_.info);
    record(client, OpType::invoke, client.argument);
    ++done_;
  }

  void take_effect(Client& client) {
    Json& held = values_[client.key];
    if (client.f == "read") {
      client.result = held;
      const bool last = shape_.stale && done_ + 5 * shape_.processes > shape_.ops;
      if (last && first_ && client.key == 0) {
        client.result = first_value_;
        first_ = false;
      }
    } else if (client.lost && rng_.chance(0.5)) {
      // never happens
    } else if (client.f == "write") {
      held = client.argument;
    } else if (held == client.argument[0]) {
      held = client.argument[1];
    } else {
      client.failed = true;
    }
    if (client.key == 0 && first_value_.is_null()) first_value_ = held;
    if (client.f != "read") client.result = client.argument;
  }

  void step(std::size_t c) {
    Client& client = clients_[c];
    if (client.phase == 0) {
      if (done_ >= shape_.ops) return;
      invoke(client);
    } else if (client.phase == 1) {
      take_effect(client);
    } else if (client.lost) {
      record(client, OpType::info, client.argument);
      client.process = next_process_++;
    } else {
      record(client, client.failed ? OpType::fail : OpType::ok, client.result);
    }
    client.phase = (client.phase + 1) % 3;
    push(c, rng_.between(1, 40));
  }

  Shape shape_;
  Rng rng_;
  std::vector<Client> clients_;
  std::vector<Json> values_;
  std::priority_queue<std::pair<std::int64_t, std::size_t>,
                      std::vector<std::pair<std::int64_t, std::size_t>>, std::greater<>>
      queue_;
  std::int64_t now_ = 0;
  std::int64_t last_value_ = 0;
  Process next_process_ = 0;
  int done_ = 0;
  bool first_ = true;
  Json first_value_;
  History history_;
};

CheckResult check(const History& history, Budget budget = {}) {
  return check_safely(*find_checker("linearizable"), {history, {}, {}, {}, budget});
}

TEST(Linearizable, CorrectRegistersAreValid) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    Shape shape;
    shape.seed = seed;
    shape.ops = 50 + static_cast<int>(seed * 7);
    shape.processes = 3 + static_cast<int>(seed % 20);
    shape.keys = 1 + static_cast<int>(seed % 4);
    shape.info = 0.3 * static_cast<double>(seed % 5) / 4;
    const auto result = check(Simulation(shape).run());
    ASSERT_EQ(result.verdict, Verdict::valid) << "seed " << seed << ": " << result.summary;
  }
}

TEST(Linearizable, CorrectRegistersWithRepeatedValuesAreValid) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Shape shape;
    shape.seed = seed;
    shape.unique = false;
    shape.ops = 200;
    shape.processes = 3 + static_cast<int>(seed % 6);
    const auto result = check(Simulation(shape).run());
    ASSERT_EQ(result.verdict, Verdict::valid) << "seed " << seed << ": " << result.summary;
  }
}

TEST(Linearizable, OneStaleReadIsFoundAndShownInAFewOps) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Shape shape;
    shape.seed = seed;
    shape.ops = 3000;
    shape.processes = 20;
    shape.info = 0.1;
    shape.stale = true;
    const auto result = check(Simulation(shape).run());
    ASSERT_EQ(result.verdict, Verdict::invalid) << "seed " << seed << ": " << result.summary;
    EXPECT_LE(result.anomalies[0].ops.size(), 10U) << result.summary;
    EXPECT_NE(result.summary.find("but the register can only be"), std::string::npos)
        << result.summary;
  }
}

// The zones and the general search must say the same of long histories too.
TEST(Linearizable, GeneralSearchAgreesOnLongHistories) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Shape shape;
    shape.seed = seed;
    shape.ops = 400;
    shape.processes = 8;
    shape.info = 0.05;
    shape.stale = seed % 2 == 0;
    const History history = Simulation(shape).run();
    std::vector<std::string> malformed;
    for (const auto& key : split_keys(history, malformed)) {
      linear::Limits limits;
      limits.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      const auto outcome = linear::search(key.model, key.ops, limits);
      const auto zones = linear::register_zones(key.ops);
      ASSERT_TRUE(zones.applies);
      if (outcome.verdict != Verdict::unknown) {
        EXPECT_EQ(outcome.verdict == Verdict::valid, zones.conflict.empty()) << "seed " << seed;
      }
    }
    EXPECT_TRUE(malformed.empty());
  }
}

TEST(Linearizable, KeysAreIndependent) {
  Story story;
  story.call(0, "write", {1, 1}).call(0, "write", {2, 5});
  story.call(1, "read", {1, nullptr}, OpType::ok, {1, 1});
  story.call(1, "read", {2, nullptr}, OpType::ok, {2, nullptr});
  const auto result = check(story.history());
  EXPECT_EQ(result.verdict, Verdict::invalid);
  EXPECT_EQ(result.anomaly_count, 1U);
  EXPECT_EQ(result.anomalies[0].detail["key"], "2");
  EXPECT_EQ(result.stats["keys-valid"], 1);
}

TEST(Linearizable, MalformedValuesAreUnknown) {
  Story story;
  story.call(0, "write", {1, 1}).call(1, "read", {1, nullptr}, OpType::ok, 7);
  const auto result = check(story.history());
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("not what a read has"), std::string::npos) << result.summary;
}

Story hard_story() {
  Story story;
  for (Process p = 0; p < 26; ++p) story.event(p, OpType::invoke, "write", {1, p % 13});
  for (Process p = 0; p < 26; ++p) story.event(p, OpType::ok, "write", {1, p % 13});
  story.call(30, "read", {1, nullptr}, OpType::ok, {1, 99});
  story.call(30, "write", {2, 5});
  return story;
}

TEST(Linearizable, TinyTimeIsUnknownWithTheReasonAndWhatIsKnown) {
  Budget budget;
  budget.time = std::chrono::milliseconds(200);
  const auto result = check(hard_story().history(), budget);
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("key 1: the time budget is used up"), std::string::npos)
      << result.summary;
  EXPECT_NE(result.summary.find("1 of 2 keys are linearizable"), std::string::npos)
      << result.summary;
  EXPECT_LT(result.seconds, 5);
}

TEST(Linearizable, TinyMemoryIsUnknownWithTheReason) {
  Budget budget;
  budget.memory_bytes = 1 << 20;
  const auto result = check(hard_story().history(), budget);
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("memory budget"), std::string::npos) << result.summary;
  EXPECT_LT(result.seconds, 5);
}

// Figures for people; a shared machine is no place to assert them.
TEST(Linearizable, LargeHistoriesCheckInSeconds) {
  const auto report = [](const char* what, const Shape& shape, Verdict expected) {
    const History history = Simulation(shape).run();
    const auto result = check(history);
    EXPECT_EQ(result.verdict, expected) << what << ": " << result.summary;
    std::printf("  %s: %zu events in %.2f s\n", what, history.size(), result.seconds);
  };
  report("100,000 ops, 30 processes, 20 keys", {100'000, 30, 20, 0.02, true, false, 1},
         Verdict::valid);
  report("100,000 ops, 30 processes, 1 key", {100'000, 30, 1, 0.02, true, false, 2},
         Verdict::valid);
  report("100,000 ops, 30 processes, 1 key, a stale read", {100'000, 30, 1, 0.02, true, true, 3},
         Verdict::invalid);
  report("5,000 ops, 10 processes, repeated values", {5'000, 10, 1, 0.02, false, false, 4},
         Verdict::valid);
}

}  // namespace
}  // namespace gameday
