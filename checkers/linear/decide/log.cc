// An append-only log of different values. The longest read gives its values their positions, every
// other read is a beginning of it, and what was answered with a position has that one; so all that
// has a position or saw the log stands in one order, and real time may not contradict it: nothing
// returned before something earlier in the order was called.
//
// What is left are appends without a position that nobody saw, which take the positions that
// nothing known has, or come after all that is known. By its interval such an append can take a
// range of those gaps: two of them that real time orders the other way can swap places, so they do
// not hinder each other otherwise. All gaps must be filled, and all appends that returned have a
// place; a pending one may be left out. By Mendelsohn and Dulmage ("Some generalizations of the
// problem of distinct representatives", Canad. J. Math. 10, 1958) one matching does both if for
// each of these there is one, and for ranges the earliest deadline first finds it (Glover, "Maximum
// matching in a convex bipartite graph", Naval Res. Logist. Quart. 14, 1967).
//
// Time: O(n log n + all that was read).
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <queue>

#include "checkers/linear/decide/dense.h"

namespace gameday::linear {
namespace {

// An append without a position, and the gaps that it can fill: from `first` up to before `end`. The
// one after the last gap stands for the end of the log.
struct Loose {
  std::size_t op, first, end;
};

// A position that nothing known has: between the last call of what is before it and the first
// return of what is after it.
struct Gap {
  std::size_t position;
  std::size_t called_before;  // operations; kNone if there is none before
  std::size_t returned_after;
};

class LogDecision {
 public:
  LogDecision(const DenseOps& dense, std::span<const Operation> ops, const Lists& lists)
      : dense_(dense), ops_(ops), lists_(lists), append_(dense.values(), kNone) {}
  Decision decide();

 private:
  bool collect();
  bool place_longest_read();
  bool reads_agree();
  bool places_agree();
  bool order_agrees();
  bool in_time(std::span<const std::size_t> block);
  void find_gaps();
  bool gaps_filled();
  bool acknowledged_placed();
  std::vector<Loose> loose(bool with_pending) const;
  bool crowded_out(const Loose& late, const std::vector<Loose>& all);

  std::span<const std::int32_t> list(std::size_t read) const { return lists_.of(ops_[read].b); }
  std::size_t append_of(std::int32_t value) const {
    const std::int32_t number = dense_.number(value);
    return number >= 0 && index_of(number) < append_.size() ? append_[index_of(number)] : kNone;
  }
  std::string words(std::size_t op) const;
  bool conflict(std::vector<std::size_t> ops, std::string why);

  const DenseOps& dense_;  // numbers values; elsewhere b is no value
  std::span<const Operation> ops_;
  const Lists& lists_;
  Decision result_;
  std::vector<std::size_t> append_;  // by value
  std::vector<std::size_t> reads_;   // of which the answer is known, by size
  std::size_t longest_ = kNone;      // a read
  std::size_t seen_ = 0;             // how much of the log was read
  // What has a position by the longest read; then (position, append) of what was answered with a
  // later one, ascending.
  std::vector<std::size_t> prefix_;
  std::vector<std::pair<std::size_t, std::size_t>> tail_;
  std::vector<std::size_t> unplaced_;  // appends without a position that nobody read
  std::vector<Gap> gaps_;
  std::size_t called_ = kNone;  // the last called of what the order has so far
};

Decision LogDecision::decide() {
  if (!collect()) return {};
  result_.applies = true;
  bool valid = place_longest_read() && reads_agree() && places_agree() && order_agrees();
  if (valid) {
    find_gaps();
    valid = gaps_filled() && acknowledged_placed();
  }
  result_.verdict = valid ? Verdict::valid : Verdict::invalid;
  return std::move(result_);
}

bool LogDecision::collect() {
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (op.kind == kind::append) {
      if (op.a < 0) return false;
      std::size_t& append = append_[index_of(dense_.number(op.a))];
      if (append != kNone) return false;
      append = i;
    } else if (!op.pending() && op.b >= 0) {
      reads_.push_back(i);
    }
  }
  std::sort(reads_.begin(), reads_.end(), [&](std::size_t x, std::size_t y) {
    return std::pair(list(x).size(), x) < std::pair(list(y).size(), y);
  });
  if (reads_.empty()) return true;
  longest_ = reads_.back();
  seen_ = list(longest_).size();
  return true;
}

bool LogDecision::place_longest_read() {
  std::vector<std::size_t> position(append_.size(), kNone);
  for (std::size_t i = 0; i < seen_; ++i) {
    const std::int32_t value = list(longest_)[i];
    const std::size_t append = append_of(value);
    if (append == kNone)
      return conflict({longest_},
                      fmt::format("#{} read {}, which nobody appended", longest_, value));
    std::size_t& at = position[index_of(dense_.number(value))];
    if (at != kNone)
      return conflict({longest_, append}, fmt::format("#{} read {} twice", longest_, value));
    at = i;
    prefix_.push_back(append);
  }
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (op.kind != kind::append) continue;
    const std::size_t at = position[index_of(dense_.number(op.a))];
    const bool answered = !op.pending() && op.b >= 0;
    if (at == kNone && answered) {
      tail_.emplace_back(index_of(op.b), i);
    } else if (at == kNone) {
      unplaced_.push_back(i);
    } else if (answered && at != index_of(op.b)) {
      return conflict({i, longest_},
                      fmt::format("{}, but #{} read it at {}", words(i), longest_, at));
    }
  }
  return true;
}

bool LogDecision::reads_agree() {
  const auto all = reads_.empty() ? std::span<const std::int32_t>() : list(longest_);
  for (const std::size_t read : reads_) {
    const auto part = list(read);
    const auto [here, there] = std::mismatch(part.begin(), part.end(), all.begin());
    if (here == part.end()) continue;
    return conflict({read, longest_},
                    fmt::format("#{} read {} at position {}, and #{} read {} there", read, *here,
                                here - part.begin(), longest_, *there));
  }
  return true;
}

bool LogDecision::places_agree() {
  std::sort(tail_.begin(), tail_.end());
  if (!tail_.empty() && tail_.front().first < seen_) {
    const auto [position, append] = tail_.front();
    return conflict({append, longest_}, fmt::format("{}, but #{} read {} there", words(append),
                                                    longest_, list(longest_)[position]));
  }
  for (std::size_t i = 1; i < tail_.size(); ++i)
    if (tail_[i].first == tail_[i - 1].first)
      return conflict({tail_[i - 1].second, tail_[i].second},
                      words(tail_[i - 1].second) + ", and " + words(tail_[i].second));
  return true;
}

// All that is known, in its order: reads of nothing, the first append, reads of that, and so on.
bool LogDecision::order_agrees() {
  std::size_t read = 0;
  for (std::size_t i = 0; i <= seen_; ++i) {
    const std::size_t first = read;
    while (read < reads_.size() && list(reads_[read]).size() == i) ++read;
    if (!in_time(std::span(reads_).subspan(first, read - first))) return false;
    if (i < seen_ && !in_time(std::span(prefix_).subspan(i, 1))) return false;
  }
  return std::all_of(tail_.begin(), tail_.end(),
                     [&](const auto& append) { return in_time(std::span(&append.second, 1)); });
}

bool LogDecision::in_time(std::span<const std::size_t> block) {
  for (const std::size_t i : block) {
    if (called_ == kNone || ops_[i].ret > ops_[called_].call) continue;
    std::vector<std::size_t> ops{i, called_};
    const bool read =
        ops_[i].kind == kind::append && ops_[called_].kind == kind::append && longest_ != kNone;
    if (read) ops.push_back(longest_);
    return conflict(ops, fmt::format("{} before {}, but the log has them the other way around",
                                     words(i), words(called_)));
  }
  for (const std::size_t i : block)
    if (called_ == kNone || ops_[i].call > ops_[called_].call) called_ = i;
  return true;
}

void LogDecision::find_gaps() {
  std::size_t called = kNone;
  const auto later = [&](std::size_t op) {
    if (called == kNone || ops_[op].call > ops_[called].call) called = op;
  };
  for (const std::size_t op : prefix_) later(op);
  for (const std::size_t op : reads_) later(op);
  std::size_t position = seen_;
  for (const auto& [at, append] : tail_) {
    // More gaps than there is anything for will not be filled anyway.
    for (; position < at && gaps_.size() <= unplaced_.size(); ++position)
      gaps_.push_back({position, called, append});
    position = at + 1;
    later(append);
  }
  std::size_t returned = kNone;
  for (std::size_t i = gaps_.size(), k = tail_.size(); i-- > 0;) {
    for (; k > 0 && tail_[k - 1].first > gaps_[i].position; --k)
      if (returned == kNone || ops_[tail_[k - 1].second].ret < ops_[returned].ret)
        returned = tail_[k - 1].second;
    gaps_[i].returned_after = returned;
  }
}

// Ordered by the first gap.
std::vector<Loose> LogDecision::loose(bool with_pending) const {
  std::vector<Loose> all;
  for (const std::size_t i : unplaced_) {
    const Operation& op = ops_[i];
    if (op.pending() && !with_pending) continue;
    const auto first = std::partition_point(gaps_.begin(), gaps_.end(), [&](const Gap& gap) {
      return ops_[gap.returned_after].ret < op.call;
    });
    const auto end = std::partition_point(gaps_.begin(), gaps_.end(), [&](const Gap& gap) {
      return gap.called_before == kNone || ops_[gap.called_before].call < op.ret;
    });
    const bool last = end == gaps_.end() && (called_ == kNone || ops_[called_].call < op.ret);
    all.push_back({i, index_of(first - gaps_.begin()), index_of(end - gaps_.begin()) + last});
  }
  std::sort(all.begin(), all.end(),
            [](const Loose& x, const Loose& y) { return x.first < y.first; });
  return all;
}

// The appends that can fill some gap, the one that has the fewest gaps left first.
class Waiting {
 public:
  explicit Waiting(const std::vector<Loose>& all) : all_(all) {}
  void reach(std::size_t gap) {
    for (; next_ < all_.size() && all_[next_].first <= gap; ++next_)
      heap_.push({all_[next_].end, next_});
  }
  bool empty() const { return heap_.empty(); }
  const Loose& top() const { return all_[heap_.top().second]; }
  void pop() { heap_.pop(); }

 private:
  using Entry = std::pair<std::size_t, std::size_t>;
  const std::vector<Loose>& all_;
  std::size_t next_ = 0;
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> heap_;
};

bool LogDecision::gaps_filled() {
  if (gaps_.empty()) return true;
  const auto all = loose(true);
  Waiting waiting(all);
  for (std::size_t gap = 0; gap < gaps_.size(); ++gap) {
    waiting.reach(gap);
    while (!waiting.empty() && waiting.top().end <= gap) waiting.pop();
    if (waiting.empty()) {
      const std::size_t position = gaps_[gap].position;
      const auto after = std::upper_bound(tail_.begin(), tail_.end(), std::pair(position, kNone));
      return conflict({after->second}, fmt::format("{}, but no append can be the one at {}",
                                                   words(after->second), position));
    }
    waiting.pop();
  }
  return true;
}

bool LogDecision::acknowledged_placed() {
  const auto all = loose(false);
  Waiting waiting(all);
  for (std::size_t gap = 0; gap < gaps_.size(); ++gap) {
    waiting.reach(gap);
    if (waiting.empty()) continue;
    if (waiting.top().end <= gap) return crowded_out(waiting.top(), all);
    waiting.pop();
  }
  waiting.reach(gaps_.size());
  return waiting.empty() || waiting.top().end > gaps_.size() || crowded_out(waiting.top(), all);
}

// `late` and all that must have a place as early are before something known, and there is no room
// for them: all places before that one go with the conflict, or so few that they are not enough.
bool LogDecision::crowded_out(const Loose& late, const std::vector<Loose>& all) {
  const std::size_t bound = late.end < gaps_.size() ? gaps_[late.end].called_before : called_;
  const std::string why =
      fmt::format("{} before {}, which has no place for it before", words(late.op), words(bound));
  if (ops_[bound].kind == kind::read_log) return conflict({late.op, bound}, why);
  std::vector<std::size_t> ops{bound};
  if (longest_ != kNone) ops.push_back(longest_);
  std::size_t before = 0;
  for (const Loose& other : all) {
    if (other.end > late.end) continue;
    ops.push_back(other.op);
    ++before;
  }
  const auto at = std::find_if(tail_.begin(), tail_.end(),
                               [&](const auto& append) { return append.second == bound; });
  if (at == tail_.end()) return conflict(ops, why);
  constexpr std::size_t kEnough = 32;
  const auto add = [&](std::size_t op) {
    if (ops.size() >= kEnough && before != at->first) return;
    ops.push_back(op);
    ++before;
  };
  for (auto lower = at; lower != tail_.begin();) add((--lower)->second);
  for (const std::size_t op : prefix_) add(op);
  return conflict(ops, why);
}

std::string LogDecision::words(std::size_t op) const {
  const Operation& o = ops_[op];
  if (o.kind == kind::read_log) return fmt::format("#{} read a log of {}", op, list(op).size());
  if (o.pending() || o.b < 0) return fmt::format("#{} appended {}", op, o.a);
  return fmt::format("#{} appended {} at position {}", op, o.a, o.b);
}

bool LogDecision::conflict(std::vector<std::size_t> ops, std::string why) {
  std::sort(ops.begin(), ops.end());
  ops.erase(std::unique(ops.begin(), ops.end()), ops.end());
  result_.conflict = std::move(ops);
  result_.why = std::move(why);
  return false;
}

}  // namespace

Decision decide_log(std::span<const Operation> ops, const Lists& lists) {
  const DenseOps dense(ops, DenseOps::values_only);
  return LogDecision(dense, ops, lists).decide();
}

}  // namespace gameday::linear
