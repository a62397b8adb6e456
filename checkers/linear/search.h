// A general linearizability search: Wing and Gong, "Testing and verifying concurrent objects"
// (1993), with Lowe's memoised configurations ("Testing for linearizability", 2017, §4), as in
// Porcupine. Any model; bounded by memory and time.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "checkers/linear/model.h"
#include "harness/core/verdict.h"

namespace gameday::linear {

struct Limits {
  std::size_t memory_bytes = std::size_t{1} << 30;
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  bool explain = false;  // also collect orders of an INVALID history; for short ones
};

// An order that is legal as far as it goes and cannot go on.
struct DeadEnd {
  State state = kIllegal;
  std::vector<std::size_t> order;
};

struct Outcome {
  Verdict verdict = Verdict::unknown;
  std::string reason;              // why UNKNOWN
  std::size_t placed = 0;          // operations in the longest legal prefix found
  std::vector<std::size_t> order;  // VALID: a linearization; else, if explained, that prefix
  std::size_t blocked = 0;         // INVALID: no order gets past this operation's return
  std::vector<DeadEnd> dead_ends;  // INVALID: where it ends before `blocked`, by state; at most 8
  std::size_t configurations = 0;
};

Outcome search(const Model& model, const std::vector<Operation>& ops, const Limits& limits);

// Whether `order` is a linearization of `ops`: all operations that returned, each at most once,
// legal, and in real-time order. Linear time; a proof of VALID, wherever the order came from.
bool is_linearization(const Model& model, const std::vector<Operation>& ops,
                      const std::vector<std::size_t>& order);

}  // namespace gameday::linear
