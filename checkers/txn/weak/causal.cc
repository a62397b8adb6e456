#include <algorithm>
#include <atomic>
#include <mutex>

#include "checkers/txn/weak/visible.h"

namespace gameday::txn::weak {
namespace {

// Vector clocks are kept for this many sessions at a time, whatever their number: memory is linear,
// and the blocks are work for threads.
constexpr std::uint32_t kWidth = 32;
constexpr std::size_t kScan = 4 * kWidth;  // writers looked at one by one

using Clock = std::uint32_t;

void join(Clock* __restrict into, const Clock* __restrict from) {
  for (std::uint32_t i = 0; i < kWidth; ++i) into[i] = into[i] > from[i] ? into[i] : from[i];
}

class Causal {
 public:
  explicit Causal(Asked& asked) : asked_(asked), a_(asked.accesses), order_(asked.order) {
    writers_first_.assign(a_.keys() + 1, 0);
    for (const Node t : order_.sequence())
      for (const std::uint32_t key : a_.writes(t)) ++writers_first_[key + 1];
    for (std::size_t k = 1; k < writers_first_.size(); ++k) writers_first_[k] += writers_first_[k - 1];
    writers_.resize(writers_first_.back());
    auto next = writers_first_;
    for (std::size_t p = 0; p < order_.sequence().size(); ++p)
      for (const std::uint32_t key : a_.writes(order_.sequence()[p]))
        writers_[next[key]++] = static_cast<std::int32_t>(p);
  }

  // No writer between a reader and what it read of: the order is even a serial execution.
  bool serial() const {
    auto next = writers_first_;
    for (const Node t : order_.sequence()) {
      for (const auto& [key, from] : a_.reads(t)) {
        if (next[key] == writers_first_[key]) continue;
        if (writers_[next[key] - 1] > order_.place(from)) return false;
      }
      for (const std::uint32_t key : a_.writes(t)) ++next[key];
    }
    return true;
  }

  // Edges from writers in the sessions from `first` on, kWidth of them. False: out of time. The clocks
  // are worked out unless they are there already.
  bool block(std::uint32_t first, Column<Clock>& clocks, std::vector<Inferred>& found) {
    const auto& sequence = order_.sequence();
    const bool known = !clocks.empty();
    if (!known) clocks.resize(a_.size() * kWidth);
    auto next = writers_first_;
    for (std::size_t p = 0; p < sequence.size(); ++p) {
      if (p % 8192 == 0 && (stopped_ || asked_.limits.expired() != nullptr)) {
        stopped_ = true;
        return false;
      }
      const Node t = sequence[p];
      Clock* clock = &clocks[std::size_t{t} * kWidth];
      if (!known) advance(t, first, clocks.data(), clock);
      for (const Read& read : a_.reads(t))
        look(t, read, first, clock, next[read.key] - writers_first_[read.key], found);
      for (const std::uint32_t key : a_.writes(t)) ++next[key];
    }
    return true;
  }

 private:
  static bool inside(std::uint32_t session, std::uint32_t first) { return session - first < kWidth; }

  // What happened before t, and t itself: by session, how many transactions.
  void advance(Node t, std::uint32_t first, const Clock* clocks, Clock* clock) const {
    const auto of = [&](Node n) { return clocks + std::size_t{n} * kWidth; };
    if (a_.previous(t) != kNone)
      std::copy_n(of(a_.previous(t)), kWidth, clock);
    else
      std::fill_n(clock, kWidth, 0);
    for (const auto& [key, from] : a_.reads(t)) {
      if (from == a_.initial()) continue;
      const std::uint32_t s = a_.session(from);
      if (inside(s, first) && clock[s - first] >= a_.position(from)) continue;
      join(clock, of(from));
    }
    if (inside(a_.session(t), first)) clock[a_.session(t) - first] = a_.position(t);
  }

  // `before` writers of the key stand before the reader.
  void look(Node t, const Read& read, std::uint32_t first, const Clock* clock, std::uint64_t before,
            std::vector<Inferred>& found) {
    const std::int32_t from = order_.place(read.from);
    const std::int32_t* const list = writers_.data() + writers_first_[read.key];
    if (asked_.all) return look_by_session(t, read, first, clock, found);
    if (before == 0 || list[before - 1] <= from) return;
    if (before > kScan && list[before - kScan] > from)
      return look_by_session(t, read, first, clock, found);
    for (; before > 0 && list[before - 1] > from; --before) {
      const Node writer = order_.sequence()[static_cast<std::size_t>(list[before - 1])];
      const std::uint32_t s = a_.session(writer);
      if (inside(s, first) && clock[s - first] >= a_.position(writer))
        found.push_back({writer, read.from, t, read.key});
    }
  }

  // The last writer of each session that happened before t: those before it follow.
  void look_by_session(Node t, const Read& read, std::uint32_t first, const Clock* clock,
                       std::vector<Inferred>& found) {
    std::call_once(sorted_, [&] { sort_by_session(); });
    const auto key_begin = by_session_.begin() + static_cast<std::ptrdiff_t>(writers_first_[read.key]);
    const auto key_end = by_session_.begin() + static_cast<std::ptrdiff_t>(writers_first_[read.key + 1]);
    auto at = std::lower_bound(key_begin, key_end, std::uint64_t{first} << 32);
    while (at != key_end && inside(session_of(*at), first)) {
      const std::uint32_t s = session_of(*at);
      // The reader itself is no writer before it.
      const Clock seen = clock[s - first] - (s == a_.session(t) ? 1 : 0);
      const auto end = std::upper_bound(at, key_end, std::uint64_t{s} << 32 | seen);
      if (end != at) {
        const Node writer = a_.session_nodes(s)[static_cast<std::uint32_t>(*(end - 1)) - 1];
        if (writer != read.from && (asked_.all || order_.place(writer) > order_.place(read.from)))
          found.push_back({writer, read.from, t, read.key});
      }
      at = std::lower_bound(end, key_end, std::uint64_t{s + 1} << 32);
    }
  }

  static std::uint32_t session_of(std::uint64_t entry) { return static_cast<std::uint32_t>(entry >> 32); }

  void sort_by_session() {
    by_session_.resize(writers_.size());
    auto next = writers_first_;
    for (std::uint32_t s = 0; s < a_.sessions(); ++s)
      for (const Node t : a_.session_nodes(s))
        for (const std::uint32_t key : a_.writes(t))
          by_session_[next[key]++] = std::uint64_t{s} << 32 | a_.position(t);
  }

  Asked& asked_;
  const Accesses& a_;
  const CommitOrder& order_;
  std::vector<std::uint64_t> writers_first_;  // of each key
  Column<std::int32_t> writers_;              // places, ascending
  Column<std::uint64_t> by_session_;          // of each key: session and position, ascending
  std::once_flag sorted_;
  std::atomic<bool> stopped_ = false;
};

}  // namespace

std::vector<Inferred> infer_causal(Asked& asked) {
  Causal causal(asked);
  if (!asked.all && causal.serial()) return {};
  const std::size_t blocks = (asked.accesses.sessions() + kWidth - 1) / kWidth;
  const std::size_t bytes = asked.accesses.size() * kWidth * sizeof(Clock);
  if (bytes > asked.limits.memory_bytes) {
    asked.expired = "the memory limit is reached";
    return {};
  }
  const bool keep = blocks * bytes <= asked.limits.memory_bytes / 4;
  asked.clocks.blocks.resize(keep ? blocks : 0);
  const std::size_t parts = std::clamp<std::size_t>(
      std::min(blocks, asked.limits.memory_bytes / std::max<std::size_t>(bytes, 1)), 1,
      std::max(1u, asked.limits.threads));
  std::vector<std::vector<Inferred>> found(parts);
  std::atomic<std::size_t> next = 0;
  in_parts(parts, [&](std::size_t i) {
    for (std::size_t b; (b = next++) < blocks;) {
      Column<Clock> once;
      Column<Clock>& clocks = keep ? asked.clocks.blocks[b] : once;
      if (!causal.block(static_cast<std::uint32_t>(b) * kWidth, clocks, found[i])) return;
    }
  });
  if (next < blocks || asked.limits.expired() != nullptr) asked.expired = asked.limits.expired();
  for (std::size_t i = 1; i < parts; ++i)
    found[0].insert(found[0].end(), found[i].begin(), found[i].end());
  return std::move(found[0]);
}

}  // namespace gameday::txn::weak
