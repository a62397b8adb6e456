#include "checkers/txn/graph.h"

#include <algorithm>

namespace gameday::txn {

std::string_view relation_name(Relations one) {
  switch (one) {
    case kWw: return "ww";
    case kWr: return "wr";
    case kRw: return "rw";
    case kWwp: return "wwp";
    case kWrp: return "wrp";
    case kRwp: return "rwp";
    case kProcess: return "process";
    case kRealtime: return "realtime";
    default: return "?";
  }
}

Transactions::Transactions(const Events& events, const std::function<bool(const Pair&)>& take)
    : events_(&events) {
  const auto& pairs = events.pairs();
  std::size_t count = 0;
  for (const Pair& p : pairs) count += take(p);
  pairs_.reserve(count);
  for (std::size_t i = 0; i < pairs.size(); ++i)
    if (take(pairs[i])) pairs_.push_back(static_cast<std::uint32_t>(i));

  // Clients' numbers are numbered anew, for they may be anything.
  std::vector<std::pair<std::int32_t, Node>> by_process(count);
  for (Node n = 0; n < count; ++n) by_process[n] = {process(n), n};
  if (!std::is_sorted(by_process.begin(), by_process.end()))
    std::sort(by_process.begin(), by_process.end());
  next_of_process_.assign(count, kNone);
  for (std::size_t i = 1; i < count; ++i)
    if (by_process[i - 1].first == by_process[i].first)
      next_of_process_[by_process[i - 1].second] = by_process[i].second;
  by_process = {};

  // One pass over the rows: invocations come in the order of the nodes.
  completed_.assign(count, kNone);
  std::vector<std::pair<std::size_t, Node>> ends;
  ends.reserve(count);
  for (Node n = 0; n < count; ++n)
    if (ok(n)) ends.emplace_back(row(n), n);
  std::sort(ends.begin(), ends.end());
  Node next = 0;
  for (const auto& [end, node] : ends) {
    while (next < count && pair(next).invoke < end) ++next;
    if (next == count) break;  // nothing is invoked after it
    if (begins_.empty() || begins_.back() != next) begins_.push_back(next);
    completed_[node] = static_cast<std::uint32_t>(begins_.size() - 1);
  }
  begins_.push_back(static_cast<Node>(count));
}

Node Transactions::of_pair(std::uint32_t pair) const {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), pair);
  return at == pairs_.end() || *at != pair ? kNone : static_cast<Node>(at - pairs_.begin());
}

std::size_t Transactions::bytes() const {
  return pairs_.capacity() * 4 + next_of_process_.capacity() * 4 + completed_.capacity() * 4 +
         begins_.capacity() * 4;
}

Graph::Graph(std::size_t nodes, std::vector<std::vector<RawEdge>>&& parts) : starts_(nodes + 2, 0) {
  // Counting sort: starts_[n + 2] counts, then starts_[n + 1] is where the next edge of n goes.
  for (const auto& part : parts)
    for (const RawEdge& e : part)
      if (e.from != e.to) ++starts_[e.from + 2];
  for (std::size_t i = 2; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  targets_.resize(starts_.back());
  relations_.resize(starts_.back());
  for (auto& part : parts) {
    for (const RawEdge& e : part) {
      if (e.from == e.to) continue;
      const std::uint64_t at = starts_[e.from + 1]++;
      targets_[at] = e.to;
      relations_[at] = e.relation;
    }
    part = {};
  }
  starts_.pop_back();
}

std::size_t Graph::bytes() const {
  return starts_.capacity() * 8 + targets_.capacity() * 4 + relations_.capacity();
}

}  // namespace gameday::txn
