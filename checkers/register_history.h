// A register workload's history, one object a key: linearizability is local (Herlihy and Wing,
// "Linearizability", 1990, §3), so every key can be judged alone.
#pragma once

#include <string>
#include <vector>

#include "checkers/calls.h"
#include "checkers/linear/register.h"
#include "checkers/linear/search.h"
#include "harness/core/checker.h"

namespace gameday {

struct KeyHistory {
  std::string key;
  linear::Register model;
  std::vector<linear::Operation> ops;
  std::vector<Call> calls;  // calls[i] is ops[i]
};

// read, write and cas by key, in the order in which the keys appear. Failed ops and reads that were
// never answered say nothing and are left out; writes whose outcome is not known stay pending.
std::vector<KeyHistory> split_keys(const History& history, std::vector<std::string>& malformed);

// Why these operations of a key, which must be enough for it, cannot be put in an order: in words.
Anomaly explain_register(const History& history, const KeyHistory& key,
                         const std::vector<std::size_t>& kept, const linear::Limits& limits);

}  // namespace gameday
