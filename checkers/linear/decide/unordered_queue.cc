// A bag of different values: nothing is taken that was not put in, or twice, and a dequeue that
// finds nothing has a time at which nothing need be there; values do not hinder each other
// otherwise (Emmi and Enea, "Sound, complete, and tractable linearizability monitoring for
// concurrent collections", POPL 2018, decide collections by such rules about values).
//
// Time: O(n), and sorting the dequeues that never returned; memory O(n).
#include "checkers/linear/decide/items.h"

namespace gameday::linear {

Decision decide_unordered_queue(std::span<const Operation> ops) {
  Items items(ops);
  if (!items.applies()) return {};
  if (auto wrong = items.nonsense()) return std::move(*wrong);
  items.give_to_pending_takes();
  if (auto wrong = items.never_empty()) return std::move(*wrong);
  return {.applies = true, .verdict = Verdict::valid, .conflict = {}, .why = {}};
}

}  // namespace gameday::linear
