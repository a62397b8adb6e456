// A stack of different values, after Lee and Mathur, "Efficient decrease-and-conquer
// linearizability monitoring" (OOPSLA 2025), and the rules of Bouajjani, Emmi, Enea and Hamza, "On
// reducing linearizability to state reachability" (ICALP 2015, §4.2). From the return of its push
// until the call of its pop a value is held for certain. Where nothing is, the stack may be empty,
// and the history falls apart into what is before and after, which are judged on their own. Where
// something is held all along, one value must be at the bottom from the first push to the last pop,
// and what fits there can be taken away: a part of a linearizable history is linearizable, and what
// is above the bottom does not touch it. A value of which push and pop overlap may come and go at
// once and never matters, and a value that stays is popped after everything.
//
// Time: O(n log n); memory O(n). With pops that never returned see Items::Giving.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <numeric>

#include "checkers/linear/decide/items.h"

namespace gameday::linear {
namespace {

// The greatest key of a range and where it is; 0 stands for none.
class Greatest {
 public:
  struct Found {
    std::uint32_t key;
    std::size_t at;
  };
  explicit Greatest(std::size_t size) : size_(std::bit_ceil(size)), tree_(2 * size_) {}
  void put(std::size_t at, std::uint32_t key) { tree_[size_ + at] = packed(at, key); }
  void build() {
    for (std::size_t i = size_; i-- > 1;) tree_[i] = std::max(tree_[2 * i], tree_[2 * i + 1]);
  }
  void change(std::size_t at, std::uint32_t key) {
    put(at, key);
    for (std::size_t i = (size_ + at) / 2; i > 0; i /= 2) {
      const std::uint64_t best = std::max(tree_[2 * i], tree_[2 * i + 1]);
      if (tree_[i] == best) return;
      tree_[i] = best;
    }
  }
  Found find(std::size_t first, std::size_t last) const {
    std::uint64_t best = 0;
    for (first += size_, last += size_ + 1; first < last; first /= 2, last /= 2) {
      if (first % 2 != 0) best = std::max(best, tree_[first++]);
      if (last % 2 != 0) best = std::max(best, tree_[--last]);
    }
    return {static_cast<std::uint32_t>(best >> 32), best & 0xffffffff};
  }

 private:
  static std::uint64_t packed(std::size_t at, std::uint32_t key) {
    return std::uint64_t{key} << 32 | (key == 0 ? 0 : at);
  }
  std::size_t size_;
  std::vector<std::uint64_t> tree_;
};

// How many values cover each place of a line.
class Cover {
 public:
  explicit Cover(const std::vector<std::int32_t>& counts)
      : size_(std::bit_ceil(counts.size())), least_(2 * size_), added_(size_) {
    std::copy(counts.begin(), counts.end(), least_.begin() + static_cast<std::ptrdiff_t>(size_));
    for (std::size_t i = size_; i-- > 1;) pull(i);
  }
  void uncover(std::size_t first, std::size_t last) {
    std::size_t l = first + size_, r = last + size_ + 1;
    for (; l < r; l /= 2, r /= 2) {
      if (l % 2 != 0) add(l++, -1);
      if (r % 2 != 0) add(--r, -1);
    }
    for (std::size_t i = (first + size_) / 2; i > 0; i /= 2) pull(i);
    for (std::size_t i = (last + size_) / 2; i > 0; i /= 2) pull(i);
  }
  // The first place in a range that nothing covers; kNone if there is none.
  std::size_t first_free(std::size_t first, std::size_t last) const {
    return first > last ? kNone : search(1, 0, size_, 0, first, last);
  }

 private:
  void add(std::size_t node, std::int32_t by) {
    least_[node] += by;
    if (node < size_) added_[node] += by;
  }
  void pull(std::size_t node) {
    least_[node] = std::min(least_[2 * node], least_[2 * node + 1]) + added_[node];
  }
  // As deep as the tree is.
  std::size_t search(std::size_t node, std::size_t begin, std::size_t width, std::int32_t above,
                     std::size_t first, std::size_t last) const {
    if (begin > last || begin + width <= first || least_[node] + above > 0) return kNone;
    if (width == 1) return begin;
    above += added_[node];
    const std::size_t left = search(2 * node, begin, width / 2, above, first, last);
    if (left != kNone) return left;
    return search(2 * node + 1, begin + width / 2, width / 2, above, first, last);
  }

  std::size_t size_;
  std::vector<std::int32_t> least_, added_;
};

struct Held {
  Item item;
  std::uint32_t value;
  std::uint32_t reach;  // the last one that was put in before this one is taken
};

// The values that are held for certain at some time, by the return of their push.
std::vector<Held> by_put(const Items& items) {
  const auto far = static_cast<std::uint32_t>(items.positions());
  std::vector<std::uint32_t> at(items.positions() + 1, kNoOp), before(items.positions() + 2);
  const auto all = items.items();
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].held()) at[all[i].put_returned] = static_cast<std::uint32_t>(i);
  std::vector<Held> held;
  for (std::size_t p = 0; p < at.size(); ++p) {
    before[p] = static_cast<std::uint32_t>(held.size());
    if (at[p] == kNoOp) continue;
    held.push_back({all[at[p]], at[p], 0});
    held.back().item.take = std::min(held.back().item.take, far);
  }
  for (Held& h : held) h.reach = before[h.item.take] - 1;
  return held;
}

std::vector<std::int32_t> cover_counts(const std::vector<Held>& held) {
  std::vector<std::int32_t> counts(held.size() + 1);
  for (std::size_t i = 0; i < held.size(); ++i) {
    ++counts[i + 1];
    if (held[i].reach + 1 < counts.size()) --counts[held[i].reach + 1];
  }
  std::partial_sum(counts.begin(), counts.end(), counts.begin());
  return counts;
}

class Bottoms {
 public:
  Bottoms(const Items& items, std::vector<Held> held)
      : items_(items),
        held_(std::move(held)),
        next_(held_.size() + 1),
        take_(held_.size()),
        late_(held_.size()),
        fits_(held_.size()),
        cover_(cover_counts(held_)) {
    std::iota(next_.begin(), next_.end(), 0U);
    for (std::size_t i = 0; i < held_.size(); ++i) {
      take_.put(i, held_[i].item.take);
      late_.put(i, kFar - held_[i].item.put);
    }
    take_.build();
    late_.build();
  }
  std::optional<Decision> wrong();

 private:
  struct Range {
    std::size_t first, last;
  };
  std::size_t left_from(std::size_t at);
  bool remove_bottom(Range range);
  Decision no_bottom(Range range);

  const Items& items_;
  std::vector<Held> held_;
  std::vector<std::uint32_t> next_;  // itself; once it is taken away something later
  Greatest take_;                    // by call of the pop
  Greatest late_;  // earliest call of the push: of those that were not yet found to be able to be
                   // the first of their range
  Greatest fits_;  // by return of the pop: of those that were
  Cover cover_;    // of the places right before each value
};

// Ranges fall apart as their bottoms are taken away.
std::optional<Decision> Bottoms::wrong() {
  if (held_.empty()) return std::nullopt;
  std::vector<Range> todo{{0, held_.size() - 1}};
  while (!todo.empty()) {
    const Range range = todo.back();
    todo.pop_back();
    for (std::size_t at = left_from(range.first); at <= range.last;) {
      const std::size_t free = cover_.first_free(at + 1, range.last);
      const Range part{at, free == kNone ? range.last : free - 1};
      at = left_from(part.last + 1);
      if (part.first == part.last) continue;
      if (!remove_bottom(part)) return no_bottom(part);
      todo.push_back(part);
    }
  }
  return std::nullopt;
}

std::size_t Bottoms::left_from(std::size_t at) {
  while (next_[at] != at) at = next_[at] = next_[next_[at]];
  return at;
}

// A bottom was pushed before the first push of its range returned, and popped after the last pop of
// it was called. As ranges only shrink, who can do either can always do it.
bool Bottoms::remove_bottom(Range range) {
  const std::uint32_t first_return = held_[range.first].item.put_returned;
  for (;;) {
    const auto early = late_.find(range.first, range.last);
    if (early.key == 0 || kFar - early.key > first_return) break;
    late_.change(early.at, 0);
    fits_.change(early.at, held_[early.at].item.take_returned);
  }
  const auto bottom = fits_.find(range.first, range.last);
  if (bottom.key <= take_.find(range.first, range.last).key) return false;
  fits_.change(bottom.at, 0);
  take_.change(bottom.at, 0);
  next_[bottom.at] = static_cast<std::uint32_t>(bottom.at) + 1;
  if (bottom.at < held_[bottom.at].reach) cover_.uncover(bottom.at + 1, held_[bottom.at].reach);
  return true;
}

// A few values of the range that together are held from its first push to its last pop.
Decision Bottoms::no_bottom(Range range) {
  std::vector<std::size_t> values;
  std::size_t best = range.first, last = range.first;
  for (std::size_t i = range.first;;) {
    for (; i <= range.last && held_[i].item.put_returned < held_[last].item.take;
         i = left_from(i + 1))
      if (held_[i].item.take > held_[best].item.take) best = i;
    values.push_back(held_[last].value);
    if (last == best) break;
    last = best;
  }
  const std::size_t x = values.front(), y = values.back();
  if (values.size() > 2)
    return items_.conflict(
        values, {},
        fmt::format("from when {} until {} the stack always held something, but nothing can have "
                    "been at its bottom all along",
                    items_.put_words(x), items_.take_words(y)));
  const bool taken = items_.items()[y].take_returned != kFar;
  return items_.conflict(
      values, {},
      fmt::format("{} before {}, but {} {}, which was on top", items_.put_words(x),
                  items_.put_words(y), items_.take_words(x),
                  taken ? "before " + items_.take_words(y) : "while nothing had taken the other"));
}

std::optional<Decision> not_last_in_first_out(const Items& items) {
  if (auto wrong = Bottoms(items, by_put(items)).wrong()) return wrong;
  return items.never_empty();
}

// What is on top of something for certain when that is popped must be gone.
std::vector<std::uint32_t> pop_deadlines(const Items& items, Deadlines limits) {
  const auto all = items.items();
  std::vector<std::uint32_t> deadline(all.size(), kFar), at(items.positions(), kNoOp);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].put_returned == kFar) continue;
    const bool taken = all[i].take_returned != kFar;
    at[taken ? all[i].put_returned : all[i].put] = static_cast<std::uint32_t>(i);
  }
  for (const std::uint32_t value : at) {
    if (value == kNoOp) continue;
    const Item& item = all[value];
    if (item.take_returned != kFar)
      limits.add(item.take, item.take_returned);
    else
      deadline[value] = limits.from(item.put_returned);
  }
  return deadline;
}

}  // namespace

Decision decide_stack(std::span<const Operation> ops) {
  Items items(ops);
  if (!items.applies()) return {};
  return items.decide(not_last_in_first_out, pop_deadlines);
}

}  // namespace gameday::linear
