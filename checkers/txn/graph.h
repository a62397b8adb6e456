// The dependency graph of a history of transactions (Adya, "Weak Consistency", MIT 1999, section 3;
// Kingsbury and Alvaro, "Elle", VLDB 2020): nodes are transactions that happened or may have, edges
// say that one must come before another, and why.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "checkers/model.h"

namespace gameday::txn {

using Node = std::uint32_t;
inline constexpr Node kNone = 0xffffffff;

// Relations, as bits of a set.
using Relations = std::uint8_t;
inline constexpr Relations kWw = 1;  // wrote the version before the one that the other wrote
inline constexpr Relations kWr = 2;  // wrote what the other read
inline constexpr Relations kRw = 4;  // read the version before the one that the other wrote
inline constexpr Relations kWwp = 8, kWrp = 16, kRwp = 32;  // the same, where a predicate was read
inline constexpr Relations kProcess = 64;                   // the same client, one after the other
inline constexpr Relations kRealtime = 128;  // one had completed before the other was invoked
inline constexpr Relations kAntidependency = kRw | kRwp;
inline constexpr Relations kDependency = kWw | kWr | kWwp | kWrp;

// Which order of transactions counts beside their data: what the consistency model is about.
enum class Order { none, process, realtime };

std::string_view relation_name(Relations one);  // "ww", "realtime", ...

// The nodes: calls that are ok or info, in order of invocation. The orders between them that the
// clock and the clients give are linear in size and need no edges:
// - process: an ok node has one next node of its client. An info node takes part as the last of its
//   client only: it may take effect at any later time, so nothing is known to follow it.
// - realtime: completions and invocations alternate in *instants*: instant t is a run of
//   completions and the invocations after it until the next completion. As nodes are numbered by
//   invocation, those that begin in instant t are begins(t) .. begins(t + 1) - 1, and a node that
//   completed in instant t comes before exactly the nodes from begins(t) on.
class Transactions {
 public:
  // All calls for which `take` is true; an info call has no completion.
  Transactions(const Events& events, const std::function<bool(const Pair&)>& take);

  std::size_t size() const { return pairs_.size(); }
  const Events& events() const { return *events_; }
  const Pair& pair(Node n) const { return events_->pairs()[pairs_[n]]; }
  std::uint32_t pair_index(Node n) const { return pairs_[n]; }
  Node of_pair(std::uint32_t pair) const {  // kNone: not taken
    return nodes_.empty() ? pair : nodes_[pair];
  }
  bool ok(Node n) const { return pair(n).outcome == OpType::ok; }
  // The row that people know it by: its completion, or its invocation if it has none.
  std::size_t row(Node n) const {
    const Pair& p = pair(n);
    return p.done >= 0 ? static_cast<std::size_t>(p.done) : p.invoke;
  }
  std::int32_t process(Node n) const { return events_->process(pair(n).invoke); }

  Node next_of_process(Node n) const { return next_of_process_[n]; }  // kNone: the last

  std::size_t instants() const { return begins_.size() - 1; }
  // The instant in which it completed; kNone: never, or nothing was invoked after it.
  std::uint32_t completed(Node n) const { return completed_[n]; }
  Node begins(std::uint32_t instant) const { return begins_[instant]; }
  bool before(Node a, Node b) const {  // in real time
    return completed_[a] != kNone && begins_[completed_[a]] <= b;
  }
  // Whether the order relates any two calls of clients at all, taken or not.
  bool orders_any(Order order) const;
  std::size_t bytes() const;

 private:
  void chain_processes();
  void mark_instants();

  const Events* events_;
  std::vector<std::uint32_t> pairs_;  // ascending
  std::vector<Node> nodes_;           // by pair; empty: all pairs are taken
  std::vector<Node> next_of_process_;
  std::vector<std::uint32_t> completed_;
  std::vector<Node> begins_;  // of each instant; one more: size()
};

// An edge as it is found, before the graph is made.
struct RawEdge {
  Node from, to;
  Relations relation;
};

// Edges by their first node, compressed. Several edges between two nodes stay several. Nodes from
// Transactions::size() on are *joints*: where many transactions all come before many others, each
// of the first has an edge of the relation to a joint, and joints lead on by relation 0, which is
// no step of its own.
class Graph {
 public:
  // Consumes the parts (one a thread, say); edges from a node to itself are dropped.
  Graph(std::size_t nodes, std::vector<std::vector<RawEdge>>&& parts);

  std::size_t size() const { return starts_.size() - 1; }
  std::size_t edges() const { return targets_.size(); }
  std::size_t begin(Node n) const { return starts_[n]; }
  std::size_t end(Node n) const { return starts_[n + 1]; }
  Node target(std::size_t edge) const { return targets_[edge]; }
  Relations relation(std::size_t edge) const { return relations_[edge]; }
  std::size_t bytes() const;

 private:
  std::vector<std::uint64_t> starts_;
  std::vector<Node> targets_;
  std::vector<Relations> relations_;
};

}  // namespace gameday::txn
