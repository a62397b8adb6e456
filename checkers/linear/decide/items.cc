#include "checkers/linear/decide/items.h"

#include <fmt/format.h>

#include <algorithm>

namespace gameday::linear {
namespace {

std::uint32_t position(std::int64_t p) {
  return p == kPending ? kFar : static_cast<std::uint32_t>(p);
}

constexpr std::size_t kMaxOperations = std::size_t{1} << 27;  // positions fit 32 bits

}  // namespace

Items::Items(std::span<const Operation> ops)
    : original_(ops), dense_(ops, DenseOps::both), ops_(dense_.ops()) {
  applies_ = ops.size() <= kMaxOperations;
  if (applies_) items_.resize(dense_.values());
  for (std::size_t i = 0; applies_ && i < ops_.size(); ++i) applies_ = add(i);
}

bool Items::add(std::size_t index) {
  const Operation& op = ops_[index];
  if (op.kind == 0) {
    if (op.a < 0 || items_[index_of(op.a)].was_put()) return false;
    Item& item = items_[index_of(op.a)];
    item.put = position(op.call);
    item.put_returned = position(op.ret);
  } else if (op.pending()) {
    pending_.push_back(index);
  } else if (op.b == kUnknown) {
    return false;
  } else if (op.b == kNil) {
    empty_.push_back(index);
  } else if (items_[index_of(op.b)].taken()) {
    twice_ = index;
  } else {
    Item& item = items_[index_of(op.b)];
    item.take = position(op.call);
    item.take_returned = position(op.ret);
  }
  return true;
}

std::optional<Decision> Items::nonsense() const {
  if (twice_ != kNone) {
    const auto value = index_of(ops_[twice_].b);
    return conflict(
        {value}, {twice_},
        fmt::format("#{} took {}, which #{} took too", twice_, original_[twice_].b, taker(value)));
  }
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const Item& item = items_[i];
    if (!item.taken() || (item.was_put() && item.put < item.take_returned)) continue;
    if (!item.was_put()) return conflict({i}, {}, take_words(i) + ", which nobody put in");
    return conflict({i}, {}, take_words(i) + " before " + put_words(i));
  }
  return std::nullopt;
}

Decision Items::decide(std::optional<Decision> (*wrong)(const Items&),
                       std::vector<std::uint32_t> (*deadlines)(const Items&, Deadlines)) {
  const Decision valid{.applies = true, .verdict = Verdict::valid, .conflict = {}, .why = {}};
  if (auto found = nonsense()) return std::move(*found);
  if (!pending_.empty()) give(Giving::everything);
  if (auto found = wrong(*this)) return std::move(*found);
  if (pending_.empty() || left_.empty()) return valid;
  give(Giving::in_order);
  if (!wrong(*this)) return valid;
  give_by(deadlines(*this, empty_deadlines()));
  if (!wrong(*this)) return valid;
  give(Giving::latest);
  if (!wrong(*this)) return valid;
  return {};
}

Deadlines Items::empty_deadlines() const {
  Deadlines deadlines(positions());
  for (const std::size_t i : empty_) deadlines.add(position(ops_[i].call), position(ops_[i].ret));
  return deadlines;
}

// Who must leave first takes the first take, which can be at the most times.
void Items::give_by(const std::vector<std::uint32_t>& deadlines) {
  std::stable_sort(left_.begin(), left_.end(), [&](std::uint32_t x, std::uint32_t y) {
    return deadlines[x] < deadlines[y];
  });
  for (std::size_t i = 0; i < left_.size(); ++i)
    items_[left_[i]].take = i < pending_.size() ? position(ops_[pending_[i]].call) : kFar;
}

void Items::give(Giving giving) {
  giving_ = giving;
  for (const std::uint32_t value : left_) items_[value].take = kFar;
  left_.clear();
  for (std::size_t i = 0; i < items_.size(); ++i)
    if (items_[i].put_returned != kFar && !items_[i].taken())
      left_.push_back(static_cast<std::uint32_t>(i));
  if (pending_.empty()) return;
  std::sort(left_.begin(), left_.end(), [&](std::uint32_t x, std::uint32_t y) {
    return items_[x].put_returned < items_[y].put_returned;
  });
  std::sort(pending_.begin(), pending_.end(),
            [&](std::size_t x, std::size_t y) { return ops_[x].call < ops_[y].call; });
  if (giving == Giving::latest) return give_latest();
  const bool all = giving == Giving::everything;
  for (std::size_t i = 0; i < (all ? left_.size() : std::min(left_.size(), pending_.size())); ++i)
    items_[left_[i]].take = position(ops_[pending_[all ? 0 : i]].call);
}

void Items::give_latest() {
  std::vector<std::uint32_t> there;
  std::size_t next = 0;
  for (const std::size_t take : pending_) {
    const std::uint32_t call = position(ops_[take].call);
    while (next < left_.size() && items_[left_[next]].put_returned < call)
      there.push_back(left_[next++]);
    if (there.empty()) continue;
    items_[there.back()].take = call;
    there.pop_back();
  }
}

std::optional<Decision> Items::never_empty() const {
  if (empty_.empty()) return std::nullopt;
  // By position p: how many more values are held right after p; then the last time up to p at which
  // nothing need be held.
  std::vector<std::int32_t> change(positions() + 1);
  for (const Item& item : items_) {
    if (!item.held()) continue;
    ++change[item.put_returned];
    if (item.take != kFar) --change[item.take];
  }
  std::int32_t held = 0, last_empty = -1;
  for (std::size_t p = 0; p < change.size(); ++p) {
    held += change[p];
    if (held == 0) last_empty = static_cast<std::int32_t>(p);
    change[p] = last_empty;
  }
  for (const std::size_t i : empty_) {
    const Operation& op = ops_[i];
    if (change[index_of(op.ret) - 1] >= op.call) continue;
    const auto values = cover(position(op.call), position(op.ret));
    return conflict(values, {i},
                    fmt::format("#{} found nothing, but {} before, and nothing took {} in time", i,
                                put_words(values.front()),
                                values.size() == 1 ? "it out" : "it and those after it out"));
  }
  return std::nullopt;
}

std::vector<std::size_t> Items::cover(std::uint32_t from, std::uint32_t to,
                                      std::size_t least) const {
  std::vector<std::size_t> held, chosen;
  for (std::size_t i = least; i < items_.size(); ++i)
    if (items_[i].held() && items_[i].put_returned < to && items_[i].take > from) held.push_back(i);
  std::sort(held.begin(), held.end(), [&](std::size_t x, std::size_t y) {
    return items_[x].put_returned < items_[y].put_returned;
  });
  for (std::size_t next = 0; from < to;) {
    std::size_t best = kNone;
    for (; next < held.size() && items_[held[next]].put_returned <= from; ++next)
      if (best == kNone || items_[held[next]].take > items_[best].take) best = held[next];
    if (best == kNone) break;
    chosen.push_back(best);
    from = items_[best].take;
  }
  return chosen;
}

std::size_t Items::putter(std::size_t value) const {
  for (std::size_t i = 0; i < ops_.size(); ++i)
    if (ops_[i].kind == 0 && index_of(ops_[i].a) == value) return i;
  return kNone;
}

std::size_t Items::taker(std::size_t value) const {
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (op.kind == 1 && !op.pending() && op.b >= 0 && index_of(op.b) == value) return i;
  }
  return kNone;
}

Decision Items::conflict(std::vector<std::size_t> values, std::vector<std::size_t> ops,
                         std::string why) const {
  // The last of these that only a pending take can have taken: those before it compete with it,
  // unless the first take was let take all of them.
  std::size_t competing = 0;
  for (std::size_t i = 0; i < left_.size() && !pending_.empty(); ++i)
    if (std::find(values.begin(), values.end(), left_[i]) != values.end()) competing = i + 1;
  const bool all = giving_ == Giving::everything;
  if (!all)
    values.insert(values.end(), left_.begin(),
                  left_.begin() + static_cast<std::ptrdiff_t>(competing));
  const auto takes = std::min(all && competing > 0 ? 1 : competing, pending_.size());
  ops.insert(ops.end(), pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(takes));
  std::vector<char> wanted(items_.size());
  for (const std::size_t value : values) wanted[value] = 1;
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    const bool take = op.kind == 1 && !op.pending() && op.b >= 0;
    if ((op.kind == 0 && wanted[index_of(op.a)]) || (take && wanted[index_of(op.b)]))
      ops.push_back(i);
  }
  std::sort(ops.begin(), ops.end());
  ops.erase(std::unique(ops.begin(), ops.end()), ops.end());
  return {.applies = true,
          .verdict = Verdict::invalid,
          .conflict = std::move(ops),
          .why = std::move(why)};
}

std::string Items::put_words(std::size_t value) const {
  const std::size_t op = putter(value);
  return fmt::format("#{} put {} in", op, original_[op].a);
}

std::string Items::take_words(std::size_t value) const {
  const std::size_t op = taker(value);
  if (op == kNone) return fmt::format("anything could take the value of {}", put_words(value));
  return fmt::format("#{} took {}", op, original_[op].b);
}

}  // namespace gameday::linear
