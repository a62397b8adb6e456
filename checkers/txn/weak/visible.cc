#include "checkers/txn/weak/visible.h"

#include <algorithm>
#include <array>

namespace gameday::txn::weak {
namespace {

constexpr std::size_t kFew = 32;  // reads whose pairs are cheaper than any table
constexpr std::size_t kAlone = 4096;  // transactions that are not worth a second thread

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

// Pairs of reads of one reader, of kFew at most; `before_only`: what was read of before.
void few(const Asked& asked, Node reader, bool before_only, Sink& sink) {
  const auto& a = asked.accesses;
  const auto reads = a.reads(reader);
  std::array<std::int32_t, kFew> places;
  for (std::size_t i = 0; i < reads.size(); ++i) places[i] = asked.order.place(reads[i].from);
  for (std::size_t i = before_only ? 1 : 0; i < reads.size(); ++i) {
    for (std::size_t j = 0; j < (before_only ? i : reads.size()); ++j) {
      if (places[j] <= places[i] && !asked.all) continue;
      const Node seen = reads[j].from;
      if (seen == a.initial() || seen == reads[i].from) continue;
      if (a.writes_key(seen, reads[i].key)) sink.add(seen, reads[i].from, reader, reads[i].key);
    }
  }
}

// The last writer of each key in each session, as transactions go by.
class LastWriters {
 public:
  explicit LastWriters(const Accesses& a) : keys_(a.keys()), rows_(a.sessions(), kNone) {
    for (std::uint32_t s = 0; s < a.sessions(); ++s)
      if (a.session_nodes(s).size() > 1) rows_[s] = count_++;
  }
  std::size_t size() const { return count_ * keys_; }
  void clear() { writers_.assign(size(), kNone); }
  // nullptr: the session has a single transaction, which nothing in it comes before.
  Node* of(std::uint32_t session) {
    return rows_[session] == kNone ? nullptr : &writers_[rows_[session] * keys_];
  }

 private:
  std::size_t keys_;
  std::vector<std::uint32_t> rows_;
  std::uint32_t count_ = 0;
  Column<Node> writers_;
};

void see_read_of(const Asked& asked, Node reader, ByKey& any, Sink& sink) {
  if (asked.accesses.reads(reader).size() <= kFew) return few(asked, reader, false, sink);
  if (any.from.empty()) any = ByKey(asked.accesses.keys());
  many_read_atomic(asked, reader, any, sink);
}

// In the order of invocations: what transactions read of is close to them there, in memory, too.
void see_all_sessions(const Asked& asked, LastWriters& last, std::size_t part, std::size_t parts,
                      Sink& sink) {
  const auto& a = asked.accesses;
  ByKey any(0);
  last.clear();
  const auto first = static_cast<Node>(a.size() * part / parts);
  const auto end = static_cast<Node>(a.size() * (part + 1) / parts);
  for (Node reader = 0; reader < end; ++reader) {
    if (!a.live(reader)) continue;
    Node* const mine = last.of(a.session(reader));
    if (reader >= first) {
      if (mine != nullptr)
        for (const auto& [key, writer] : a.reads(reader))
          if (mine[key] != kNone) sink.add(mine[key], writer, reader, key);
      see_read_of(asked, reader, any, sink);
    }
    if (mine != nullptr)
      for (const std::uint32_t key : a.writes(reader)) mine[key] = reader;
  }
}

// Session by session, where a table of all is too large.
void see_sessions(const Asked& asked, std::size_t from, std::size_t to, Sink& sink) {
  const auto& a = asked.accesses;
  ByKey any(0);
  ByKey last(a.keys());  // stamped by the session
  for (auto s = static_cast<std::uint32_t>(from); s < to; ++s) {
    for (const Node reader : a.session_nodes(s)) {
      for (const auto& [key, writer] : a.reads(reader))
        if (last.stamp[key] == s) sink.add(last.from[key], writer, reader, key);
      see_read_of(asked, reader, any, sink);
      for (const std::uint32_t key : a.writes(reader)) {
        last.stamp[key] = s;
        last.from[key] = reader;
      }
    }
  }
}

}  // namespace

void infer_read_committed(const Asked& asked, std::size_t part, std::size_t parts,
                          std::vector<Inferred>& found) {
  const auto& a = asked.accesses;
  Sink sink(asked, found);
  ByKey next(0);
  const auto end = static_cast<Node>(a.size() * (part + 1) / parts);
  for (auto reader = static_cast<Node>(a.size() * part / parts); reader < end; ++reader) {
    if (a.reads(reader).size() <= kFew) {
      few(asked, reader, true, sink);
      continue;
    }
    if (next.from.empty()) next = ByKey(a.keys());
    many_read_committed(asked, reader, next, sink);
  }
}

void infer_read_atomic(const Asked& asked, std::size_t part, std::size_t parts,
                       std::vector<Inferred>& found) {
  Sink sink(asked, found);
  LastWriters last(asked.accesses);
  if (last.size() <= asked.accesses.size()) return see_all_sessions(asked, last, part, parts, sink);
  const std::size_t sessions = asked.accesses.sessions();
  see_sessions(asked, sessions * part / parts, sessions * (part + 1) / parts, sink);
}

std::vector<Inferred> infer(Level level, Asked& asked) {
  if (level == Level::causal) return infer_causal(asked);
  const auto one = level == Level::read_committed ? infer_read_committed : infer_read_atomic;
  const std::size_t parts =
      asked.accesses.size() < kAlone ? 1 : std::clamp<std::size_t>(asked.limits.threads, 1, 8);
  std::vector<std::vector<Inferred>> found(parts);
  in_parts(parts, [&](std::size_t i) { one(asked, i, parts, found[i]); });
  for (std::size_t i = 1; i < parts; ++i)
    found[0].insert(found[0].end(), found[i].begin(), found[i].end());
  asked.expired = asked.limits.expired();
  return std::move(found[0]);
}

}  // namespace gameday::txn::weak
