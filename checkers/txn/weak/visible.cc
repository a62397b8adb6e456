#include "checkers/txn/weak/visible.h"

#include <algorithm>
#include <exception>
#include <thread>

namespace gameday::txn::weak {
namespace {

constexpr std::size_t kFew = 32;  // reads whose pairs are cheaper than any table

// Says that `seen`, visible to the reader, commits before the transaction that it read the key of.
class Sink {
 public:
  Sink(const Asked& asked, std::vector<Inferred>& found) : asked_(asked), found_(found) {}
  bool wanted(Node seen, Node from) const {
    return seen != from && (asked_.all || asked_.order.place(seen) > asked_.order.place(from));
  }
  void add(Node seen, Node from, Node reader, std::uint32_t key) {
    if (wanted(seen, from)) found_.push_back({seen, from, reader, key});
  }

 private:
  const Asked& asked_;
  std::vector<Inferred>& found_;
};

// For each key the read of it that comes next (read committed) or any (read atomic), by stamp.
struct ByKey {
  explicit ByKey(std::size_t keys) : from(keys), stamp(keys, kNone) {}
  std::vector<Node> from, stamp;
};

// What `seen` wrote of the keys that are stamped by the reader; the cheaper of the two ways.
void join(const Accesses& a, Node seen, Node reader, const ByKey& reads,
          const std::vector<std::uint32_t>& keys, Sink& sink) {
  const auto writes = a.writes(seen);
  if (writes.size() <= keys.size()) {
    for (const std::uint32_t key : writes)
      if (reads.stamp[key] == reader) sink.add(seen, reads.from[key], reader, key);
  } else {
    for (const std::uint32_t key : keys)
      if (std::binary_search(writes.begin(), writes.end(), key))
        sink.add(seen, reads.from[key], reader, key);
  }
}

// First reads of each transaction that a reader reads of.
std::vector<bool> first_of_each(std::span<const Read> reads) {
  std::vector<std::pair<Node, std::size_t>> sorted;
  for (std::size_t i = 0; i < reads.size(); ++i) sorted.emplace_back(reads[i].from, i);
  std::sort(sorted.begin(), sorted.end());
  std::vector<bool> first(reads.size(), false);
  for (std::size_t i = 0; i < sorted.size(); ++i)
    first[sorted[i].second] = i == 0 || sorted[i - 1].first != sorted[i].first;
  return first;
}

// A reader of many: from the last read to the first, each transaction where it is first read of,
// against the next read of each key that it wrote. That further reads of the key agree follows from
// the edges between reads of one key (AWDIT, section 3.1): at most n^1.5 steps in all.
void many_read_committed(const Asked& asked, Node reader, ByKey& next, Sink& sink) {
  const auto& a = asked.accesses;
  const auto reads = a.reads(reader);
  const auto first = first_of_each(reads);
  std::vector<std::uint32_t> keys;
  for (std::size_t i = reads.size(); i-- > 0;) {
    const auto [key, from] = reads[i];
    if (first[i] && from != a.initial()) join(a, from, reader, next, keys, sink);
    if (next.stamp[key] != reader) {
      keys.push_back(key);
      next.stamp[key] = reader;
    } else if (next.from[key] != from && from != a.initial()) {
      sink.add(from, next.from[key], reader, key);  // both were read, this one before
    }
    next.from[key] = from;
  }
}

void many_read_atomic(const Asked& asked, Node reader, ByKey& any, Sink& sink) {
  const auto& a = asked.accesses;
  const auto reads = a.reads(reader);
  const auto first = first_of_each(reads);
  std::vector<std::uint32_t> keys;
  for (const auto& [key, from] : reads) {
    if (any.stamp[key] != reader) {
      keys.push_back(key);
      any.stamp[key] = reader;
      any.from[key] = from;
    } else if (any.from[key] != from) {  // not repeatable: each is visible to the other's read
      if (from != a.initial()) sink.add(from, any.from[key], reader, key);
      if (any.from[key] != a.initial()) sink.add(any.from[key], from, reader, key);
    }
  }
  for (std::size_t i = 0; i < reads.size(); ++i)
    if (first[i] && reads[i].from != a.initial()) join(a, reads[i].from, reader, any, keys, sink);
}

// Pairs of reads of one reader; `before_only`: what was read of before.
void few(const Asked& asked, Node reader, bool before_only, Sink& sink) {
  const auto& a = asked.accesses;
  const auto reads = a.reads(reader);
  for (std::size_t i = before_only ? 1 : 0; i < reads.size(); ++i) {
    for (std::size_t j = 0; j < (before_only ? i : reads.size()); ++j) {
      const Node seen = reads[j].from;
      if (seen == a.initial() || !sink.wanted(seen, reads[i].from)) continue;
      if (a.writes_key(seen, reads[i].key)) sink.add(seen, reads[i].from, reader, reads[i].key);
    }
  }
}

}  // namespace

void infer_read_committed(const Asked& asked, std::size_t from, std::size_t to,
                          std::vector<Inferred>& found) {
  const auto& a = asked.accesses;
  Sink sink(asked, found);
  ByKey next(0);
  for (auto reader = static_cast<Node>(from); reader < to; ++reader) {
    if (a.reads(reader).size() <= kFew) {
      few(asked, reader, true, sink);
      continue;
    }
    if (next.from.empty()) next = ByKey(a.keys());
    many_read_committed(asked, reader, next, sink);
  }
}

// From and to are sessions: the last writer of each key in the session goes along.
void infer_read_atomic(const Asked& asked, std::size_t from, std::size_t to,
                       std::vector<Inferred>& found) {
  const auto& a = asked.accesses;
  Sink sink(asked, found);
  ByKey any(0);
  ByKey last(a.keys());  // stamped by the session
  for (auto s = static_cast<std::uint32_t>(from); s < to; ++s) {
    for (const Node reader : a.session_nodes(s)) {
      for (const auto& [key, writer] : a.reads(reader))
        if (last.stamp[key] == s) sink.add(last.from[key], writer, reader, key);
      if (a.reads(reader).size() <= kFew) {
        few(asked, reader, false, sink);
      } else {
        if (any.from.empty()) any = ByKey(a.keys());
        many_read_atomic(asked, reader, any, sink);
      }
      for (const std::uint32_t key : a.writes(reader)) {
        last.stamp[key] = s;
        last.from[key] = reader;
      }
    }
  }
}

void in_parts(std::size_t parts, const std::function<void(std::size_t)>& work) {
  std::vector<std::exception_ptr> thrown(parts);
  const auto guarded = [&](std::size_t i) {
    try {
      work(i);
    } catch (...) {
      thrown[i] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < parts; ++i) threads.emplace_back(guarded, i);
  guarded(0);
  for (auto& thread : threads) thread.join();
  for (const auto& one : thrown)
    if (one) std::rethrow_exception(one);
}

std::vector<Inferred> infer(Level level, Asked& asked) {
  if (level == Level::causal) return infer_causal(asked);
  const auto one = level == Level::read_committed ? infer_read_committed : infer_read_atomic;
  const std::size_t size =
      level == Level::read_committed ? asked.accesses.size() : asked.accesses.sessions();
  const std::size_t parts = size < 2 ? 1 : std::clamp<std::size_t>(asked.limits.threads, 1, 8);
  std::vector<std::vector<Inferred>> found(parts);
  in_parts(parts, [&](std::size_t i) {
    one(asked, size * i / parts, size * (i + 1) / parts, found[i]);
  });
  for (std::size_t i = 1; i < parts; ++i)
    found[0].insert(found[0].end(), found[i].begin(), found[i].end());
  asked.expired = asked.limits.expired();
  return std::move(found[0]);
}

}  // namespace gameday::txn::weak
