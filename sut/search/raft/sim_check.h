// What must hold in every run of a Raft cluster: the safety properties of the paper (figure 3) and
// the promises of raft.h, checked from outside while a simulation runs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sut/search/raft/raft.h"

namespace gameday::search::raft {

// What a node's disk holds: all that a crash leaves.
struct Disk {
  HardState hard_state;
  std::vector<Entry> log;  // from index 1

  bool holds(const Entry& entry) const {
    return entry.index <= log.size() && log[entry.index - 1] == entry;
  }
};

// One life of a node, from start to crash.
struct Life {
  NodeId node = 0;
  std::uint64_t number = 0;  // differs for each life of any node
  Index seen_commit = 0;
  Index seen_applied = 0;
  Term leads_term = 0;
  std::map<std::uint64_t, Index> reads;  // open reads: what they have to see at least
};

class SafetyCheck {
 public:
  // With internal = false only what clients see is checked: entries committed and applied, job ids
  // and reads. The rest (terms, votes, logs, disks) explains more and catches earlier.
  SafetyCheck(std::size_t nodes, bool internal) : nodes_(nodes), internal_(internal) {}

  // To be called for each output, before anything else sees it.
  void observe(Life& life, const Raft& raft, const Output& output,
               const std::map<NodeId, Disk>& disks);
  void read_started(Life& life, std::uint64_t context);
  void life_ended(const Life& life, bool quiet);

  // The first thing seen to be wrong.
  const std::optional<std::string>& violation() const { return violation_; }
  Index committed() const { return truth_.size(); }
  std::size_t reads_served() const { return reads_served_; }
  std::size_t leaders() const { return leaders_.size(); }

 private:
  struct Committed {
    Entry entry;
    Term known_in = 0;  // committed by a leader of this term or of an earlier one
  };

  void fail(const Life& life, std::string what);
  void check_leader(Life& life, const Raft& raft);
  void check_log(const Life& life, const Raft& raft, const Output& output);
  void check_commit(Life& life, const Raft& raft, const Output& output,
                    const std::map<NodeId, Disk>& disks);
  void learn_committed(const Life& life, const Raft& raft, const Entry& entry,
                       const std::map<NodeId, Disk>& disks);
  void check_applied(Life& life, const Output& output, const Disk& disk);
  void check_reads(Life& life, const Output& output);

  std::size_t nodes_;
  bool internal_;
  std::optional<std::string> violation_;
  std::vector<Committed> truth_;  // of index 1 and up
  std::map<Term, std::uint64_t> leaders_;  // the life that led the term
  // What an entry of some (index, term) is, and the term before it: with both the same on all
  // nodes, the Log Matching property follows by induction.
  std::map<std::pair<Index, Term>, std::pair<Entry, Term>> written_;
  std::size_t reads_served_ = 0;
};

}  // namespace gameday::search::raft
