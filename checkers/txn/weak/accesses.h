// What each committed transaction read of others and left behind: the input of the weak isolation
// levels (Biswas and Enea, "On the Complexity of Checking Transactional Consistency", OOPSLA 2019).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkers/txn/registers.h"

namespace gameday::txn::weak {

// A read of a key from another transaction, or of the initial value: from == initial().
struct Read {
  std::uint32_t key;
  Node from;
};

// Nodes are the transactions of Registers; those that failed, or that nobody knows to have
// committed, are not live and take no part.
class Accesses {
 public:
  // Reads of values that nobody wrote, that a failed transaction wrote, or of the reader's own are
  // left out: read consistency is judged apart. Without sessions each transaction is alone in one.
  Accesses(const Registers& registers, bool sessions);

  std::size_t size() const { return session_.size(); }
  Node initial() const { return static_cast<Node>(size()); }
  std::size_t keys() const { return keys_; }
  std::span<const Read> reads(Node t) const {
    return {reads_.data() + read_first_[t], reads_.data() + read_first_[t + 1]};
  }
  // Ascending, each once.
  std::span<const std::uint32_t> writes(Node t) const {
    return {writes_.data() + write_first_[t], writes_.data() + write_first_[t + 1]};
  }
  bool writes_key(Node t, std::uint32_t key) const {
    for (const std::uint32_t k : writes(t))
      if (k >= key) return k == key;
    return false;
  }
  bool live(Node t) const { return session_[t] != kNone; }
  std::size_t sessions() const { return session_first_.size() - 1; }
  std::uint32_t session(Node t) const { return session_[t]; }
  std::uint32_t position(Node t) const { return position_[t]; }  // in its session, from 1
  Node previous(Node t) const { return previous_[t]; }           // in its session; kNone: the first
  std::span<const Node> session_nodes(std::uint32_t s) const {
    return {session_nodes_.data() + session_first_[s], session_nodes_.data() + session_first_[s + 1]};
  }
  // Live ones in the order in which they completed: a first guess of the order of commits.
  const Column<Node>& completions() const { return completions_; }

 private:
  void collect(const Registers& registers);
  void number_sessions(const Registers& registers, bool sessions);
  void sort_completions(const Registers& registers);

  std::size_t keys_;
  Column<std::uint64_t> read_first_, write_first_;
  Column<Read> reads_;
  Column<std::uint32_t> writes_;
  Column<std::uint32_t> session_, position_;
  Column<Node> previous_, session_nodes_, completions_;
  std::vector<std::uint64_t> session_first_;
};

}  // namespace gameday::txn::weak
