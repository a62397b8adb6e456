// A set of different values, each added at most once. Reads of the whole set that only ever grows
// must form a chain by inclusion, and the chain leaves one order: what the smallest read saw was
// added first, then come the reads that saw just this, then what the next larger read saw besides,
// and so on, and last what was added and nobody saw. Inside of each of these blocks everything
// commutes, so real time has the only other say (Emmi and Enea, "Sound, complete, and tractable
// linearizability monitoring for concurrent collections", POPL 2018, reduce collections to such
// orders of their values). An answer about one value narrows only when that value was added.
//
// Without reads values are independent, and a value that can also be removed has a life: it is best
// added as late and removed as early as the answers that saw it allow. Reads together with removes
// that may have had an effect are left to the search.
//
// Time: O(n log n + all that was read), where the logarithm is that of sorting reads by size.
#include <fmt/format.h>

#include <algorithm>

#include "checkers/linear/decide/dense.h"

namespace gameday::linear {
namespace {

// A bound on a point in time, and the operation that sets it.
struct Bound {
  std::int64_t at;
  std::size_t op = kNone;

  void raise(std::int64_t to, std::size_t by) {
    if (to > at) *this = {to, by};
  }
  void lower(std::int64_t to, std::size_t by) {
    if (to < at) *this = {to, by};
  }
};

// A value's add lies between `after` and `before`, and its remove, if there is one, after
// `removed_after`.
struct Element {
  std::size_t add = kNone, remove = kNone;
  bool removable = false;  // something may have removed it
  Bound after{-1}, before{kPending}, removed_after{-1};
  Bound seen{-1};               // a last answer that it is there
  std::uint32_t level = kNoOp;  // the least set that was read with it
  std::uint32_t stamp = kNoOp;  // the read that was last found to hold it
};

class SetDecision {
 public:
  SetDecision(const DenseOps& dense, std::span<const Operation> ops, const Lists& lists)
      : dense_(dense), ops_(ops), lists_(lists), elements_(dense.values()) {}
  Decision decide();

 private:
  bool collect();
  void collect_about_one(std::size_t index);
  bool elements_agree();
  bool absences_agree();
  bool reads_form_a_chain();
  bool grow(std::size_t read);
  bool blocks_agree();
  void call(const Bound& called, std::size_t owner);
  bool in_time(const Bound& returned, std::size_t owner);
  bool differ(std::size_t smaller, std::size_t larger);

  Element* element(std::int32_t value) {
    const std::int32_t number = dense_.number(value);
    return number >= 0 && index_of(number) < elements_.size() ? &elements_[index_of(number)]
                                                              : nullptr;
  }
  std::span<const std::int32_t> list(std::size_t read) const { return lists_.of(ops_[read].b); }
  std::size_t level_of(const Element& e) const {
    return e.level == kNoOp ? levels_.size() : e.level;
  }
  std::string words(std::size_t op) const;
  bool conflict(std::vector<std::size_t> ops, std::string why);

  const DenseOps& dense_;  // numbers values; elsewhere b is no value
  std::span<const Operation> ops_;
  const Lists& lists_;
  Decision result_;
  std::vector<Element> elements_;     // by value
  std::vector<std::size_t> reads_;    // of which the answer is known; later by size
  std::vector<std::size_t> levels_;   // for each different set that was read, its first in reads_
  std::vector<std::size_t> absent_;   // answers that a value is not there
  std::size_t held_ = 0;              // how many values the largest read so far holds
  Bound called_{-1};                  // the last call of the blocks so far, ...
  std::size_t called_owner_ = kNone;  // ... which is about this operation: an add or a read
};

Decision SetDecision::decide() {
  if (!collect()) return {};
  result_.applies = true;
  const bool valid = elements_agree() && absences_agree() && reads_form_a_chain() && blocks_agree();
  result_.verdict = valid ? Verdict::valid : Verdict::invalid;
  return std::move(result_);
}

bool SetDecision::collect() {
  bool removes = false;
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (op.kind == kind::read_set) {
      if (!op.pending() && op.b >= 0) reads_.push_back(i);
      continue;
    }
    if (op.a < 0) return false;
    Element& e = *element(op.a);
    if (op.kind == kind::add) {
      if (e.add != kNone) return false;
      e.add = i;
      e.after.raise(op.call, i);
      e.before.lower(op.ret, i);
    } else {
      if (op.kind == kind::remove && !op.pending() && op.b < 0) return false;
      removes |= op.kind == kind::remove && (op.pending() || op.b == 1);
      collect_about_one(i);
    }
  }
  return !removes || reads_.empty();
}

void SetDecision::collect_about_one(std::size_t index) {
  const Operation& op = ops_[index];
  Element& e = *element(op.a);
  if (op.kind == kind::remove && op.pending()) {
    e.removable = true;
    // Any one of them can have removed it: the one called first can do so at the most times.
    if (e.remove == kNone || (ops_[e.remove].pending() && op.call < ops_[e.remove].call))
      e.remove = index;
  } else if (op.pending() || op.b < 0) {
    return;
  } else if (op.b == 0) {
    absent_.push_back(index);
  } else {
    e.before.lower(op.ret, index);
    e.seen.raise(op.call, index);
    if (op.kind == kind::contains) return;
    if (e.remove != kNone && !ops_[e.remove].pending() && result_.conflict.empty())
      conflict({e.remove, index}, words(index) + ", but it was added once and " + words(e.remove));
    e.removable = true;
    e.remove = index;
  }
}

// What answers about single values say, but for those that they are not there.
bool SetDecision::elements_agree() {
  if (!result_.conflict.empty()) return false;
  for (Element& e : elements_) {
    if (e.seen.op != kNone && e.add == kNone)
      return conflict({e.seen.op}, words(e.seen.op) + ", which nobody added");
    if (e.seen.op != kNone && e.before.at < e.after.at)
      return conflict({e.add, e.before.op}, words(e.before.op) + " before " + words(e.add));
    if (!e.removable) continue;
    e.removed_after = e.seen;
    e.removed_after.raise(ops_[e.remove].call, e.remove);
    const Operation& remove = ops_[e.remove];
    if (remove.ret < e.seen.at)
      return conflict({e.add, e.remove, e.seen.op},
                      words(e.remove) + " before " + words(e.seen.op));
  }
  return true;
}

bool SetDecision::absences_agree() {
  for (const std::size_t i : absent_) {
    const Operation& op = ops_[i];
    Element& e = *element(op.a);
    if (e.add == kNone) continue;
    if (!e.removable) {
      if (e.before.at < op.call)
        return conflict({e.add, e.before.op, i}, words(i) + ", but before " + words(e.before.op));
      e.after.raise(op.call, i);
    } else if (e.before.at < op.call && op.ret < e.removed_after.at) {
      return conflict({e.add, e.before.op, i, e.removed_after.op, e.remove},
                      fmt::format("{}, but before {}, and after it {}", words(i),
                                  words(e.before.op), words(e.removed_after.op)));
    }
  }
  return true;
}

// Reads by size, each of which holds all that the one before it holds.
bool SetDecision::reads_form_a_chain() {
  std::vector<std::pair<std::size_t, std::size_t>> by_size;
  by_size.reserve(reads_.size());
  for (const std::size_t read : reads_) by_size.emplace_back(list(read).size(), read);
  std::sort(by_size.begin(), by_size.end());
  for (std::size_t i = 0; i < reads_.size(); ++i) reads_[i] = by_size[i].second;
  for (std::size_t i = 0; i < reads_.size(); ++i)
    if (!grow(i)) return false;
  return true;
}

// A larger read begins a new level with the values that are new in it.
bool SetDecision::grow(std::size_t position) {
  const std::size_t read = reads_[position];
  const auto held = list(read);
  const bool larger = levels_.empty() || held.size() > held_;
  const auto level = static_cast<std::uint32_t>(levels_.size());
  std::size_t known = 0;
  for (const std::int32_t value : held) {
    Element* e = element(value);
    if (e == nullptr || e->add == kNone)
      return conflict({read}, fmt::format("#{} read {}, which nobody added", read, value));
    if (e->stamp == read)
      return conflict({read, e->add}, fmt::format("#{} read {} twice", read, value));
    e->stamp = static_cast<std::uint32_t>(read);
    if (e->level != kNoOp)
      ++known;
    else if (larger)
      e->level = level;
  }
  if (known != held_) return differ(reads_[levels_.back()], read);
  held_ = held.size();
  if (larger) levels_.push_back(position);
  return true;
}

// Two reads each of which holds a value that the other one does not.
bool SetDecision::differ(std::size_t smaller, std::size_t larger) {
  const auto without = [&](std::size_t has, std::size_t has_not) {
    for (const std::int32_t value : list(has_not))
      element(value)->stamp = static_cast<std::uint32_t>(has_not);
    const auto in = list(has);
    return *std::find_if(in.begin(), in.end(),
                         [&](std::int32_t value) { return element(value)->stamp != has_not; });
  };
  const std::int32_t x = without(smaller, larger), y = without(larger, smaller);
  return conflict({smaller, larger, element(x)->add, element(y)->add},
                  fmt::format("#{} read {} but not {}, and #{} read {} but not {}", smaller, x, y,
                              larger, y, x));
}

bool SetDecision::blocks_agree() {
  std::vector<std::size_t> begin(levels_.size() + 2), order;
  const auto happened = [&](const Element& e) {
    return e.add != kNone && (e.level != kNoOp || e.before.at != kPending);
  };
  for (const Element& e : elements_)
    if (happened(e)) ++begin[level_of(e) + 1];
  for (std::size_t l = 1; l < begin.size(); ++l) begin[l] += begin[l - 1];
  order.resize(begin.back());
  auto next = begin;
  for (std::size_t i = 0; i < elements_.size(); ++i)
    if (happened(elements_[i])) order[next[level_of(elements_[i])]++] = i;
  for (std::size_t l = 0; l <= levels_.size(); ++l) {
    const auto values = std::span(order).subspan(begin[l], begin[l + 1] - begin[l]);
    for (const std::size_t i : values)
      if (!in_time(elements_[i].before, elements_[i].add)) return false;
    for (const std::size_t i : values) call(elements_[i].after, elements_[i].add);
    if (l == levels_.size()) break;
    const std::size_t end = l + 1 < levels_.size() ? levels_[l + 1] : reads_.size();
    const auto reads = std::span(reads_).subspan(levels_[l], end - levels_[l]);
    for (const std::size_t i : reads)
      if (!in_time({ops_[i].ret, i}, i)) return false;
    for (const std::size_t i : reads) call({ops_[i].call, i}, i);
  }
  return true;
}

void SetDecision::call(const Bound& called, std::size_t owner) {
  if (called.at <= called_.at) return;
  called_ = called;
  called_owner_ = owner;
}

// Whether the owner can come after all that was called in earlier blocks.
bool SetDecision::in_time(const Bound& returned, std::size_t owner) {
  if (returned.at > called_.at) return true;
  const bool adds = ops_[owner].kind == kind::add && ops_[called_owner_].kind == kind::add;
  const auto in_order = fmt::format("{} before {}", words(returned.op), words(called_.op));
  if (!adds) {
    const bool lost = ops_[owner].kind == kind::add;
    const bool early = ops_[called_owner_].kind == kind::add;
    return conflict({owner, returned.op, called_owner_, called_.op},
                    lost    ? fmt::format("{}, which is without {}", in_order, ops_[owner].a)
                    : early ? fmt::format("{}, but holds {}", in_order, ops_[called_owner_].a)
                            : in_order + ", which has fewer of them");
  }
  const Element& first = *element(ops_[called_owner_].a);
  const std::size_t read = reads_[levels_[level_of(first)]];
  return conflict({owner, returned.op, called_owner_, called_.op, read},
                  fmt::format("{}, but #{} read {} without {}", in_order, read,
                              ops_[called_owner_].a, ops_[owner].a));
}

std::string SetDecision::words(std::size_t op) const {
  const Operation& o = ops_[op];
  switch (o.kind) {
    case kind::add:
      return fmt::format("#{} added {}", op, o.a);
    case kind::remove:
      if (o.pending()) return fmt::format("#{} may remove {}", op, o.a);
      return o.b == 1 ? fmt::format("#{} removed {}", op, o.a)
                      : fmt::format("#{} found no {} to remove", op, o.a);
    case kind::contains:
      return fmt::format("#{} found {}{}", op, o.b == 1 ? "" : "no ", o.a);
    default:
      return fmt::format("#{} read a set of {}", op, lists_.of(o.b).size());
  }
}

bool SetDecision::conflict(std::vector<std::size_t> ops, std::string why) {
  std::sort(ops.begin(), ops.end());
  ops.erase(std::unique(ops.begin(), ops.end()), ops.end());
  std::erase(ops, kNone);
  result_.conflict = std::move(ops);
  result_.why = std::move(why);
  return false;
}

}  // namespace

Decision decide_set(std::span<const Operation> ops, const Lists& lists) {
  if (ops.size() >= kNoOp) return {};
  const DenseOps dense(ops, DenseOps::values_only);
  return SetDecision(dense, ops, lists).decide();
}

}  // namespace gameday::linear
