#include "checkers/linear/zones.h"

#include <algorithm>
#include <tuple>

namespace gameday::linear {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// A value's writer, the reads that saw it, and the compare-and-set that replaced it.
struct Cluster {
  std::size_t writer = kNone;  // none for the initial value
  std::vector<std::size_t> readers;
  std::size_t next = kNone;  // the op that took the value away by cas
};

// A chain of clusters, from a plain write (or the initial value) over all that was cas'ed from it.
struct Block {
  std::vector<State> values;
  std::int64_t first_return = kPending;  // f and s of the zone: min return, max call
  std::int64_t last_call = -1;
  std::size_t returns_first = kNone, called_last = kNone;  // the ops with these

  bool forward() const { return first_return < last_call; }
};

class ZoneDecision {
 public:
  explicit ZoneDecision(const std::vector<Operation>& ops) : ops_(ops) {}
  Zones decide();

 private:
  bool find_writers();
  void find_needed();
  bool build_clusters();
  bool build_blocks();
  bool build_block(State root);
  bool blocks_agree();
  void emit();
  bool conflict(std::vector<std::size_t> ops);
  static std::size_t at(State value) { return static_cast<std::size_t>(value); }

  const std::vector<Operation>& ops_;
  Zones result_;
  std::vector<std::size_t> writer_;  // by value
  std::vector<char> needed_;         // took effect for certain: it returned, or its value was seen
  std::vector<std::size_t> forced_by_;  // for a pending op: the one that saw what it left
  std::vector<Cluster> clusters_;       // by value
  std::vector<Block> blocks_;
  std::vector<const Block*> forward_;  // by first_return, disjoint
};

// A pending operation contradicts nothing unless it must have happened: with it goes what saw it.
bool ZoneDecision::conflict(std::vector<std::size_t> ops) {
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const std::size_t reason = forced_by_[ops[i]];
    if (reason != kNone && std::find(ops.begin(), ops.end(), reason) == ops.end())
      ops.push_back(reason);
  }
  result_.conflict = std::move(ops);
  return false;
}

bool ZoneDecision::find_writers() {
  State highest = 0;
  for (const auto& op : ops_) highest = std::max({highest, op.a, op.b});
  writer_.assign(at(highest) + 1, kNone);
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    const auto value = Register::produces(ops_[i]);
    if (!value) continue;
    if (*value == 0 || writer_[at(*value)] != kNone) return false;
    writer_[at(*value)] = i;
  }
  return true;
}

void ZoneDecision::find_needed() {
  needed_.assign(ops_.size(), 0);
  forced_by_.assign(ops_.size(), kNone);
  std::vector<std::size_t> todo;
  for (std::size_t i = 0; i < ops_.size(); ++i)
    if (!ops_[i].pending()) todo.push_back(i);
  for (const std::size_t i : todo) needed_[i] = 1;
  while (!todo.empty()) {
    const std::size_t op = todo.back();
    todo.pop_back();
    const auto value = Register::requires_value(ops_[op]);
    const std::size_t writer = value ? writer_[at(*value)] : kNone;
    if (writer == kNone || needed_[writer]) continue;
    needed_[writer] = 1;
    forced_by_[writer] = op;
    todo.push_back(writer);
  }
}

bool ZoneDecision::build_clusters() {
  clusters_.resize(writer_.size());
  for (std::size_t value = 0; value < writer_.size(); ++value)
    if (writer_[value] != kNone && needed_[writer_[value]])
      clusters_[value].writer = writer_[value];
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    if (!needed_[i]) continue;
    const auto value = Register::requires_value(ops_[i]);
    if (!value) continue;
    Cluster& cluster = clusters_[at(*value)];
    if (*value != 0 && cluster.writer == kNone) return conflict({i});  // never written
    if (!Register::produces(ops_[i])) {
      cluster.readers.push_back(i);
    } else if (cluster.next == kNone) {
      cluster.next = i;
    } else {
      return conflict({cluster.next, i});  // two took the same value away
    }
  }
  return true;
}

bool ZoneDecision::build_blocks() {
  std::vector<char> covered(clusters_.size());
  for (std::size_t value = 0; value < clusters_.size(); ++value) {
    const std::size_t writer = clusters_[value].writer;
    const bool root = value == 0 || (writer != kNone && !Register::requires_value(ops_[writer]));
    if (!root) continue;
    if (!build_block(static_cast<State>(value))) return false;
    for (const State chained : blocks_.back().values) covered[at(chained)] = 1;
  }
  // What is left hangs on no write: compare-and-sets that form a circle.
  std::vector<std::size_t> circle;
  for (std::size_t value = 0; value < clusters_.size(); ++value)
    if (!covered[value] && clusters_[value].writer != kNone)
      circle.push_back(clusters_[value].writer);
  return circle.empty() || conflict(std::move(circle));
}

// Walks the chain in the only order that it can have, and checks that real time allows it.
bool ZoneDecision::build_block(State root) {
  Block block;
  std::int64_t earlier_call = -1;  // the latest call of all that must come before
  std::size_t earlier = kNone;
  const auto place = [&](std::size_t i) {
    if (ops_[i].ret < earlier_call) return conflict({earlier, i});
    if (ops_[i].ret < block.first_return || block.returns_first == kNone) {
      block.first_return = ops_[i].ret;
      block.returns_first = i;
    }
    if (ops_[i].call > block.last_call) {
      block.last_call = ops_[i].call;
      block.called_last = i;
    }
    return true;
  };
  for (State value = root;;) {
    Cluster& cluster = clusters_[at(value)];
    block.values.push_back(value);
    if (cluster.writer != kNone && !place(cluster.writer)) return false;
    std::tie(earlier_call, earlier) = std::pair(block.last_call, block.called_last);
    for (const std::size_t reader : cluster.readers)
      if (!place(reader)) return false;
    std::tie(earlier_call, earlier) = std::pair(block.last_call, block.called_last);
    if (cluster.next == kNone) break;
    value = *Register::produces(ops_[cluster.next]);
  }
  // The initial value was written before everything.
  if (root == 0) block.first_return = -1;
  blocks_.push_back(std::move(block));
  return true;
}

// Block x must come before y if one of x's operations returned before one of y's was called:
// f(x) < s(y). There is an order iff no two blocks must come before each other: in a longer circle
// the block with the least f precedes all others, also the one that precedes it.
bool ZoneDecision::blocks_agree() {
  const auto clash = [&](const Block& x, const Block& y) {
    std::vector<std::size_t> ops;
    for (const std::size_t i : {x.returns_first, x.called_last, y.returns_first, y.called_last})
      if (i != kNone) ops.push_back(i);
    return conflict(std::move(ops));
  };
  for (const auto& block : blocks_)
    if (block.forward()) forward_.push_back(&block);
  std::sort(forward_.begin(), forward_.end(),
            [](const Block* x, const Block* y) { return x->first_return < y->first_return; });
  for (std::size_t i = 0; i + 1 < forward_.size(); ++i)
    if (forward_[i + 1]->first_return < forward_[i]->last_call)
      return clash(*forward_[i], *forward_[i + 1]);
  for (const auto& block : blocks_) {
    if (block.forward()) continue;
    const auto after = std::partition_point(
        forward_.begin(), forward_.end(),
        [&](const Block* zone) { return zone->first_return < block.last_call; });
    if (after == forward_.begin()) continue;
    const Block& zone = **std::prev(after);
    if (block.first_return < zone.last_call) return clash(zone, block);
  }
  return true;
}

void ZoneDecision::emit() {
  // A backward zone goes where its last call is, or behind the forward zone around that point.
  std::vector<std::tuple<std::int64_t, int, const Block*>> sorted;
  for (const auto& block : blocks_) {
    if (block.forward()) {
      sorted.emplace_back(block.first_return, 0, &block);
      continue;
    }
    const auto after = std::partition_point(
        forward_.begin(), forward_.end(),
        [&](const Block* zone) { return zone->first_return < block.last_call; });
    const bool inside =
        after != forward_.begin() && (*std::prev(after))->last_call > block.last_call;
    sorted.emplace_back(inside ? (*std::prev(after))->last_call : block.last_call, inside ? 1 : 0,
                        &block);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& x, const auto& y) {
    return std::tie(std::get<0>(x), std::get<1>(x)) < std::tie(std::get<0>(y), std::get<1>(y));
  });
  for (const auto& [position, behind, block] : sorted)
    for (const State value : block->values) {
      auto& cluster = clusters_[at(value)];
      if (cluster.writer != kNone) result_.order.push_back(cluster.writer);
      std::sort(cluster.readers.begin(), cluster.readers.end(),
                [&](std::size_t x, std::size_t y) { return ops_[x].call < ops_[y].call; });
      result_.order.insert(result_.order.end(), cluster.readers.begin(), cluster.readers.end());
    }
}

Zones ZoneDecision::decide() {
  result_.applies = find_writers();
  if (!result_.applies) return std::move(result_);
  find_needed();
  if (build_clusters() && build_blocks() && blocks_agree()) emit();
  return std::move(result_);
}

}  // namespace

Zones register_zones(const std::vector<Operation>& ops) { return ZoneDecision(ops).decide(); }

}  // namespace gameday::linear
