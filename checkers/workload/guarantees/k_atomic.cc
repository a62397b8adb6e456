#include "checkers/workload/guarantees/k_atomic.h"

#include <algorithm>
#include <queue>

namespace gameday::guarantees {
namespace {

constexpr std::size_t kDeepest = 64;  // of a chain where k > 2, whose search branches

class Order {
 public:
  Order(const std::vector<VersionTimes>& versions, std::int64_t k, std::int64_t& steps)
      : v_(versions), k_(k), steps_(steps), end_(static_cast<std::uint32_t>(versions.size())) {
    std::sort(v_.begin(), v_.end(),
              [](const VersionTimes& a, const VersionTimes& b) { return a.written < b.written; });
    next_.resize(end_ + 1);
    before_.resize(end_ + 1);
    placed_.assign(end_, false);
    for (std::uint32_t i = 0; i <= end_; ++i) {  // a ring; end_ is before the first
      next_[i] = i == end_ ? 0 : i + 1;
      before_[i] = i == 0 ? end_ : i - 1;
    }
    by_begin_.resize(end_);
    for (std::uint32_t i = 0; i < end_; ++i) by_begin_[i] = i;
    std::sort(by_begin_.begin(), by_begin_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return v_[a].begin < v_[b].begin; });
  }

  std::optional<bool> exists() {
    for (std::size_t left = end_; left > 0;) {
      if (--steps_ < 0) return std::nullopt;
      arrive();
      const std::uint32_t v = owing_nothing();
      if (v != end_) {
        place(v);
        --left;
        continue;
      }
      if (k_ == 1) return false;
      const std::optional<std::size_t> chain = commit_chain();
      if (!chain) return std::nullopt;
      if (*chain == 0) return false;
      left -= *chain;
    }
    return true;
  }

 private:
  using Owed = std::vector<std::pair<std::int64_t, std::uint32_t>>;  // by when, which; sorted

  std::uint32_t head() const { return next_[end_]; }
  // All that must be before w are placed.
  bool may_come(std::uint32_t w) const { return w == head() || v_[w].begin < v_[head()].written; }

  void place(std::uint32_t v) {
    placed_[v] = true;
    next_[before_[v]] = next_[v];
    before_[next_[v]] = before_[v];
  }
  void take_back(std::uint32_t v) {  // in the reverse order of place()
    placed_[v] = false;
    next_[before_[v]] = v;
    before_[next_[v]] = v;
  }

  // New candidates, into a queue by s.
  void arrive() {
    for (; arrived_ < end_ && (placed_[by_begin_[arrived_]] || may_come(by_begin_[arrived_]));
         ++arrived_) {
      candidates_.push({v_[by_begin_[arrived_]].last_read, by_begin_[arrived_]});
      open_.push_back(by_begin_[arrived_]);
    }
  }

  std::uint32_t owing_nothing() {
    while (!candidates_.empty() && placed_[candidates_.top().second]) candidates_.pop();
    const std::uint32_t first = head(), second = next_[first];
    if (second == end_ || v_[first].last_read <= v_[second].written) return first;
    if (!candidates_.empty() && candidates_.top().first <= v_[first].written)
      return candidates_.top().second;
    return end_;
  }

  // What v would owe, once it is placed; nullopt: more than k-1.
  std::optional<std::vector<std::uint32_t>> owes(std::uint32_t v) {
    std::vector<std::uint32_t> all;
    for (std::uint32_t u = head(); u != end_ && v_[u].written < v_[v].last_read; u = next_[u]) {
      --steps_;
      if (u == v) continue;
      if (static_cast<std::int64_t>(all.size()) == k_ - 1) return std::nullopt;
      all.push_back(u);
    }
    return all;
  }

  // Places a chain; its length, 0: there is none, nullopt: given up. All first writes in turn, up
  // to a length that doubles, so that a long useless chain costs no more than the shortest good
  // one.
  std::optional<std::size_t> commit_chain() {
    open_.erase(
        std::remove_if(open_.begin(), open_.end(), [&](std::uint32_t v) { return placed_[v]; }),
        open_.end());
    for (std::size_t deepest = 4;; deepest *= 2) {
      bool cut = false;
      for (const std::uint32_t start : open_) {
        chain_.clear();
        const Found found =
            k_ == 2 ? follow(start, deepest) : search(start, {}, std::min(deepest, kDeepest));
        if (found == Found::yes) return chain_.size();
        cut = cut || found == Found::cut;
        if (steps_ < 0) return std::nullopt;
      }
      if (!cut) return 0;
      if (k_ > 2 && deepest >= kDeepest) return std::nullopt;
    }
  }

  enum class Found { yes, no, cut };

  // k = 2: each write owes at most one, which must be next.
  Found follow(std::uint32_t v, std::size_t deepest) {
    Found found = Found::cut;
    while (chain_.size() < deepest) {
      if (--steps_ < 0) break;
      const auto owed = may_come(v) ? owes(v) : std::nullopt;
      if (!owed) {
        found = Found::no;
        break;
      }
      place(v);
      chain_.push_back(v);
      if (owed->empty()) return Found::yes;
      v = owed->front();
    }
    undo(0);
    return found;
  }

  void undo(std::size_t to) {
    for (; chain_.size() > to; chain_.pop_back()) take_back(chain_.back());
  }

  // Any k: depth first, at most kDeepest deep.
  Found search(std::uint32_t v, Owed owed, std::size_t deepest) {
    if (--steps_ < 0 || chain_.size() == deepest) return Found::cut;
    const auto more = may_come(v) ? owes(v) : std::nullopt;
    if (!more) return Found::no;
    const auto now = static_cast<std::int64_t>(chain_.size());  // v's place
    owed.erase(
        std::remove_if(owed.begin(), owed.end(), [&](const auto& o) { return o.second == v; }),
        owed.end());
    for (const std::uint32_t u : *more)
      if (std::none_of(owed.begin(), owed.end(), [&](const auto& o) { return o.second == u; }))
        owed.emplace_back(now + k_ - 1, u);  // what was owed before is due earlier
    for (std::size_t i = 0; i < owed.size(); ++i)
      if (owed[i].first < now + 1 + static_cast<std::int64_t>(i)) return Found::no;
    place(v);
    chain_.push_back(v);
    if (owed.empty()) return Found::yes;
    Found found = Found::no;
    for (const std::uint32_t next : choices(owed, now + 1)) {
      const Found deeper = search(next, owed, deepest);
      if (deeper == Found::yes) return Found::yes;
      if (deeper == Found::cut) found = Found::cut;
      if (steps_ < 0) break;
    }
    undo(static_cast<std::size_t>(now));
    return found;
  }

  std::vector<std::uint32_t> choices(const Owed& owed, std::int64_t now) const {
    std::vector<std::uint32_t> all;
    for (const auto& [due, u] : owed) all.push_back(u);
    if (owed.back().first == now + static_cast<std::int64_t>(owed.size()) - 1)
      return all;  // no place is free
    const auto add = [&](std::uint32_t u) {
      if (!placed_[u] && std::find(all.begin(), all.end(), u) == all.end()) all.push_back(u);
    };
    for (const std::uint32_t u : open_) add(u);
    for (std::size_t i = arrived_; i < end_ && (placed_[by_begin_[i]] || may_come(by_begin_[i]));
         ++i)
      add(by_begin_[i]);
    return all;
  }

  std::vector<VersionTimes> v_;  // by f
  std::int64_t k_;
  std::int64_t& steps_;
  std::uint32_t end_;
  std::vector<std::uint32_t> next_, before_;  // of those that are not placed
  std::vector<bool> placed_;
  std::vector<std::uint32_t> by_begin_, chain_;
  std::size_t arrived_ = 0;          // so many of by_begin_ may come
  std::vector<std::uint32_t> open_;  // these of them, and some that are placed
  using Candidate = std::pair<std::int64_t, std::uint32_t>;
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates_;
};

}  // namespace

std::optional<bool> is_k_atomic(const std::vector<VersionTimes>& versions, std::int64_t k,
                                std::int64_t& steps) {
  return Order(versions, k, steps).exists();
}

std::int64_t k_of_order_by_written(std::vector<VersionTimes> versions) {
  const auto by_written = [](const VersionTimes& a, const VersionTimes& b) {
    return a.written < b.written;
  };
  std::sort(versions.begin(), versions.end(), by_written);
  std::int64_t k = 1;
  for (auto v = versions.begin(); v != versions.end(); ++v) {
    const auto last =
        std::partition_point(versions.begin(), versions.end(),
                             [&](const VersionTimes& u) { return u.written < v->last_read; });
    k = std::max<std::int64_t>(k, last - v);
  }
  return k;
}

}  // namespace gameday::guarantees
