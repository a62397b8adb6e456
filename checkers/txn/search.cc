#include "checkers/txn/search.h"

#include <algorithm>
#include <array>
#include <deque>

#include "checkers/txn/components.h"

namespace gameday::txn {

Component::Component(const Transactions& transactions, const Graph& graph, Order order,
                     const std::vector<Node>& members) {
  std::vector<Node> inside = members;
  std::sort(inside.begin(), inside.end());
  const auto joints = std::lower_bound(inside.begin(), inside.end(), transactions.size());
  txns.assign(inside.begin(), joints);
  const auto local = [&](Node n) -> std::int64_t {
    const auto at = std::lower_bound(inside.begin(), inside.end(), n);
    return at != inside.end() && *at == n ? at - inside.begin() : -1;
  };
  std::vector<std::uint32_t> instants;  // those in which a transaction of the component completed
  if (order == Order::realtime) {
    for (const Node n : txns)
      if (transactions.completed(n) != kNone) instants.push_back(transactions.completed(n));
    std::sort(instants.begin(), instants.end());
    instants.erase(std::unique(instants.begin(), instants.end()), instants.end());
  }
  const auto clock = static_cast<std::uint32_t>(inside.size());
  starts.reserve(inside.size() + instants.size() + 1);
  for (const Node n : inside) {
    starts.push_back(static_cast<std::uint32_t>(arcs.size()));
    for (std::size_t e = graph.begin(n); e < graph.end(n); ++e)
      if (const auto to = local(graph.target(e)); to >= 0)
        arcs.push_back({static_cast<std::uint32_t>(to), graph.relation(e)});
    if (n >= transactions.size()) continue;
    // Transactions of a process between two of the component are in it, too.
    if (order == Order::process && transactions.next_of_process(n) != kNone)
      if (const auto to = local(transactions.next_of_process(n)); to >= 0)
        arcs.push_back({static_cast<std::uint32_t>(to), kProcess});
    if (order == Order::realtime && transactions.completed(n) != kNone) {
      const auto at = std::lower_bound(instants.begin(), instants.end(), transactions.completed(n));
      arcs.push_back({clock + static_cast<std::uint32_t>(at - instants.begin()), kRealtime});
    }
  }
  for (std::size_t i = 0; i < instants.size(); ++i) {
    starts.push_back(static_cast<std::uint32_t>(arcs.size()));
    const bool last = i + 1 == instants.size();
    if (!last) arcs.push_back({clock + static_cast<std::uint32_t>(i) + 1, 0});
    auto at = std::lower_bound(txns.begin(), txns.end(), transactions.begins(instants[i]));
    const auto end =
        last ? txns.end() : std::lower_bound(at, txns.end(), transactions.begins(instants[i + 1]));
    for (; at != end; ++at) arcs.push_back({static_cast<std::uint32_t>(at - txns.begin()), 0});
  }
  starts.push_back(static_cast<std::uint32_t>(arcs.size()));
}

namespace {

constexpr std::uint32_t kUnreached = 0xffffffff;

// The component with only some relations; those of instants and joints always.
struct Masked {
  const Component& component;
  Relations mask;
  std::size_t size() const { return component.size(); }
  std::int64_t next(std::uint32_t node, std::uint64_t& position) const {
    const auto arcs = component.from(node);
    while (position < arcs.size()) {
      const auto& arc = arcs[position++];
      if (arc.relation == 0 || (arc.relation & mask) != 0) return arc.to;
    }
    return -1;
  }
};

// The same as an automaton that takes no two antidependencies in a row: node * 2 + 1 is a node just
// reached by one.
struct Alternating {
  const Component& component;
  Relations others, anti;
  std::size_t size() const { return component.size() * 2; }
  std::int64_t next(std::uint32_t state, std::uint64_t& position) const {
    const auto arcs = component.from(state / 2);
    while (position < arcs.size()) {
      const auto& arc = arcs[position++];
      if (arc.relation == 0) return std::int64_t{arc.to} * 2 + state % 2;
      if ((arc.relation & others) != 0) return std::int64_t{arc.to} * 2;
      if ((arc.relation & anti) != 0 && state % 2 == 0) return std::int64_t{arc.to} * 2 + 1;
    }
    return -1;
  }
};

class Search {
 public:
  Search(const Component& component, const Shape& shape, const Limits& limits)
      : component_(component), shape_(shape), limits_(limits) {}

  std::optional<FoundCycle> run(const Judge& judge, bool& gave_up);

 private:
  struct Start {
    std::uint32_t from, to;
    Relations relation;
  };
  std::vector<Start> candidates();
  std::vector<Start> reachable(std::vector<Start> starts);
  bool deepen(const std::vector<Start>& starts, std::uint32_t depth, const Judge& judge);
  std::optional<Cycle> back(const Start& start, std::uint32_t depth);
  void visit(std::uint32_t state, std::uint32_t next, std::uint32_t distance, Relations relation,
             bool free);
  Cycle path(const Start& start, std::uint32_t goal) const;
  bool doubled() const { return shape_.form == Shape::Form::nonadjacent; }

  const Component& component_;
  const Shape& shape_;
  const Limits& limits_;
  bool expired_ = false;
  std::uint32_t goal_ = 0;  // of the way back that is looked for
  std::optional<FoundCycle> best_;
  std::vector<std::uint32_t> component_of_, distance_, parent_, touched_;
  std::vector<Relations> by_;
  std::deque<std::uint32_t> queue_;
};

// Edges of `start` that are known to lie on a closed walk of the shape, or, for single, that may.
std::vector<Search::Start> Search::candidates() {
  const bool single = shape_.form == Shape::Form::single;
  const Relations walk = single ? shape_.others : shape_.others | shape_.anti;
  component_of_.assign(component_.size() * (doubled() ? 2 : 1), 0);
  std::uint32_t count = 0;
  const auto number = [&](const std::uint32_t* first, const std::uint32_t* last) {
    for (; first != last; ++first) component_of_[*first] = count;
    ++count;
  };
  expired_ = doubled()
                 ? !components(Alternating{component_, shape_.others, shape_.anti}, limits_, number)
                 : !components(Masked{component_, walk}, limits_, number);
  std::vector<Start> starts;
  if (expired_) return starts;
  for (std::uint32_t from = 0; from < component_.txns.size(); ++from)
    for (const auto& arc : component_.from(from)) {
      if ((arc.relation & shape_.start) == 0) continue;
      // Components are numbered in reverse topological order.
      const bool may = doubled() ? component_of_[from * 2] == component_of_[arc.to * 2 + 1]
                       : single  ? component_of_[arc.to] >= component_of_[from]
                                 : component_of_[arc.to] == component_of_[from];
      if (may) starts.push_back({from, arc.to, arc.relation});
    }
  return starts;
}

// Of antidependencies u -> v those with a way from v back to u: 64 of them a pass over the part of
// the condensed graph between them.
std::vector<Search::Start> Search::reachable(std::vector<Start> starts) {
  const auto comp = [&](std::uint32_t node) { return component_of_[node]; };
  std::vector<std::uint32_t> order(component_.size());
  for (std::uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return comp(a) > comp(b); });
  std::sort(starts.begin(), starts.end(),
            [&](const Start& a, const Start& b) { return comp(a.to) > comp(b.to); });
  std::vector<std::uint64_t> bits(component_.size(), 0);  // by component
  std::vector<Start> result;
  for (std::size_t i = 0; i < starts.size() && !expired_; i += 64) {
    const std::size_t n = std::min<std::size_t>(64, starts.size() - i);
    const std::uint32_t high = comp(starts[i].to);
    std::uint32_t low = high;
    for (std::size_t k = 0; k < n; ++k) {
      bits[comp(starts[i + k].to)] |= std::uint64_t{1} << k;
      low = std::min(low, comp(starts[i + k].from));
    }
    auto at =
        std::partition_point(order.begin(), order.end(), [&](auto x) { return comp(x) > high; });
    for (std::uint32_t steps = 0; at != order.end() && comp(*at) >= low; ++at) {
      if ((++steps & 0xffff) == 0 && limits_.expired() != nullptr) expired_ = true;
      const std::uint64_t mine = bits[comp(*at)];
      if (mine == 0) continue;
      for (const auto& arc : component_.from(*at))
        if (arc.relation == 0 || (arc.relation & shape_.others) != 0) bits[comp(arc.to)] |= mine;
    }
    for (std::size_t k = 0; k < n; ++k)
      if ((bits[comp(starts[i + k].from)] >> k & 1) != 0) result.push_back(starts[i + k]);
    std::fill(bits.begin(), bits.begin() + high + 1, 0);
    expired_ = expired_ || limits_.expired() != nullptr;
  }
  return result;
}

void Search::visit(std::uint32_t state, std::uint32_t next, std::uint32_t distance,
                   Relations relation, bool free) {
  if (distance_[next] <= distance) return;
  // What cannot lead back to the goal: another component or, where an antidependency closes the
  // cycle, one that the goal's comes before.
  if (shape_.form == Shape::Form::single ? component_of_[next] < component_of_[goal_]
                                         : component_of_[next] != component_of_[goal_])
    return;
  if (distance_[next] == kUnreached) touched_.push_back(next);
  distance_[next] = distance;
  parent_[next] = state;
  by_[next] = relation;
  free ? queue_.push_front(next) : queue_.push_back(next);
}

// The shortest way back from the end of an edge to its beginning, of at most so many steps: breadth
// first, where steps of instants and joints cost nothing.
std::optional<Cycle> Search::back(const Start& start, std::uint32_t depth) {
  for (const auto state : touched_) distance_[state] = kUnreached;
  touched_.clear();
  queue_.clear();
  const std::uint32_t factor = doubled() ? 2 : 1;
  const std::uint32_t goal = goal_ = start.from * factor;
  const std::uint32_t first = start.to * factor + (doubled() ? 1 : 0);
  distance_[first] = 0;
  touched_.push_back(first);
  queue_.push_back(first);
  const Relations walk =
      shape_.form == Shape::Form::any ? shape_.others | shape_.anti : shape_.others;
  std::uint32_t steps = 0;
  while (!queue_.empty()) {
    if ((++steps & 0xfff) == 0 && limits_.expired() != nullptr) {
      expired_ = true;
      return std::nullopt;
    }
    const std::uint32_t state = queue_.front();
    queue_.pop_front();
    if (state == goal) return path(start, goal);
    const std::uint32_t distance = distance_[state];
    for (const auto& arc : component_.from(state / factor)) {
      if (arc.relation == 0)
        visit(state, arc.to * factor + state % factor, distance, 0, true);
      else if (distance >= depth)
        continue;
      else if ((arc.relation & walk) != 0)
        visit(state, arc.to * factor, distance + 1, arc.relation, false);
      else if (doubled() && state % 2 == 0 && (arc.relation & shape_.anti) != 0)
        visit(state, arc.to * 2 + 1, distance + 1, arc.relation, false);
    }
  }
  return std::nullopt;
}

Cycle Search::path(const Start& start, std::uint32_t goal) const {
  const std::uint32_t factor = doubled() ? 2 : 1;
  const std::uint32_t first = start.to * factor + (doubled() ? 1 : 0);
  Cycle steps;
  std::uint32_t to = goal / factor;
  for (std::uint32_t at = goal; at != first; at = parent_[at]) {
    if (by_[at] == 0)
      continue;  // from an instant or a joint: the step began where that was entered
    const std::uint32_t from = parent_[at] / factor;
    steps.push_back({from, to, by_[at]});
    to = from;
  }
  // `to` is now where the edge itself leads: past the joints, if it enters one.
  steps.push_back({start.from, to, start.relation});
  std::reverse(steps.begin(), steps.end());
  return steps;
}

// A closed walk without two antidependencies in a row may pass a transaction twice. Cut there, it
// falls into two closed walks, and at least one of them again has no two in a row: the four edges
// at the cut are a1, b1 (into it) and a2, b2 (out of it), a1-b2 and b1-a2 are neighbours in the
// walk, and if a1-a2 are both antidependencies then b1 and b2 are not. So the shortest walk of all
// is a simple cycle, unless what it falls into has no antidependency at all, and then there is a G0
// or G1c, which is worse and found on its own. Hence only simple cycles are taken, and no verdict
// is lost.
bool simple(const Cycle& cycle) {
  std::vector<std::uint32_t> nodes;
  for (const Step& step : cycle) nodes.push_back(step.from);
  std::sort(nodes.begin(), nodes.end());
  return std::adjacent_find(nodes.begin(), nodes.end()) == nodes.end();
}

// True: every start was tried to that depth, or to what the best one found leaves.
bool Search::deepen(const std::vector<Start>& starts, std::uint32_t depth, const Judge& judge) {
  constexpr std::size_t kRefusals = 100;  // then a second choice will do
  std::size_t refused = 0;
  for (const Start& start : starts) {
    const bool have = best_ && best_->fit == Fit::yes;
    if (have && best_->cycle.size() <= 2) return true;
    const auto limit =
        have ? std::min<std::uint32_t>(depth, static_cast<std::uint32_t>(best_->cycle.size()) - 2)
             : depth;
    auto cycle = back(start, limit);
    if (expired_) return false;
    if (!cycle || !simple(*cycle)) continue;
    const Fit fit = judge(*cycle);
    if (fit == Fit::yes ||
        (fit == Fit::second_choice && (!best_ || cycle->size() < best_->cycle.size())))
      best_ = FoundCycle{std::move(*cycle), fit};
    if (fit != Fit::yes && ++refused >= kRefusals) return true;
  }
  return true;
}

std::optional<FoundCycle> Search::run(const Judge& judge, bool& gave_up) {
  std::vector<Start> starts = candidates();
  distance_.assign(component_of_.size(), kUnreached);
  parent_.assign(component_of_.size(), 0);
  by_.assign(component_of_.size(), 0);
  // Deeper and deeper: most cycles are short, and looking a few steps around every edge is cheap.
  constexpr std::uint32_t kNear = 4;
  bool far = false;
  for (std::uint32_t depth = 1; !expired_ && !starts.empty(); depth *= 2) {
    if (depth > kNear && !far) {
      far = true;
      if (shape_.form == Shape::Form::single) starts = reachable(std::move(starts));
    }
    if (!deepen(starts, depth, judge)) break;
    if (best_ && best_->fit == Fit::yes && best_->cycle.size() <= depth + 1) break;
    if (depth >= component_.txns.size()) break;
  }
  gave_up = gave_up || expired_;
  return std::move(best_);
}

}  // namespace

std::optional<FoundCycle> shortest_cycle(const Component& component, const Shape& shape,
                                         const Judge& judge, const Limits& limits, bool& gave_up) {
  return Search(component, shape, limits).run(judge, gave_up);
}

}  // namespace gameday::txn
