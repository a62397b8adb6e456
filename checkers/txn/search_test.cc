// The cycle search against all simple cycles of small random graphs.
#include "checkers/txn/search.h"

#include <gtest/gtest.h>

#include <map>

#include "harness/core/rng.h"

namespace gameday::txn {
namespace {

constexpr Relations kAll[] = {kWw, kWr, kRw, kWwp, kWrp, kRwp};

struct Small {
  Events events;
  std::vector<RawEdge> edges;

  explicit Small(Rng& rng) {
    const auto n = static_cast<Node>(rng.between(2, 6));
    std::vector<int> open;
    int begun = 0;
    while (begun < static_cast<int>(n) || !open.empty()) {
      if (begun < static_cast<int>(n) && (open.empty() || rng.chance(0.5))) {
        events.append({.type = OpType::invoke, .process = begun, .value = {}, .extra = {}});
        open.push_back(begun++);
      } else {
        const std::size_t i = rng.below(open.size());
        const OpType type = rng.chance(0.2) ? OpType::info : OpType::ok;
        events.append({.type = type, .process = open[i], .value = {}, .extra = {}});
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    EXPECT_TRUE(events.pair_up());
    const auto count = rng.between(2, 9);
    for (std::int64_t i = 0; i < count; ++i)
      edges.push_back(
          {static_cast<Node>(rng.below(n)), static_cast<Node>(rng.below(n)), kAll[rng.below(6)]});
  }
};

// All simple cycles, each from its smallest node, as their relations in order.
class AllCycles {
 public:
  AllCycles(const Transactions& transactions, const std::vector<RawEdge>& edges)
      : size_(transactions.size()) {
    for (const RawEdge& e : edges)
      if (e.from != e.to) steps_[{e.from, e.to}] |= e.relation;
    for (Node a = 0; a < size_; ++a)
      for (Node b = 0; b < size_; ++b)
        if (a != b && transactions.before(a, b)) steps_[{a, b}] |= kRealtime;
    for (first_ = 0; first_ < size_; ++first_) follow(first_, 1u << first_);
  }
  const std::vector<std::vector<Relations>>& cycles() const { return cycles_; }

 private:
  void follow(Node at, unsigned seen) {
    for (Node to = first_; to < size_; ++to)
      for (unsigned bit = 1; bit < 256; bit *= 2) {
        if ((steps_[{at, to}] & bit) == 0) continue;
        path_.push_back(static_cast<Relations>(bit));
        if (to == first_)
          cycles_.push_back(path_);
        else if ((seen >> to & 1) == 0)
          follow(to, seen | 1u << to);
        path_.pop_back();
      }
  }

  std::map<std::pair<Node, Node>, unsigned> steps_;
  const std::size_t size_;
  Node first_ = 0;
  std::vector<Relations> path_;
  std::vector<std::vector<Relations>> cycles_;
};

bool fits(const std::vector<Relations>& cycle, const Shape& shape) {
  std::size_t anti = 0, start = 0;
  bool adjacent = false;
  for (std::size_t i = 0; i < cycle.size(); ++i) {
    if ((cycle[i] & (shape.others | shape.anti)) == 0) return false;
    anti += (cycle[i] & shape.anti) != 0;
    start += (cycle[i] & shape.start) != 0;
    adjacent = adjacent ||
               ((cycle[i] & shape.anti) != 0 && (cycle[(i + 1) % cycle.size()] & shape.anti) != 0);
  }
  if (start == 0) return false;
  if (shape.form == Shape::Form::single) return anti == 1;
  return shape.form == Shape::Form::any || !adjacent;
}

void compare(const Component& component, const AllCycles& all, const Shape& shape) {
  std::size_t shortest = 0;
  bool worse = false;  // a cycle without antidependencies
  for (const auto& cycle : all.cycles()) {
    if (fits(cycle, shape) && (shortest == 0 || cycle.size() < shortest)) shortest = cycle.size();
    worse = worse || fits(cycle, {Shape::Form::any, shape.others, 0, kDependency});
  }
  bool gave_up = false;
  const auto found = shortest_cycle(
      component, shape, [](const Cycle&) { return Fit::yes; }, Limits(), gave_up);
  EXPECT_FALSE(gave_up);
  if (found) {
    ASSERT_NE(shortest, 0u);
    std::vector<Relations> relations;
    for (std::size_t i = 0; i < found->cycle.size(); ++i) {
      relations.push_back(found->cycle[i].relation);
      EXPECT_EQ(found->cycle[i].to, found->cycle[(i + 1) % found->cycle.size()].from);
    }
    EXPECT_TRUE(fits(relations, shape));
    if (shape.form != Shape::Form::nonadjacent || !worse) {
      EXPECT_EQ(found->cycle.size(), shortest);
    }
  } else {
    EXPECT_TRUE(shortest == 0 || (shape.form == Shape::Form::nonadjacent && worse)) << shortest;
  }
}

TEST(Search, FindsTheShortestCycleOfEachShape) {
  using Form = Shape::Form;
  Rng rng(7);
  for (int i = 0; i < 3000 && !::testing::Test::HasFailure(); ++i) {
    const Small small(rng);
    const Transactions transactions(small.events, [](const Pair&) { return true; });
    const Graph graph(transactions.size(), {small.edges});
    std::vector<Node> members;
    for (Node n = 0; n < transactions.size(); ++n) members.push_back(n);
    const Component component(transactions, graph, Order::realtime, members);
    const AllCycles all(transactions, small.edges);
    for (const Relations order : {Relations{0}, kRealtime}) {
      const auto others = static_cast<Relations>(kDependency | order);
      compare(component, all,
              {Form::any, static_cast<Relations>(kWw | kWwp | order), 0, kWw | kWwp});
      compare(component, all, {Form::single, others, kRw, kRw});
      compare(component, all, {Form::single, others, kAntidependency, kRwp});
      compare(component, all, {Form::nonadjacent, others, kRw, kRw});
    }
  }
}

// What find_cycles names: predicates make G-single, G-nonadjacent and G2 of the item kinds.
std::vector<std::string> kinds_of(std::initializer_list<RawEdge> edges) {
  Events events;
  for (std::int32_t p = 0; p < 4; ++p) events.append({.process = p, .value = {}, .extra = {}});
  for (std::int32_t p = 0; p < 4; ++p)
    events.append({.type = OpType::ok, .process = p, .value = {}, .extra = {}});
  EXPECT_TRUE(events.pair_up());
  const Transactions transactions(events, [](const Pair&) { return true; });
  const Graph graph(transactions.size(), {edges});
  Anomalies anomalies;
  find_cycles(
      transactions, graph, Order::realtime,
      [](Node, Node, Relations, const std::string&, const std::string&) {
        return Reason{"so", {}};
      },
      Limits(), anomalies);
  std::vector<std::string> kinds;
  for (const auto& [name, type] : anomalies.types()) kinds.push_back(name);
  return kinds;
}

TEST(Search, NamesKindsAsElleDoes) {
  using Kinds = std::vector<std::string>;
  EXPECT_EQ(kinds_of({{0, 1, kWw}, {1, 2, kWr}}), Kinds{});
  EXPECT_EQ(kinds_of({{0, 1, kWw}, {1, 0, kWwp}}), Kinds{"G0"});
  EXPECT_EQ(kinds_of({{0, 1, kWw}, {1, 0, kWrp}}), Kinds{"G1c"});
  EXPECT_EQ(kinds_of({{0, 1, kWr}, {1, 0, kRw}}), Kinds{"G-single-item"});
  EXPECT_EQ(kinds_of({{0, 1, kWr}, {1, 0, kRwp}}), Kinds{"G-single"});
  EXPECT_EQ(kinds_of({{0, 1, kWr}, {1, 2, kRw}, {2, 3, kWr}, {3, 0, kRw}}),
            Kinds{"G-nonadjacent-item"});
  EXPECT_EQ(kinds_of({{0, 1, kWr}, {1, 2, kRw}, {2, 3, kWr}, {3, 0, kRwp}}),
            Kinds{"G-nonadjacent"});
  EXPECT_EQ(kinds_of({{0, 1, kRw}, {1, 0, kRw}}), Kinds{"G2-item"});
  EXPECT_EQ(kinds_of({{0, 1, kRw}, {1, 0, kRwp}}), Kinds{"G2"});
}

}  // namespace
}  // namespace gameday::txn
