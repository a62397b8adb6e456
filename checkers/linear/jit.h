// A just-in-time linearizability search. Operations are linearized only when one of them returns
// and has to have happened (Lowe, "Testing for linearizability", 2017, §5), so a configuration is a
// state and a mask over the few calls that are open at that moment, whatever the history's length.
// Breadth first from return to return while the configurations are few; where they are many, depth
// first with memory of what was tried, and breadth first again where that takes too long.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "checkers/linear/model.h"
#include "checkers/model.h"

namespace gameday::linear {

struct Judgement {
  Verdict verdict = Verdict::unknown;
  std::string reason;             // why UNKNOWN
  std::size_t returned = 0;       // so many returns (in real-time order) have a legal order
  bool longest = true;            // INVALID: one more has none; else `blocked` may not be the first
  std::size_t blocked = 0;        // INVALID: the operation that no order gets past
  std::vector<State> states;      // INVALID: what the object may be when every order ends; a few
  std::size_t configurations = 0;
  std::size_t widest = 0;         // most configurations alive at one return
};

Judgement judge(const Model& model, std::span<const Operation> ops, const gameday::Limits& limits);

}  // namespace gameday::linear
