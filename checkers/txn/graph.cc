#include "checkers/txn/graph.h"

#include <algorithm>
#include <unordered_map>

namespace gameday::txn {

std::string_view relation_name(Relations one) {
  switch (one) {
    case kWw:
      return "ww";
    case kWr:
      return "wr";
    case kRw:
      return "rw";
    case kWwp:
      return "wwp";
    case kWrp:
      return "wrp";
    case kRwp:
      return "rwp";
    case kProcess:
      return "process";
    case kRealtime:
      return "realtime";
    default:
      return "?";
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

  if (count < pairs.size()) {
    nodes_.assign(pairs.size(), kNone);
    for (Node n = 0; n < count; ++n) nodes_[pairs_[n]] = n;
  }
  chain_processes();
  mark_instants();
}

void Transactions::chain_processes() {
  // Clients' numbers are small, or grow by the number of clients after each info; they may be
  // anything.
  const std::size_t limit = 4 * size() + 1024;
  std::vector<Node> last(std::min<std::size_t>(limit, 1024), kNone);
  std::unordered_map<std::int32_t, Node> last_of_others;
  next_of_process_.assign(size(), kNone);
  for (Node n = 0; n < size(); ++n) {
    const auto process_number = static_cast<std::size_t>(process(n));
    if (process_number < limit && process_number >= last.size())
      last.resize(std::min(limit, 2 * process_number), kNone);
    Node& before = process_number < limit
                       ? last[process_number]
                       : last_of_others.try_emplace(process(n), kNone).first->second;
    if (before != kNone) next_of_process_[before] = n;
    if (ok(n)) before = n;
  }
}

void Transactions::mark_instants() {
  // Rows in order; completions of nodes by row.
  std::vector<Node> completes(events_->size(), kNone);
  for (Node n = 0; n < size(); ++n)
    if (ok(n)) completes[row(n)] = n;
  completed_.assign(size(), kNone);
  Node next = 0;  // the first node invoked after this row
  for (std::size_t i = 0; i < completes.size(); ++i) {
    if (next == size()) break;  // nothing is invoked any more
    if (pair(next).invoke == i) ++next;
    if (completes[i] == kNone || next == size()) continue;
    if (begins_.empty() || begins_.back() != next) begins_.push_back(next);
    completed_[completes[i]] = static_cast<std::uint32_t>(begins_.size() - 1);
  }
  begins_.push_back(static_cast<Node>(size()));
}

bool Transactions::orders_any(Order order) const {
  if (order == Order::process)
    return std::any_of(next_of_process_.begin(), next_of_process_.end(),
                       [](Node n) { return n != kNone; });
  if (order != Order::realtime || events_->pairs().empty()) return false;
  for (const Pair& p : events_->pairs())
    if (p.outcome == OpType::ok &&
        static_cast<std::size_t>(p.done) < events_->pairs().back().invoke)
      return true;
  return false;
}

std::size_t Transactions::bytes() const {
  return pairs_.capacity() * 4 + nodes_.capacity() * 4 + next_of_process_.capacity() * 4 +
         completed_.capacity() * 4 + begins_.capacity() * 4;
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
