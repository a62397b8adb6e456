// What reads of a table show: which state of a key each of them must have selected, and what is
// wrong with them whatever the order of transactions.
#pragma once

#include <vector>

#include "checkers/txn/anomalies.h"
#include "checkers/txn/table.h"

namespace gameday::txn {

// A transaction found a key in a state that another one left: the only one that its read allows.
struct Selected {
  Node t;
  std::uint32_t mop;  // of t
  std::uint32_t state;
  bool by_predicate;  // else by the key
};

// Anomalies: internal, G1a, G1b, future-read, never-written, predicate-read-miss (a predicate read
// left a key out although all its states match), predicate-read-mismatch (it returned what does not
// match). The selections are in the order of transactions.
//
// A read by key selects a state of that value; nil is any deleted state or, unless the table began
// with the key, the unborn one. A predicate read that left a key out selects a state that does not
// match. Where a single state qualifies, that is it (Elle's closed-predicate inference). Candidates
// are what other transactions left that committed or may have.
std::vector<Selected> judge_reads(const Table& table, const Limits& limits, Anomalies& anomalies);

}  // namespace gameday::txn
