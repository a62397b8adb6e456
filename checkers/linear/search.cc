#include "checkers/linear/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace gameday::linear {
namespace {

constexpr std::size_t kDeadEndLimit = 8;

// Calls and returns of the operations that returned, in real-time order, as a doubly linked list
// from which an operation is lifted in O(1) and put back (Lowe's "linked list of events").
struct Event {
  std::size_t op = 0;
  bool is_return = false;
  std::int64_t position = 0;
  std::size_t previous = 0, next = 0, partner = 0;
};

// The configurations already tried. The linearized operations that returned are a prefix by call
// order plus a few beyond it, so only those few are kept. Pending operations are optional: a
// configuration that has used a superset of the pending operations of a known one, and is equal
// otherwise, can do nothing that the known one cannot, and counts as tried.
class Memo {
 public:
  // False if the configuration is known or dominated.
  bool insert(const std::string& key, const std::vector<std::uint32_t>& used) {
    auto [it, added] = known_.try_emplace(key);
    if (added) bytes_ += key.size() + 96;
    for (const auto& known : it->second)
      if (std::includes(used.begin(), used.end(), known.begin(), known.end())) return false;
    it->second.push_back(used);
    bytes_ += used.size() * sizeof(std::uint32_t) + 40;
    ++size_;
    return true;
  }
  std::size_t bytes() const { return bytes_; }
  std::size_t size() const { return size_; }

 private:
  std::unordered_map<std::string, std::vector<std::vector<std::uint32_t>>> known_;
  std::size_t bytes_ = 0, size_ = 0;
};

class Search {
 public:
  Search(const Model& model, const std::vector<Operation>& ops, const Limits& limits)
      : model_(model), ops_(ops), limits_(limits), taken_(ops.size()), state_(model.initial()) {
    build_events();
  }

  Outcome run();

 private:
  static constexpr std::size_t kHead = 0;

  struct Step {
    std::size_t op;
    State before;
    bool eager;          // a read that was taken for free: there is no alternative to it
    std::size_t cursor;  // where to go on if this choice fails: an event, or a pending operation
  };

  void build_events();
  void lift(std::size_t event);
  void unlift(std::size_t event);
  void take(std::size_t op, bool eager, std::size_t cursor, State next);
  // Undoes the last choice and points the cursor at the next alternative. False when none is left.
  bool backtrack();
  bool take_eager();
  bool choose();
  bool advance();
  bool remember();
  void note_dead_end();
  bool out_of_budget();
  std::int64_t first_return() const;
  std::vector<std::size_t> order() const;

  const Model& model_;
  const std::vector<Operation>& ops_;
  const Limits& limits_;
  std::vector<Event> events_;               // [0] is the head of the list
  std::vector<std::size_t> call_of_;        // op -> its call event
  std::vector<std::size_t> returned_;       // ops that returned, by call
  std::vector<std::size_t> rank_;           // op -> its place in returned_ or in pending_
  std::vector<std::size_t> pending_;        // by call
  std::vector<std::size_t> earlier_equal_;  // pending op -> the one before it with the same effect
  std::vector<char> taken_;
  std::vector<std::uint32_t> used_;  // ranks of the pending operations taken, sorted
  std::size_t prefix_ = 0;           // all of returned_ before this are taken
  std::vector<Step> steps_;
  State state_;
  bool at_events_ = true;  // the cursor is an event, else a place in pending_
  std::size_t cursor_ = 0;
  Memo memo_;
  Outcome outcome_;
  std::int64_t furthest_ = -1;  // position of the return where the best dead ends are
  std::size_t checks_ = 0;
};

void Search::build_events() {
  rank_.resize(ops_.size());
  call_of_.resize(ops_.size());
  std::vector<std::size_t> by_call(ops_.size());
  for (std::size_t i = 0; i < by_call.size(); ++i) by_call[i] = i;
  std::sort(by_call.begin(), by_call.end(),
            [&](std::size_t x, std::size_t y) { return ops_[x].call < ops_[y].call; });
  std::vector<Event> sorted;
  for (const std::size_t i : by_call) {
    auto& group = ops_[i].pending() ? pending_ : returned_;
    rank_[i] = group.size();
    group.push_back(i);
    if (ops_[i].pending()) continue;
    sorted.push_back({i, false, ops_[i].call});
    sorted.push_back({i, true, ops_[i].ret});
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Event& x, const Event& y) { return x.position < y.position; });
  events_.resize(1);
  events_.insert(events_.end(), sorted.begin(), sorted.end());
  for (std::size_t e = 0; e < events_.size(); ++e) {
    events_[e].next = (e + 1) % events_.size();
    events_[e].previous = (e + events_.size() - 1) % events_.size();
    if (e == kHead) continue;
    const std::size_t op = events_[e].op;
    if (!events_[e].is_return) {
      call_of_[op] = e;
    } else {
      events_[e].partner = call_of_[op];
      events_[call_of_[op]].partner = e;
    }
  }
  earlier_equal_.assign(pending_.size(), pending_.size());
  std::unordered_map<std::string, std::size_t> last;
  for (std::size_t p = 0; p < pending_.size(); ++p) {
    const auto& op = ops_[pending_[p]];
    const auto [it, added] = last.try_emplace(fmt::format("{} {} {}", op.kind, op.a, op.b), p);
    if (!added) earlier_equal_[p] = std::exchange(it->second, p);
  }
  cursor_ = events_[kHead].next;
}

void Search::lift(std::size_t event) {
  for (const std::size_t e : {event, events_[event].partner}) {
    events_[events_[e].previous].next = events_[e].next;
    events_[events_[e].next].previous = events_[e].previous;
  }
}

void Search::unlift(std::size_t event) {
  for (const std::size_t e : {events_[event].partner, event}) {
    events_[events_[e].previous].next = e;
    events_[events_[e].next].previous = e;
  }
}

void Search::take(std::size_t op, bool eager, std::size_t cursor, State next) {
  steps_.push_back({op, state_, eager, cursor});
  taken_[op] = 1;
  state_ = next;
  if (ops_[op].pending()) {
    const auto rank = static_cast<std::uint32_t>(rank_[op]);
    used_.insert(std::lower_bound(used_.begin(), used_.end(), rank), rank);
  } else {
    lift(call_of_[op]);
    while (prefix_ < returned_.size() && taken_[returned_[prefix_]]) ++prefix_;
  }
  at_events_ = true;
  cursor_ = events_[kHead].next;
}

bool Search::backtrack() {
  while (!steps_.empty()) {
    const Step step = steps_.back();
    steps_.pop_back();
    taken_[step.op] = 0;
    state_ = step.before;
    const bool pending = ops_[step.op].pending();
    if (pending) {
      used_.erase(
          std::lower_bound(used_.begin(), used_.end(), static_cast<std::uint32_t>(rank_[step.op])));
    } else {
      unlift(call_of_[step.op]);
      prefix_ = std::min(prefix_, rank_[step.op]);
    }
    if (step.eager) continue;
    at_events_ = !pending;
    cursor_ = step.cursor;
    return true;
  }
  return false;
}

// A legal operation that never changes a state can go first without loss: every linearization of
// the rest stays one when it is moved to the front.
bool Search::take_eager() {
  for (std::size_t e = events_[kHead].next; e != kHead && !events_[e].is_return;
       e = events_[e].next) {
    const std::size_t op = events_[e].op;
    if (!model_.read_only(ops_[op]) || model_.step(state_, ops_[op]) == kIllegal) continue;
    take(op, true, 0, state_);
    return true;
  }
  return false;
}

std::int64_t Search::first_return() const {
  for (std::size_t e = events_[kHead].next; e != kHead; e = events_[e].next)
    if (events_[e].is_return) return events_[e].position;
  return kPending;
}

// Takes the next alternative: first the operations that must come some time, then the pending ones.
bool Search::choose() {
  while (at_events_) {
    if (cursor_ == kHead || events_[cursor_].is_return) {
      at_events_ = false;
      cursor_ = 0;
      break;
    }
    const std::size_t event = cursor_, op = events_[event].op;
    cursor_ = events_[event].next;
    if (model_.read_only(ops_[op])) continue;  // illegal here, or it had been taken
    const State next = model_.step(state_, ops_[op]);
    if (next == kIllegal) continue;
    take(op, false, cursor_, next);
    return true;
  }
  const std::int64_t limit = first_return();
  while (cursor_ < pending_.size() && ops_[pending_[cursor_]].call < limit) {
    const std::size_t p = cursor_++, op = pending_[p];
    const std::size_t equal = earlier_equal_[p];
    if (taken_[op] || (equal < pending_.size() && !taken_[pending_[equal]])) continue;
    const State next = model_.step(state_, ops_[op]);
    if (next == kIllegal || next == state_) continue;  // of no use
    take(op, false, cursor_, next);
    return true;
  }
  return false;
}

bool Search::remember() {
  std::string key;
  const auto put = [&key](const auto& value) {
    key.append(reinterpret_cast<const char*>(&value), sizeof(value));
  };
  put(state_);
  put(static_cast<std::uint32_t>(prefix_));
  // Nothing that was called after the first open return can be taken.
  const std::int64_t limit = first_return();
  std::uint64_t word = 0;
  unsigned bits = 0;
  for (std::size_t r = prefix_; r < returned_.size() && ops_[returned_[r]].call < limit; ++r) {
    word |= std::uint64_t{taken_[returned_[r]] != 0} << bits;
    if (++bits == 64) {
      put(word);
      word = bits = 0;
    }
  }
  if (word != 0) put(word);
  return memo_.insert(key, used_);
}

std::vector<std::size_t> Search::order() const {
  std::vector<std::size_t> ops;
  ops.reserve(steps_.size());
  for (const auto& step : steps_) ops.push_back(step.op);
  return ops;
}

void Search::note_dead_end() {
  outcome_.placed = std::max(outcome_.placed, steps_.size());
  const std::int64_t blocked = first_return();
  if (blocked < furthest_) return;
  if (blocked > furthest_) {
    furthest_ = blocked;
    outcome_.dead_ends.clear();
    outcome_.order.clear();
    for (std::size_t e = events_[kHead].next; e != kHead; e = events_[e].next)
      if (events_[e].is_return) {
        outcome_.blocked = events_[e].op;
        break;
      }
  }
  if (!limits_.explain) return;
  if (steps_.size() > outcome_.order.size()) outcome_.order = order();
  if (outcome_.dead_ends.size() >= kDeadEndLimit) return;
  for (const auto& known : outcome_.dead_ends)
    if (known.state == state_) return;
  outcome_.dead_ends.push_back({state_, order()});
}

bool Search::out_of_budget() {
  if (memo_.bytes() > limits_.memory_bytes) {
    outcome_.reason = fmt::format("the memory budget of {} MB is used up after {} configurations",
                                  limits_.memory_bytes >> 20, memo_.size());
  } else if (checks_++ % 256 == 0 && std::chrono::steady_clock::now() >= limits_.deadline) {
    outcome_.reason =
        fmt::format("the time budget is used up after {} configurations", memo_.size());
  }
  return !outcome_.reason.empty();
}

// Moves to the next configuration that is not known, over as many dead ends as it takes. False when
// there is none, or when the budget is used up.
bool Search::advance() {
  for (;;) {
    if (!choose()) {
      note_dead_end();
    } else if (events_[kHead].next == kHead || remember()) {
      return true;
    }
    if (!backtrack() || out_of_budget()) return false;
  }
}

Outcome Search::run() {
  outcome_.verdict = Verdict::unknown;
  for (;;) {
    if (out_of_budget()) break;
    if (events_[kHead].next == kHead) {
      outcome_.verdict = Verdict::valid;
      outcome_.order = order();
      outcome_.placed = steps_.size();
      break;
    }
    if (take_eager()) continue;
    if (advance()) continue;
    if (outcome_.reason.empty()) outcome_.verdict = Verdict::invalid;
    break;
  }
  outcome_.configurations = memo_.size();
  return std::move(outcome_);
}

}  // namespace

Outcome search(const Model& model, const std::vector<Operation>& ops, const Limits& limits) {
  return Search(model, ops, limits).run();
}

bool is_linearization(const Model& model, const std::vector<Operation>& ops,
                      const std::vector<std::size_t>& order) {
  std::vector<char> taken(ops.size());
  State state = model.initial();
  std::int64_t latest_call = -1;
  for (const std::size_t i : order) {
    if (i >= ops.size() || taken[i] || ops[i].ret < latest_call) return false;
    taken[i] = 1;
    latest_call = std::max(latest_call, ops[i].call);
    state = model.step(state, ops[i]);
    if (state == kIllegal) return false;
  }
  for (std::size_t i = 0; i < ops.size(); ++i)
    if (!taken[i] && !ops[i].pending()) return false;
  return true;
}

}  // namespace gameday::linear
