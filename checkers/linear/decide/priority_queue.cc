// A priority queue of different ranks. Lee and Mathur, "Efficient decrease-and-conquer
// linearizability monitoring" (OOPSLA 2025), take the least value away first: when it leaves, the
// queue holds nothing greater, which splits the history into what came before and after. Worked out
// for all values this says: a history without nonsense (items.h) is linearizable if and only if
// each value that is taken has a time within its take, and after its insert was called, at which no
// greater value is held for certain, from the return of its insert to the call of its take; and
// each take that finds nothing has a time at which no value is. (That time of a lesser value serves
// any greater one that must leave before it, just before it.)
//
// Time: O(n a(n)), values in descending order join the times at which something is held; memory
// O(n). With takes that never returned see Items::Giving.
#include <fmt/format.h>

#include <numeric>

#include "checkers/linear/decide/items.h"

namespace gameday::linear {
namespace {

// Times between consecutive positions, of which ever more are covered.
class Free {
 public:
  explicit Free(std::size_t positions) : next_(positions + 1) {
    std::iota(next_.begin(), next_.end(), 0U);
  }
  // The first time from p on (right after position p) that is free.
  std::uint32_t from(std::uint32_t p) {
    while (next_[p] != p) p = next_[p] = next_[next_[p]];
    return p;
  }
  void cover(std::uint32_t begin, std::uint32_t end) {
    for (std::uint32_t p = from(begin); p < end; p = from(p)) next_[p] = p + 1;
  }

 private:
  std::vector<std::uint32_t> next_;
};

std::optional<Decision> below_another(const Items& items) {
  const auto far = static_cast<std::uint32_t>(items.positions());
  Free free(items.positions());
  const auto all = items.items();
  for (std::size_t value = all.size(); value-- > 0;) {
    const Item& item = all[value];
    if (item.take_returned != kFar) {
      const std::uint32_t from = std::max(item.put, item.take);
      if (free.from(from) >= item.take_returned) {
        auto held = items.cover(from, item.take_returned, value + 1);
        const std::size_t greater = held.front();
        held.push_back(value);
        return items.conflict(
            held, {},
            fmt::format("{}, but {} before, and nothing took {} in time", items.take_words(value),
                        items.put_words(greater),
                        held.size() == 2 ? "it out" : "it and those after it out"));
      }
    }
    if (item.held()) free.cover(item.put_returned, std::min(item.take, far));
  }
  return items.never_empty();
}

// What is there when a lesser value is taken must be gone.
std::vector<std::uint32_t> deadlines(const Items& items, Deadlines limits) {
  const auto all = items.items();
  std::vector<std::uint32_t> deadline(all.size(), kFar);
  for (std::size_t value = 0; value < all.size(); ++value) {
    const Item& item = all[value];
    if (item.take_returned != kFar)
      limits.add(std::max(item.put, item.take), item.take_returned);
    else if (item.put_returned != kFar)
      deadline[value] = limits.from(item.put_returned);
  }
  return deadline;
}

}  // namespace

Decision decide_priority_queue(std::span<const Operation> ops) {
  Items items(ops);
  if (!items.applies()) return {};
  return items.decide(below_another, deadlines);
}

}  // namespace gameday::linear
