// What collections have in common where all values that were put in are different: for each value
// when it was put in and when it was taken out, and what may not be so in any collection.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "checkers/linear/decide/dense.h"

namespace gameday::linear {

inline constexpr std::uint32_t kFar = static_cast<std::uint32_t>(-1);  // later than everything

// Positions; a put that never returned and a take that never was are far.
struct Item {
  std::uint32_t put = kFar, put_returned = kFar, take = kFar, take_returned = kFar;

  bool was_put() const { return put != kFar; }
  bool taken() const { return take != kFar; }
  // From `put_returned` until `take` the collection holds the value for certain.
  bool held() const { return put_returned < take; }
};

// Times before which what was put in early enough must have left.
class Deadlines {
 public:
  explicit Deadlines(std::size_t positions) : least_(positions + 1, kFar) {}
  // What is held for certain at `since` must leave before `limit`.
  void add(std::uint32_t since, std::uint32_t limit) {
    for (std::size_t i = since + 1; i > 0; i &= i - 1) least_[i - 1] = std::min(least_[i - 1], limit);
  }
  // For what is held from p on.
  std::uint32_t from(std::uint32_t p) const {
    std::uint32_t limit = kFar;
    for (std::size_t i = p + 1; i <= least_.size(); i += i & (~i + 1))
      limit = std::min(limit, least_[i - 1]);
    return limit;
  }

 private:
  std::vector<std::uint32_t> least_;  // a Fenwick tree of suffixes
};

class Items {
 public:
  // Kind 0 puts a in, kind 1 takes b out. Takes that never returned may have taken anything.
  explicit Items(std::span<const Operation> ops);

  // False where values are not different, or an answer is not known.
  bool applies() const { return applies_; }
  // A take of what nobody put in, or twice, or before it was put in.
  std::optional<Decision> nonsense() const;
  // Gives what was put in and never seen again to the takes that never returned: the earliest to
  // the earliest. Of two values the one put in first can as well be the one taken first, so no
  // other choice leaves fewer times at which some value is held, and for a queue it is the only
  // order.
  void give_to_pending_takes() { give(Giving::in_order); }
  // A take that found nothing although at every time some value was held.
  std::optional<Decision> never_empty() const;

  // Decides by a rule that finds what is wrong with the items as they are, for collections in which
  // it matters what a take that never returned took. Where the rule is broken although each of them
  // may take everything, the history is INVALID, and where some way to give fits, VALID; else this
  // does not apply. `deadlines` says for each value that no answer has when it must have left; it
  // gets those that stem from takes that found nothing.
  Decision decide(std::optional<Decision> (*wrong)(const Items&),
                  std::vector<std::uint32_t> (*deadlines)(const Items&, Deadlines));

  std::span<const Item> items() const { return items_; }
  std::size_t positions() const { return dense_.positions(); }
  bool found_empty() const { return !empty_.empty(); }
  bool pending_takes() const { return !pending_.empty(); }

  // Few values from `least` on of which at every time between two positions one is held.
  std::vector<std::size_t> cover(std::uint32_t from, std::uint32_t to, std::size_t least = 0) const;

  // INVALID, by the operations on these values; with a value that only a pending take can have
  // taken goes everything that competes for these takes.
  Decision conflict(std::vector<std::size_t> values, std::vector<std::size_t> ops,
                    std::string why) const;
  std::string put_words(std::size_t value) const;
  std::string take_words(std::size_t value) const;

 private:
  bool add(std::size_t index);
  std::size_t putter(std::size_t value) const;
  std::size_t taker(std::size_t value) const;

  // What takes that never returned may have taken of what was not seen again: the earliest put the
  // earliest, or each the latest that is there, or all of it the first of them.
  enum class Giving { in_order, latest, everything };
  void give(Giving giving);
  void give_latest();
  void give_by(const std::vector<std::uint32_t>& deadlines);
  Deadlines empty_deadlines() const;

  std::span<const Operation> original_;  // with the caller's values, for words
  DenseOps dense_;
  std::span<const Operation> ops_;
  bool applies_ = true;
  std::size_t twice_ = kNone;         // an operation that took a value that was taken already
  std::vector<Item> items_;           // by value
  std::vector<std::size_t> empty_;    // operations that found nothing
  std::vector<std::size_t> pending_;  // takes that never returned, by call once they are given to
  std::vector<std::uint32_t> left_;   // values that no answer has, by put_returned
  Giving giving_ = Giving::in_order;
};

}  // namespace gameday::linear
