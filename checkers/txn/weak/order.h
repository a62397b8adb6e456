// An order of commits that respects sessions, reads and what was inferred, or the circle that none
// can respect.
#pragma once

#include <vector>

#include "checkers/txn/weak/accesses.h"

namespace gameday::txn::weak {

// `from` must commit before `to`: `reader` read `key` of `to` although `from`, which wrote the key
// too, was visible to it.
struct Inferred {
  Node from, to, reader;
  std::uint32_t key;
};

class CommitOrder {
 public:
  explicit CommitOrder(const Accesses& accesses) : a_(accesses) {}

  // Puts every transaction behind those that must come before it and else by completion. False:
  // there is a circle, see circle().
  bool arrange(const std::vector<Inferred>& inferred);

  const Column<Node>& sequence() const { return sequence_; }
  // Of a live node its place in the sequence; -1 of the initial state.
  std::int32_t place(Node t) const { return place_[t]; }
  // A short one: each node must come before the next, the last before the first.
  const std::vector<Node>& circle() const { return circle_; }

 private:
  void index(const std::vector<Inferred>& inferred);
  Node next_before(Node t, std::uint32_t& at) const;
  std::vector<Node> shortest_through(Node t) const;

  const Accesses& a_;
  Column<Node> sequence_;
  std::vector<Node> circle_;
  Column<std::int32_t> place_;
  Column<std::uint64_t> extra_first_;  // inferred predecessors of each node
  std::vector<Node> extra_;
};

}  // namespace gameday::txn::weak
