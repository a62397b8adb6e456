#include "checkers/txn/differential_rw.h"

#include <gtest/gtest.h>

#include "checkers/model.h"
#include "checkers/txn/registers.h"
#include "harness/core/rng.h"

namespace gameday::txn {
namespace {

TEST(DifferentialRw, AgreesWithBruteForce) { EXPECT_EQ(differential_rw(1, 2000), ""); }

// How values are told apart decides how they are numbered (Registers::Numbers).
enum class Values { counted, by_key, sparse, text };  // text: from somewhere on

// Long enough to be read by several threads; a few transactions fail, stay open, write what is
// written already, or read what is old or nobody's.
Events long_history(Values values, bool faults) {
  Rng rng(static_cast<std::uint64_t>(values) + 7);
  Events events;
  auto& writer = events.mutable_values().writer();
  std::vector<std::int64_t> written(50, 0), before(50, 0);
  std::int64_t count = 0;
  const auto value = [&](std::int64_t key, std::int64_t n) {
    if (n == 0) return Value();
    if (values == Values::sparse) return Value::integer(n * 20'011 + key);
    if (values == Values::text && n > 20'000) return writer.string(std::to_string(n));
    return Value::integer(n);
  };
  const auto row = [&](OpType type, std::int32_t process, std::span<const Value> mops) {
    events.append({.type = type,
                   .process = process,
                   .f = events.name("txn"),
                   .value = writer.vector(mops),
                   .extra = {}});
  };
  for (std::int32_t t = 0; t < 20'000; ++t) {
    std::vector<Value> asked, told;
    const bool odd = faults && rng.chance(0.001);
    const OpType outcome = t % 2000 == 1000         ? OpType::info
                           : odd && rng.chance(0.3) ? OpType::fail
                                                    : OpType::ok;
    const std::int32_t process = outcome == OpType::info ? 100 + t : t % 10;
    for (int i = 0; i < 4; ++i) {
      const auto k = static_cast<std::size_t>(rng.below(50));
      const auto key = static_cast<std::int64_t>(k);
      if (rng.chance(0.5)) {
        before[k] = written[k];
        if (!odd || rng.chance(0.5))
          written[k] = values == Values::by_key ? written[k] + 1 : ++count;
        asked.push_back(writer.vector({writer.keyword("w"), Value::integer(key),
                                       value(key, std::max<std::int64_t>(1, written[k]))}));
        told.push_back(asked.back());
      } else {
        const std::int64_t seen = !odd ? written[k] : rng.chance(0.5) ? before[k] : count + 77;
        asked.push_back(writer.vector({writer.keyword("r"), Value::integer(key), Value()}));
        told.push_back(writer.vector({writer.keyword("r"), Value::integer(key), value(key, seen)}));
      }
    }
    row(OpType::invoke, process, asked);
    row(outcome, process, outcome == OpType::ok ? told : asked);
  }
  EXPECT_TRUE(events.pair_up());
  return events;
}

TEST(Registers, ThreadsAndNumbersMakeNoDifference) {
  for (const Values values : {Values::counted, Values::by_key, Values::sparse, Values::text})
    for (const bool faults : {false, true}) {
      const Events events = long_history(values, faults);
      for (const Model& model : transaction_models()) {
        if (model.name == "list-append") continue;
        Limits one, many;
        many.threads = 3;
        const CheckResult a = model.check({events, {}, one}), b = model.check({events, {}, many});
        const auto label = std::string(model.name) + " " + std::to_string(static_cast<int>(values));
        EXPECT_EQ(a.verdict, faults ? Verdict::invalid : Verdict::valid) << label << a.summary;
        EXPECT_EQ(a.summary, b.summary) << label;
        EXPECT_EQ(a.anomaly_types, b.anomaly_types) << label;
        EXPECT_EQ(a.anomaly_count, b.anomaly_count) << label;
        ASSERT_EQ(a.anomalies.size(), b.anomalies.size()) << label;
        for (std::size_t i = 0; i < a.anomalies.size(); ++i) {
          EXPECT_EQ(a.anomalies[i].summary, b.anomalies[i].summary) << label;
          EXPECT_EQ(a.anomalies[i].ops, b.anomalies[i].ops) << label;
        }
      }
    }
}

TEST(Registers, VersionsAreKnownByTheirValues) {
  for (const Values values : {Values::counted, Values::by_key, Values::sparse, Values::text}) {
    const Events events = long_history(values, false);
    Limits limits;
    limits.threads = 2;
    const Registers registers(events, limits);
    for (Node t = 0; t < registers.size(); ++t) {
      const auto row = events.values().items(events.value(registers.row(t)));
      const auto mops = registers.mops(t);
      for (std::size_t i = 0; i < mops.size() && registers.ok(t); ++i) {
        const auto items = events.values().items(row[i]);
        ASSERT_EQ(registers.value_text(mops[i].version), events.values().edn(items[2]));
        ASSERT_EQ(registers.key_text(mops[i].key), events.values().edn(items[1]));
        ASSERT_TRUE(!mops[i].write || registers.writer(mops[i].version) == t);
      }
    }
  }
}

}  // namespace
}  // namespace gameday::txn
