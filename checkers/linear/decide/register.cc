// Gibbons and Korach, "Testing shared memories" (SIAM J. Comput. 26(4), 1997, §4), in the words of
// zones as Golab, Li and Shah have them ("Analyzing consistency properties for fun and profit",
// PODC 2011, §3). A value's cluster is its write and its reads; its zone lies between f, the first
// return of the cluster, and s, its last call. A forward zone (f < s) is where the value must be in
// the register all along; a backward one (s < f) may shrink to any point of it. Linearizable iff no
// forward zones overlap and no backward zone lies inside a forward one.
//
// Compare-and-set is added here: it ties the value it saw and the value it wrote together, so that
// a chain of them is one block that nothing may interrupt, with one zone.
//
// Time: O(n) where positions are dense, else O(n log n) in the count of values; memory O(values).
#include <fmt/format.h>

#include <algorithm>

#include "checkers/linear/decide/dense.h"

namespace gameday::linear {
namespace {

struct Cluster {
  std::int64_t first_return = kPending;  // f, of writer and readers
  std::int64_t last_call = -1;           // s
  std::int64_t written = -1;             // call of the writer; -1 while there is none
};

// What chains of compare-and-set need besides; only filled when there is one.
struct Link {
  std::size_t writer = kNone, next = kNone;  // next: the cas that took the value away
  std::int64_t first_read = kPending, last_read = -1;
};

class RegisterDecision {
 public:
  RegisterDecision(const DenseOps& dense, std::span<const Operation> original, std::int32_t initial)
      : ops_(dense.ops()),
        original_(original),
        initial_(slot(dense.number(initial))),
        slots_(dense.values() + 1),
        positions_(dense.positions()) {}
  Decision decide();

 private:
  // nil is a value like any other.
  static std::size_t slot(std::int32_t value) { return index_of(std::int64_t{value} + 1); }

  bool supported();
  bool build();
  bool see(std::int32_t value, const Operation& op);
  bool clusters_agree();
  bool build_chains();
  bool link();
  bool follow(std::size_t root);
  bool zones_agree();
  bool sweep_by_position();
  bool sweep_sorted();
  bool place(std::size_t zone);

  std::size_t writer_of(std::size_t slot) const;
  std::size_t root_of(std::size_t slot) const;
  std::vector<std::size_t> zone_ops(std::size_t root) const;
  void add_with_sources(std::vector<std::size_t>& ops, std::size_t op) const;
  std::string words(std::size_t op) const;
  bool conflict(std::vector<std::size_t> ops, std::string why);
  bool clash(std::size_t outer, std::size_t inner);

  std::span<const Operation> ops_;
  std::span<const Operation> original_;  // with the caller's values, for words
  std::size_t initial_, slots_, positions_;
  Decision result_;
  bool chained_ = false;           // there is a cas
  std::vector<Cluster> clusters_;  // by slot
  std::vector<Link> links_;        // by slot, with chains only
  // By op, with chains only: itself if it returned, else who saw its value; none: it may be left
  // out.
  std::vector<std::size_t> needed_by_;
  std::vector<std::size_t> root_;  // by slot, with chains only: where its chain begins
  std::size_t around_ = kNone;     // the sweep's last forward zone
  std::int64_t around_end_ = -1;
};

Decision RegisterDecision::decide() {
  result_.applies = supported() && build();
  if (!result_.applies) return std::move(result_);
  const bool valid = (chained_ ? build_chains() : clusters_agree()) && zones_agree();
  result_.verdict = valid ? Verdict::valid : Verdict::invalid;
  return std::move(result_);
}

// What is written must be known.
bool RegisterDecision::supported() {
  clusters_.resize(std::max(slots_, initial_ + 1));
  for (const auto& op : ops_) {
    if (op.kind == kind::read) continue;
    if (op.a < kNil || (op.kind == kind::cas && op.b < kNil)) return false;
    chained_ |= op.kind == kind::cas;
  }
  return true;
}

// One pass over the operations. Pending reads say nothing; a pending write has no return yet.
bool RegisterDecision::build() {
  clusters_[initial_].written = 0;
  clusters_[initial_].first_return = -1;  // it was written before everything
  const auto write = [&](std::int32_t written, const Operation& op) {
    Cluster& cluster = clusters_[slot(written)];
    if (cluster.written >= 0) return false;
    cluster.written = op.call;
    cluster.first_return = std::min(cluster.first_return, op.ret);
    cluster.last_call = std::max(cluster.last_call, op.call);
    return true;
  };
  for (const auto& op : ops_) {
    if (op.kind == kind::read) {
      if (op.pending() || op.b == kUnknown) continue;
      Cluster& cluster = clusters_[slot(op.b)];
      cluster.first_return = std::min(cluster.first_return, op.ret);
      cluster.last_call = std::max(cluster.last_call, op.call);
    } else if (!write(op.kind == kind::write ? op.a : op.b, op)) {
      return false;
    }
  }
  return true;
}

// A cluster of which nothing returned is a pending write that nobody saw: it need not have
// happened.
bool RegisterDecision::clusters_agree() {
  for (std::size_t i = 0; i < clusters_.size(); ++i) {
    const Cluster& cluster = clusters_[i];
    if (i == initial_ || cluster.first_return == kPending) continue;
    if (cluster.written >= 0 && cluster.written < cluster.first_return) continue;
    for (std::size_t op = 0; op < ops_.size(); ++op) {
      if (ops_[op].kind != kind::read || slot(ops_[op].b) != i) continue;
      if (ops_[op].pending() || ops_[op].ret != cluster.first_return) continue;
      const std::size_t writer = writer_of(i);
      if (writer == kNone) return conflict({op}, words(op) + ", which nobody wrote");
      return conflict({op, writer}, fmt::format("{} before {}", words(op), words(writer)));
    }
  }
  return true;
}

// The chains of compare-and-set, each a block with one zone that is kept in its root's cluster.
bool RegisterDecision::build_chains() {
  if (!link()) return false;
  root_.assign(clusters_.size(), kNone);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    const std::size_t writer = links_[i].writer;
    const bool root = i == initial_ || (writer != kNone && ops_[writer].kind == kind::write);
    if (root && !follow(i)) return false;
  }
  // What is left hangs on no write: compare-and-sets that form a circle.
  std::vector<std::size_t> circle;
  for (std::size_t i = 0; i < links_.size(); ++i)
    if (root_[i] == kNone && links_[i].writer != kNone) circle.push_back(links_[i].writer);
  if (circle.empty()) return true;
  return conflict(circle, fmt::format("{}: none of them can be the first", words(circle.front())));
}

bool RegisterDecision::link() {
  links_.resize(clusters_.size());
  needed_by_.assign(ops_.size(), kNone);
  std::vector<std::size_t> writer(clusters_.size(), kNone), todo;
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (op.kind != kind::read) writer[slot(op.kind == kind::write ? op.a : op.b)] = i;
    if (!op.pending() && !(op.kind == kind::read && op.b == kUnknown)) todo.push_back(i);
  }
  for (const std::size_t i : todo) needed_by_[i] = i;
  while (!todo.empty()) {
    const std::size_t i = todo.back();
    const Operation& op = ops_[i];
    todo.pop_back();
    if (op.kind == kind::write) continue;
    const std::size_t source = writer[slot(op.kind == kind::read ? op.b : op.a)];
    if (source == kNone || needed_by_[source] != kNone) continue;
    needed_by_[source] = i;
    todo.push_back(source);
  }
  for (std::size_t i = 0; i < links_.size(); ++i)
    if (writer[i] != kNone && needed_by_[writer[i]] != kNone) links_[i].writer = writer[i];
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (needed_by_[i] == kNone || op.kind == kind::write) continue;
    const std::size_t seen = slot(op.kind == kind::read ? op.b : op.a);
    Link& from = links_[seen];
    if (seen != initial_ && from.writer == kNone)
      return conflict({i}, words(i) + ", which nobody wrote");
    if (op.kind == kind::read) {
      from.first_read = std::min(from.first_read, op.ret);
      from.last_read = std::max(from.last_read, op.call);
    } else if (from.next == kNone) {
      from.next = i;
    } else {
      std::vector<std::size_t> ops{from.next, i};
      const std::string why =
          words(from.next) + " and " + words(i) + ", but it was there only once";
      return conflict(ops, why);
    }
  }
  return true;
}

// Walks a chain in the only order that it can have, and checks that real time allows it.
bool RegisterDecision::follow(std::size_t root) {
  std::int64_t first_return = root == initial_ ? -1 : kPending, last_call = -1;
  for (std::size_t at = root;;) {
    root_[at] = root;
    const Link& link = links_[at];
    bool agrees = true;
    if (link.writer != kNone) {
      const Operation& op = ops_[link.writer];
      agrees = op.ret > last_call;
      if (root != initial_) first_return = std::min(first_return, op.ret);
      last_call = std::max(last_call, op.call);
    }
    agrees = agrees && link.first_read > last_call;
    if (root != initial_) first_return = std::min(first_return, link.first_read);
    last_call = std::max(last_call, link.last_read);
    if (!agrees) {
      auto ops = zone_ops(root);
      return conflict(ops, words(ops.front()) +
                               ": what was made of that value by compare-and-set "
                               "was seen in another order than it was made in");
    }
    if (link.next == kNone) break;
    at = slot(ops_[link.next].b);
  }
  clusters_[root].first_return = first_return;
  clusters_[root].last_call = last_call;
  return true;
}

// Zones in the order of where they begin: forward ones at f, backward ones at s.
bool RegisterDecision::zones_agree() {
  const bool dense = positions_ <= 8 * ops_.size() + 1024;
  return dense ? sweep_by_position() : sweep_sorted();
}

bool RegisterDecision::place(std::size_t zone) {
  const Cluster& cluster = clusters_[zone];
  if (cluster.first_return < cluster.last_call) {
    if (cluster.first_return < around_end_) return clash(around_, zone);
    around_ = zone;
    around_end_ = cluster.last_call;
    return true;
  }
  return cluster.first_return > around_end_ || clash(around_, zone);
}

bool RegisterDecision::sweep_by_position() {
  std::vector<std::uint32_t> zone_at(positions_, kNoOp);
  for (std::size_t i = 0; i < clusters_.size(); ++i) {
    const Cluster& cluster = clusters_[i];
    const bool chained = chained_ && root_[i] != i;
    if (i == initial_ || cluster.first_return == kPending || chained) continue;
    zone_at[index_of(std::min(cluster.first_return, cluster.last_call))] =
        static_cast<std::uint32_t>(i);
  }
  if (clusters_[initial_].last_call >= 0 && !place(initial_)) return false;
  for (const std::uint32_t zone : zone_at)
    if (zone != kNoOp && !place(zone)) return false;
  return true;
}

bool RegisterDecision::sweep_sorted() {
  std::vector<std::pair<std::int64_t, std::size_t>> zones;
  for (std::size_t i = 0; i < clusters_.size(); ++i) {
    const Cluster& cluster = clusters_[i];
    const bool chained = chained_ && root_[i] != i;
    const bool unused = cluster.last_call < 0 || cluster.first_return == kPending;
    if (!unused && !chained)
      zones.emplace_back(std::min(cluster.first_return, cluster.last_call), i);
  }
  std::sort(zones.begin(), zones.end());
  return std::all_of(zones.begin(), zones.end(), [&](const auto& z) { return place(z.second); });
}

// From here on: words for a conflict, found again by looking through the operations.

std::size_t RegisterDecision::writer_of(std::size_t wanted) const {
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (op.kind != kind::read && slot(op.kind == kind::write ? op.a : op.b) == wanted) return i;
  }
  return kNone;
}

std::size_t RegisterDecision::root_of(std::size_t at) const { return chained_ ? root_[at] : at; }

// What a zone stands on: with chains all writers of the block, and the first to return and the last
// called; and for a pending writer somebody who saw its value is among them or its chain's end.
std::vector<std::size_t> RegisterDecision::zone_ops(std::size_t root) const {
  std::vector<std::size_t> ops;
  const Cluster& zone = clusters_[root];
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const Operation& op = ops_[i];
    if (op.kind == kind::read && (op.pending() || op.b == kUnknown)) continue;
    const std::size_t at = slot(op.kind == kind::read    ? op.b
                                : op.kind == kind::write ? op.a
                                                         : op.b);
    if (root_of(at) != root) continue;
    const bool writer = op.kind != kind::read && (!chained_ || needed_by_[i] != kNone);
    const bool reader = op.kind == kind::read && chained_;
    const bool edge = op.ret == zone.first_return || op.call == zone.last_call;
    if (writer || reader || edge) ops.push_back(i);
  }
  return ops;
}

void RegisterDecision::add_with_sources(std::vector<std::size_t>& ops, std::size_t op) const {
  const auto add = [&](std::size_t i) {
    if (i != kNone && std::find(ops.begin(), ops.end(), i) == ops.end()) ops.push_back(i);
  };
  if (ops_[op].kind == kind::cas) add(links_[slot(ops_[op].a)].writer);
  add(needed_by_[op]);  // a pending writer happened only because of who saw what it wrote
}

std::string RegisterDecision::words(std::size_t op) const {
  const auto name = [](std::int32_t v) { return v == kNil ? "nil" : fmt::format("{}", v); };
  const Operation& o = original_[op];
  if (o.kind == kind::read) return fmt::format("#{} read {}", op, name(o.b));
  if (o.kind == kind::write) return fmt::format("#{} wrote {}", op, name(o.a));
  return fmt::format("#{} replaced {} by {}", op, name(o.a), name(o.b));
}

bool RegisterDecision::conflict(std::vector<std::size_t> ops, std::string why) {
  for (std::size_t i = 0; chained_ && i < ops.size(); ++i) add_with_sources(ops, ops[i]);
  result_.conflict = std::move(ops);
  result_.why = std::move(why);
  return false;
}

bool RegisterDecision::clash(std::size_t outer, std::size_t inner) {
  auto ops = zone_ops(outer);
  const auto more = zone_ops(inner);
  ops.insert(ops.end(), more.begin(), more.end());
  const auto edge = [&](bool call, std::int64_t position) {
    for (const std::size_t i : ops)
      if ((call ? ops_[i].call : ops_[i].ret) == position) return words(i);
    return std::string("the initial value was there");
  };
  const Cluster &x = clusters_[outer], &y = clusters_[inner];
  return conflict(
      ops, fmt::format("{} before {}, and {} before {}: neither value can be the earlier one",
                       edge(false, x.first_return), edge(true, y.last_call),
                       edge(false, y.first_return), edge(true, x.last_call)));
}

}  // namespace

Decision decide_register(std::span<const Operation> ops, std::int32_t initial) {
  if (initial < kNil || ops.size() >= kNoOp) return {};
  const DenseOps dense(ops, DenseOps::values_only);
  return RegisterDecision(dense, ops, initial).decide();
}

}  // namespace gameday::linear
