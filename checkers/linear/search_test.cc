// The search and the zones against a brute-force oracle that tries every order.
#include "checkers/linear/search.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "checkers/linear/minimise.h"
#include "checkers/linear/zones.h"
#include "harness/core/rng.h"

namespace gameday::linear {
namespace {

// The definition, as directly as it can be written: some order of all returned operations and any
// of the pending ones is legal and respects real time.
bool brute_force(const Model& model, const std::vector<Operation>& ops, std::vector<char>& taken,
                 State state) {
  bool all = true;
  for (std::size_t i = 0; i < ops.size(); ++i) all &= taken[i] || ops[i].pending();
  if (all) return true;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (taken[i]) continue;
    bool first = true;
    for (std::size_t j = 0; j < ops.size(); ++j) first &= taken[j] || ops[j].ret > ops[i].call;
    const State next = first ? model.step(state, ops[i]) : kIllegal;
    if (next == kIllegal) continue;
    taken[i] = 1;
    if (brute_force(model, ops, taken, next)) return true;
    taken[i] = 0;
  }
  return false;
}

bool linearizable(const Model& model, const std::vector<Operation>& ops) {
  std::vector<char> taken(ops.size());
  return brute_force(model, ops, taken, model.initial());
}

// Up to 7 operations whose intervals overlap at random; a third of the time with unique values.
std::vector<Operation> random_ops(Rng& rng, Register& model, bool unique) {
  const std::size_t count = 1 + rng.below(7);
  std::vector<std::int64_t> places(2 * count);
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = static_cast<std::int64_t>(i);
  // Swapping near neighbours keeps some real-time order.
  for (int swaps = static_cast<int>(rng.below(4 * count)); swaps > 0; --swaps) {
    const std::size_t i = rng.below(places.size() - 1);
    std::swap(places[i], places[i + 1]);
  }
  for (int v = 1; v <= 8; ++v) model.intern(v);
  const auto values = static_cast<std::int64_t>(1 + rng.below(3));
  std::vector<Operation> ops(count);
  std::int32_t fresh = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Operation& op = ops[i];
    op.call = std::min(places[2 * i], places[2 * i + 1]);
    op.ret = std::max(places[2 * i], places[2 * i + 1]);
    op.kind = static_cast<std::int32_t>(rng.below(3));
    const auto seen = unique ? rng.between(0, std::max(1, fresh + 1)) : rng.between(0, values);
    const auto written = unique ? ++fresh : rng.between(rng.chance(0.1) ? 0 : 1, values);
    op.a = static_cast<std::int32_t>(op.kind == Register::kWrite ? written : seen);
    op.b = static_cast<std::int32_t>(op.kind == Register::kCas ? written : 0);
    if (op.kind != Register::kRead && rng.chance(0.25)) op.ret = kPending;
  }
  return ops;
}

std::string show(const std::vector<Operation>& ops) {
  std::string text;
  for (const auto& op : ops)
    text += fmt::format("kind {} a {} b {} [{}, {}]\n", op.kind, op.a, op.b, op.call,
                        op.pending() ? -1 : op.ret);
  return text;
}

TEST(Search, AgreesWithBruteForceOnRandomHistories) {
  Rng rng(20260101);
  int valid = 0, invalid = 0, zones_used = 0;
  for (int round = 0; round < 60'000; ++round) {
    Register model;
    const auto ops = random_ops(rng, model, round % 3 == 0);
    const bool expected = linearizable(model, ops);
    (expected ? valid : invalid)++;
    const auto outcome = search(model, ops, {});
    ASSERT_EQ(outcome.verdict, expected ? Verdict::valid : Verdict::invalid) << round << "\n"
                                                                             << show(ops);
    if (expected) {
      ASSERT_TRUE(is_linearization(model, ops, outcome.order)) << show(ops);
    }
    const auto zones = register_zones(ops);
    if (!zones.applies) continue;
    ++zones_used;
    ASSERT_EQ(zones.conflict.empty(), expected) << round << "\n" << show(ops);
    if (expected) {
      ASSERT_TRUE(is_linearization(model, ops, zones.order)) << show(ops);
    } else {
      const auto enough = with_sources(model, ops, zones.conflict);
      ASSERT_FALSE(linearizable(model, pick(ops, enough))) << show(ops);
    }
  }
  // Neither answer is rare, or the comparison would say little.
  EXPECT_GT(valid, 10'000);
  EXPECT_GT(invalid, 10'000);
  EXPECT_GT(zones_used, 10'000);
}

TEST(Search, MinimisedHistoriesStillFailAndCannotBeSmaller) {
  Rng rng(7);
  int seen = 0;
  for (int round = 0; round < 4'000; ++round) {
    Register model;
    const auto ops = random_ops(rng, model, round % 2 == 0);
    if (linearizable(model, ops)) continue;
    ++seen;
    std::vector<std::size_t> all(ops.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    const auto kept = minimise(model, ops, all, {});
    ASSERT_FALSE(linearizable(model, pick(ops, kept)));
    ASSERT_EQ(with_sources(model, ops, kept), kept) << "a source was dropped\n" << show(ops);
    Limits explain;
    explain.explain = true;
    const auto outcome = search(model, pick(ops, kept), explain);
    ASSERT_EQ(outcome.verdict, Verdict::invalid);
    ASSERT_FALSE(outcome.dead_ends.empty());
    for (const auto& end : outcome.dead_ends)  // the blocked one is illegal in every one of them
      ASSERT_EQ(model.step(end.state, ops[kept[outcome.blocked]]), kIllegal);
  }
  EXPECT_GT(seen, 500);
}

// What is linearizable stays so when an operation takes longer, when a read is left out, and when
// a returned operation becomes pending.
TEST(Search, WeakerHistoriesStayValid) {
  Rng rng(99);
  for (int round = 0; round < 6'000; ++round) {
    Register model;
    auto ops = random_ops(rng, model, false);
    if (search(model, ops, {}).verdict != Verdict::valid) continue;
    const std::size_t i = rng.below(ops.size());
    switch (rng.below(3)) {
      case 0:
        if (!ops[i].pending()) ops[i].ret += 100;
        break;
      case 1:
        if (ops[i].kind == Register::kRead) ops.erase(ops.begin() + static_cast<std::ptrdiff_t>(i));
        break;
      default:
        if (ops[i].kind != Register::kRead) ops[i].ret = kPending;
    }
    ASSERT_EQ(search(model, ops, {}).verdict, Verdict::valid) << show(ops);
  }
}

TEST(Search, IsLinearizationRejectsWrongOrders) {
  Register model;
  model.intern(1);
  const std::vector<Operation> ops = {{Register::kWrite, 1, 0, 0, 1},
                                      {Register::kRead, 1, 0, 2, 3}};
  EXPECT_TRUE(is_linearization(model, ops, {0, 1}));
  EXPECT_FALSE(is_linearization(model, ops, {1, 0}));
  EXPECT_FALSE(is_linearization(model, ops, {0}));
  EXPECT_FALSE(is_linearization(model, ops, {0, 1, 1}));
  EXPECT_FALSE(is_linearization(model, ops, {0, 7}));
  const std::vector<Operation> apart = {{Register::kWrite, 1, 0, 2, 3},
                                        {Register::kRead, 1, 0, 0, 1}};
  EXPECT_FALSE(is_linearization(model, apart, {0, 1})) << "against real time";
}

// Twenty writes at once, and then reads that no order of them allows: 2^20 subsets to try.
std::vector<Operation> hard_ops(Register& model) {
  std::vector<Operation> ops;
  for (int i = 0; i < 40; ++i)
    ops.push_back({Register::kWrite, model.intern(i % 20), 0, i, 1000 + i});
  const auto never = model.intern("never");
  ops.push_back({Register::kRead, never, 0, 2000, 2001});
  return ops;
}

TEST(Search, StopsAtItsTimeBudget) {
  Register model;
  Limits limits;
  limits.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  const auto begin = std::chrono::steady_clock::now();
  const auto outcome = search(model, hard_ops(model), limits);
  EXPECT_EQ(outcome.verdict, Verdict::unknown);
  EXPECT_NE(outcome.reason.find("time budget"), std::string::npos) << outcome.reason;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(Search, StopsAtItsMemoryBudget) {
  Register model;
  Limits limits;
  limits.memory_bytes = 1 << 20;
  const auto outcome = search(model, hard_ops(model), limits);
  EXPECT_EQ(outcome.verdict, Verdict::unknown);
  EXPECT_NE(outcome.reason.find("memory budget of 1 MB"), std::string::npos) << outcome.reason;
  EXPECT_GT(outcome.configurations, 100U);
}

}  // namespace
}  // namespace gameday::linear
