#include "checkers/txn/weak/order.h"

#include <algorithm>

namespace gameday::txn::weak {
namespace {
constexpr std::int32_t kNew = -2, kOpen = -3;  // in place of a place; -1 is the initial state's
}

void CommitOrder::index(const std::vector<Inferred>& inferred) {
  extra_first_.assign(a_.size() + 2, 0);
  for (const Inferred& e : inferred) ++extra_first_[e.to + 1];
  for (std::size_t i = 1; i < extra_first_.size(); ++i) extra_first_[i] += extra_first_[i - 1];
  extra_.resize(inferred.size());
  auto next = extra_first_;
  for (const Inferred& e : inferred) extra_[next[e.to]++] = e.from;
}

// The predecessors of a node one by one: in its session, those that it read of, those inferred.
Node CommitOrder::next_before(Node t, std::uint32_t& at) const {
  if (at == 0) {
    ++at;
    if (a_.previous(t) != kNone) return a_.previous(t);
  }
  const auto reads = a_.reads(t);
  while (at - 1 < reads.size())
    if (const Node from = reads[at++ - 1].from; from != a_.initial()) return from;
  const std::uint64_t i = extra_first_[t] + (at - 1 - reads.size());
  if (i >= extra_first_[t + 1]) return kNone;
  ++at;
  return extra_[i];
}

bool CommitOrder::arrange(const std::vector<Inferred>& inferred) {
  index(inferred);
  if (extra_first_[a_.initial()] != extra_first_[a_.initial() + 1]) {
    circle_ = {extra_[extra_first_[a_.initial()]], a_.initial()};
    return false;
  }
  sequence_.clear();
  sequence_.reserve(a_.completions().size());
  place_.assign(a_.size() + 1, kNew);
  place_[a_.initial()] = -1;
  std::vector<std::pair<Node, std::uint32_t>> path;
  for (const Node root : a_.completions()) {
    if (place_[root] != kNew) continue;
    path.emplace_back(root, 0);
    place_[root] = kOpen;
    while (!path.empty()) {
      const Node t = path.back().first;
      const Node before = next_before(t, path.back().second);
      if (before == kNone) {
        place_[t] = static_cast<std::int32_t>(sequence_.size());
        sequence_.push_back(t);
        path.pop_back();
      } else if (place_[before] == kNew) {
        place_[before] = kOpen;
        path.emplace_back(before, 0);
      } else if (place_[before] == kOpen) {
        std::size_t first = path.size() - 1;
        while (path[first].first != before) --first;
        // Any node of this circle may lie on a shorter one.
        const std::size_t step = std::max<std::size_t>(1, (path.size() - first) / 8);
        for (std::size_t i = first; i < path.size(); i += step) {
          auto one = shortest_through(path[i].first);
          if (circle_.empty() || one.size() < circle_.size()) circle_ = std::move(one);
        }
        return false;
      }
    }
  }
  return true;
}

// Breadth-first over predecessors, back to the node itself.
std::vector<Node> CommitOrder::shortest_through(Node t) const {
  std::vector<Node> after(a_.size(), kNone);  // the node that it was found from
  std::vector<Node> todo = {t};
  for (std::size_t i = 0; i < todo.size(); ++i) {
    std::uint32_t at = 0;
    for (Node before; (before = next_before(todo[i], at)) != kNone;) {
      if (before == t) {
        std::vector<Node> circle;
        for (Node n = todo[i]; n != t; n = after[n]) circle.push_back(n);
        circle.insert(circle.begin(), t);
        return circle;
      }
      if (after[before] != kNone) continue;
      after[before] = todo[i];
      todo.push_back(before);
    }
  }
  return {};
}

}  // namespace gameday::txn::weak
