#include "harness/core/generator.h"

#include <gtest/gtest.h>

#include <set>

#include "harness/core/simulate.h"

namespace gameday {
namespace {

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1'000 * kMs;

Op op(std::string f, Json value = nullptr) {
  Op o;
  o.f = std::move(f);
  o.value = std::move(value);
  return o;
}

Gen counter(std::uint64_t seed = 1) {
  return gen::stream(seed, [](Rng& rng, std::int64_t) {
    return op("w", static_cast<std::int64_t>(rng.below(1'000'000)));
  });
}

std::vector<Op> invocations(const std::vector<Op>& history) {
  std::vector<Op> out;
  for (const auto& o : history)
    if (o.type == OpType::invoke) out.push_back(o);
  return out;
}

TEST(Generator, OnceIsOneOp) {
  const auto h = simulate(gen::once(op("x")));
  ASSERT_EQ(h.size(), 2u);
  EXPECT_EQ(h[0].f, "x");
  EXPECT_EQ(h[1].type, OpType::ok);
}

TEST(Generator, LimitCountsOpsAndSeedsReplay) {
  const auto a = simulate(gen::limit(50, counter(7)));
  const auto b = simulate(gen::limit(50, counter(7)));
  const auto c = simulate(gen::limit(50, counter(8)));
  EXPECT_EQ(invocations(a).size(), 50u);
  EXPECT_EQ(a, b);
  EXPECT_NE(a, c);
}

TEST(Generator, AskingDoesNotChangeAGenerator) {
  const Gen g = gen::mix(3, {counter(1), gen::stagger(kMs, 5, counter(2))});
  const std::vector<Process> processes{kNemesis, 0};
  Context c;
  c.clients = 1;
  c.all.set(1);
  c.free.set(1);
  c.processes = processes;
  const Step first = gen::step(g, c);
  const Step again = gen::step(g, c);
  EXPECT_EQ(first.op, again.op);
}

TEST(Generator, TimeLimitEndsAStream) {
  Simulation s;
  s.clients = 2;
  const auto h = simulate(gen::clients(gen::time_limit(100 * kMs, counter())), s);
  const auto ops = invocations(h);
  // Two clients, 1 ms an op: one op each a millisecond, none at or after the limit.
  EXPECT_EQ(ops.size(), 200u);
  EXPECT_LT(ops.back().time, 100 * kMs);
}

TEST(Generator, AnOpBeyondTheLimitDoesNotEndTheOthers) {
  Simulation s;
  s.clients = 2;
  const auto h = simulate(
      gen::clients(gen::time_limit(
          100 * kMs, gen::reserve({{1, counter()}}, gen::delay(10 * kSecond, counter(2))))),
      s);
  EXPECT_EQ(invocations(h).size(), 101u) << "one a millisecond, and the slow lane's first";
}

TEST(Generator, StaggerKeepsTheMeanRate) {
  Simulation s;
  s.clients = 10;
  const auto h = simulate(gen::clients(gen::time_limit(
                              10 * kSecond, gen::stagger(10 * kMs, 4, counter()))), s);
  const auto n = invocations(h).size();
  EXPECT_GT(n, 900u);
  EXPECT_LT(n, 1100u);
}

TEST(Generator, StaggerDoesNotCatchUpAStallInABurst) {
  Simulation s;
  s.clients = 1;
  bool first = true;
  s.complete = [&](const Op&) {
    const std::int64_t latency = first ? kSecond : 0;
    first = false;
    return std::pair{latency, OpType::ok};
  };
  const auto h =
      simulate(gen::clients(gen::time_limit(2 * kSecond, gen::delay(10 * kMs, counter()))), s);
  EXPECT_LE(invocations(h).size(), 115u);
}

TEST(Generator, DelayIsExact) {
  const auto ops = invocations(simulate(gen::limit(4, gen::delay(5 * kMs, counter()))));
  ASSERT_EQ(ops.size(), 4u);
  for (std::size_t i = 0; i < ops.size(); ++i)
    EXPECT_EQ(ops[i].time, static_cast<std::int64_t>(i) * 5 * kMs);
}

TEST(Generator, AScheduleKeepsItsTimesAndOrder) {
  const auto at = [](std::int64_t time, std::string f) {
    Op o = op(std::move(f));
    o.time = time;
    return o;
  };
  const auto ops = invocations(simulate(
      gen::any({gen::nemesis(gen::schedule({at(10 * kMs, "a"), at(30 * kMs, "b"), at(5 * kMs, "c")})),
                gen::clients(gen::time_limit(50 * kMs, counter()))})));
  std::vector<std::pair<std::string, std::int64_t>> seen;
  for (const auto& o : ops)
    if (o.process == kNemesis) seen.emplace_back(o.f, o.time / kMs);
  // The last one is overdue when its turn comes: it happens as soon as the nemesis is free.
  EXPECT_EQ(seen, (std::vector<std::pair<std::string, std::int64_t>>{{"a", 10}, {"b", 30}, {"c", 31}}));
}

TEST(Generator, SequenceAndPhases) {
  Simulation s;
  s.clients = 3;
  s.complete = [](const Op& o) {
    return std::pair{o.process == 0 ? 50 * kMs : kMs, OpType::ok};
  };
  const auto h = simulate(
      gen::clients(gen::phases({gen::limit(3, gen::stream(1, [](Rng&, std::int64_t) {
                                             return op("early");
                                           })),
                                gen::once(op("late"))})),
      s);
  std::size_t open = 0;
  for (const auto& o : h) {
    if (o.f == "late" && o.type == OpType::invoke) {
      EXPECT_EQ(open, 0u) << "phases wait";
    }
    if (o.type == OpType::invoke) {
      ++open;
    } else {
      --open;
    }
  }
  EXPECT_EQ(invocations(h).back().f, "late");
}

TEST(Generator, MixUsesAllPartsAndOutlivesTheShort) {
  const auto named = [](std::string f) {
    return gen::stream(1, [f](Rng&, std::int64_t) { return op(f); });
  };
  const auto ops = invocations(
      simulate(gen::limit(300, gen::mix(9, {named("a"), named("b"), gen::once(op("c"))}))));
  std::map<std::string, int> counts;
  for (const auto& o : ops) ++counts[o.f];
  EXPECT_EQ(ops.size(), 300u);
  EXPECT_GT(counts["a"], 90);
  EXPECT_GT(counts["b"], 90);
  EXPECT_EQ(counts["c"], 1);
}

TEST(Generator, EachThreadGivesEveryThreadItsOwnCopy) {
  Simulation s;
  s.clients = 4;
  const auto ops = invocations(simulate(gen::clients(gen::each_thread(gen::limit(2, counter()))), s));
  std::map<Process, int> counts;
  for (const auto& o : ops) ++counts[o.process];
  EXPECT_EQ(counts.size(), 4u);
  for (const auto& [process, count] : counts) EXPECT_EQ(count, 2) << process;
}

TEST(Generator, ReserveKeepsThreadsApart) {
  Simulation s;
  s.clients = 5;
  const auto named = [](std::string f) {
    return gen::stream(1, [f](Rng&, std::int64_t) { return op(f); });
  };
  const auto ops = invocations(simulate(
      gen::limit(200, gen::clients(gen::reserve({{2, named("a")}, {1, named("b")}}, named("c")))), s));
  std::map<std::string, std::set<Process>> by_f;
  for (const auto& o : ops) by_f[o.f].insert(o.process);
  EXPECT_EQ(by_f["a"], (std::set<Process>{0, 1}));
  EXPECT_EQ(by_f["b"], (std::set<Process>{2}));
  EXPECT_EQ(by_f["c"], (std::set<Process>{3, 4}));
}

TEST(Generator, NemesisAndClientsAreApart) {
  const auto ops = invocations(simulate(gen::any(
      {gen::nemesis(gen::limit(5, gen::stream(1, [](Rng&, std::int64_t) { return op("inject"); }))),
       gen::clients(gen::limit(20, counter()))})));
  int nemesis = 0;
  for (const auto& o : ops) {
    EXPECT_EQ(o.f == "inject", o.process == kNemesis);
    nemesis += o.process == kNemesis;
  }
  EXPECT_EQ(nemesis, 5);
  EXPECT_EQ(ops.size(), 25u);
}

TEST(Generator, AnInfoRenewsTheProcess) {
  Simulation s;
  s.clients = 2;
  s.complete = [](const Op&) { return std::pair{kMs, OpType::info}; };
  const auto ops = invocations(simulate(gen::clients(gen::limit(10, counter())), s));
  std::set<Process> seen;
  for (const auto& o : ops) EXPECT_TRUE(seen.insert(o.process).second) << "process reused";
  EXPECT_EQ(seen.size(), 10u);
}

TEST(Generator, AnOpForABusyProcessWaits) {
  Simulation s;
  s.clients = 2;
  Op mine = op("mine");
  mine.process = 1;
  const auto ops = invocations(simulate(gen::sequence({gen::once(mine), gen::once(mine)}), s));
  ASSERT_EQ(ops.size(), 2u);
  EXPECT_EQ(ops[1].time, kMs);
}

TEST(Rng, IsUniformEnoughAndForksIndependently) {
  Rng rng(42);
  std::array<int, 10> buckets{};
  for (int i = 0; i < 10'000; ++i) ++buckets[rng.below(10)];
  for (const int b : buckets) EXPECT_NEAR(b, 1000, 150);
  Rng a = rng.fork("a");
  Rng b = rng.fork("b");
  EXPECT_NE(a.next(), b.next());
  EXPECT_EQ(rng.fork("a").next(), rng.fork("a").next());
  for (int i = 0; i < 1000; ++i) {
    const auto x = rng.between(-3, 3);
    EXPECT_GE(x, -3);
    EXPECT_LE(x, 3);
  }
}

}  // namespace
}  // namespace gameday
