// Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs" (CONCUR 2013), and
// Bouajjani, Emmi, Enea and Hamza, "On reducing linearizability to state reachability" (ICALP 2015,
// §4): a queue of different values is not linearizable only if a value is taken that was not put in
// (VFresh) or is taken twice (VRepet), two values leave in the other order than they came (VOrd),
// or a dequeue finds nothing while at every time some value is there (VWit). For VOrd it is enough
// to look at pairs.
//
// Time: O(n), and sorting the dequeues that never returned; memory O(n).
#include <fmt/format.h>

#include <algorithm>

#include "checkers/linear/decide/items.h"

namespace gameday::linear {
namespace {

// Two values, the first of which was put in before the second, but is still there when the second
// is out.
std::optional<Decision> out_of_order(const Items& items) {
  // By position p: the first return of a take of any value that was put in after p.
  std::vector<std::uint32_t> taken_first(items.positions() + 1, kFar);
  for (const Item& item : items.items())
    if (item.was_put()) taken_first[item.put] = item.take_returned;
  for (std::size_t p = items.positions(); p-- > 0;)
    taken_first[p] = std::min(taken_first[p], taken_first[p + 1]);
  const auto all = items.items();
  for (std::size_t x = 0; x < all.size(); ++x) {
    if (all[x].put_returned == kFar || taken_first[all[x].put_returned] >= all[x].take) continue;
    const std::uint32_t early = taken_first[all[x].put_returned];
    std::size_t y = 0;
    while (!all[y].was_put() || all[y].put < all[x].put_returned || all[y].take_returned != early)
      ++y;
    const bool taken = all[x].take_returned != kFar;
    return items.conflict(
        {x, y}, {},
        fmt::format(
            "{} before {}, but {} {}", items.put_words(x), items.put_words(y), items.take_words(y),
            taken ? "before " + items.take_words(x) : "and nothing took the other one before"));
  }
  return std::nullopt;
}

}  // namespace

Decision decide_fifo_queue(std::span<const Operation> ops) {
  Items items(ops);
  if (!items.applies()) return {};
  if (auto wrong = items.nonsense()) return std::move(*wrong);
  items.give_to_pending_takes();
  if (auto wrong = out_of_order(items)) return std::move(*wrong);
  if (auto wrong = items.never_empty()) return std::move(*wrong);
  return {.applies = true, .verdict = Verdict::valid, .conflict = {}, .why = {}};
}

}  // namespace gameday::linear
