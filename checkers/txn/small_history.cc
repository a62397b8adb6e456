#include "checkers/txn/small_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace gameday::txn {
namespace {

constexpr int kKeys = 3, kProcesses = 3;
using State = std::array<std::vector<int>, kKeys>;

// A database that runs transactions side by side, mop by mop.
class Database {
 public:
  enum class Mode { strict, serializable, snapshot, committed, uncommitted };

  explicit Database(Rng& rng) : rng_(rng), mode_(static_cast<Mode>(rng.below(5))) {}

  SmallHistory run() {
    const int count = static_cast<int>(rng_.between(2, 5));
    while (finished_ < count) {
      const auto client = static_cast<std::size_t>(rng_.below(kProcesses));
      Running& running = running_[client];
      if (running.txn >= 0)
        advance(running);
      else if (static_cast<int>(history_.txns.size()) < count)
        begin(client, running);
    }
    if (mode_ == Mode::serializable) in_any_order();
    if (rng_.chance(0.7)) read_all();
    switch (mode_) {
      case Mode::strict:
        history_.promises = {"strict-serializable"};
        break;
      case Mode::serializable:
        history_.promises = {"serializable"};
        break;
      case Mode::snapshot:
        history_.promises = {"strong-snapshot-isolation"};
        break;
      case Mode::committed:
        history_.promises = {"read-committed"};
        break;
      case Mode::uncommitted:
        break;
    }
    return std::move(history_);
  }

 private:
  struct Running {
    int txn = -1;
    std::size_t next = 0;
    State own, snapshot;
    bool blocked = false;
  };

  void begin(std::size_t client, Running& running) {
    running = {};
    running.txn = static_cast<int>(history_.txns.size());
    SmallTxn txn;
    txn.process = processes_[client];
    txn.invoked = history_.rows++;
    const auto mops = rng_.between(1, 3);
    for (std::int64_t i = 0; i < mops; ++i) {
      SmallMop mop;
      mop.append = rng_.chance(0.5);
      mop.key = static_cast<int>(rng_.below(kKeys));
      if (mop.append) mop.element = ++elements_[static_cast<std::size_t>(mop.key)];
      txn.mops.push_back(mop);
    }
    history_.txns.push_back(std::move(txn));
  }

  void advance(Running& running) {
    SmallTxn& txn = history_.txns[static_cast<std::size_t>(running.txn)];
    if (running.next == 0) running.snapshot = committed_;
    if (running.next < txn.mops.size()) {
      if (mode_ != Mode::strict && mode_ != Mode::serializable)
        step(running, txn.mops[running.next]);
      ++running.next;
      return;
    }
    txn.completed = history_.rows++;
    ++finished_;
    if (rng_.chance(0.1)) txn.outcome = rng_.chance(0.4) ? OpType::fail : OpType::info;
    const bool aborts = txn.outcome == OpType::fail ||
                        (txn.outcome == OpType::info && rng_.chance(0.5)) || !commit(running, txn);
    if (aborts && txn.outcome == OpType::ok) txn.outcome = OpType::fail;
    dropped_.push_back(aborts);
    order_.push_back(running.txn);
    // A client whose call ended unknown goes on under another number, as Jepsen's do.
    if (txn.outcome == OpType::info)
      processes_[static_cast<std::size_t>(txn.process % kProcesses)] += kProcesses;
    running.txn = -1;
  }

  void step(Running& running, SmallMop& mop) {
    const auto k = static_cast<std::size_t>(mop.key);
    if (mode_ == Mode::uncommitted) {
      if (mop.append)
        committed_[k].push_back(mop.element);
      else
        mop.list = committed_[k];
      return;
    }
    if (mop.append) {
      running.blocked = running.blocked || (mode_ == Mode::committed && locked(running, k));
      running.own[k].push_back(mop.element);
      return;
    }
    mop.list = mode_ == Mode::snapshot ? running.snapshot[k] : committed_[k];
    mop.list.insert(mop.list.end(), running.own[k].begin(), running.own[k].end());
  }

  // Read committed locks what it writes; who comes second aborts in the end.
  bool locked(const Running& running, std::size_t key) const {
    for (const Running& other : running_)
      if (&other != &running && other.txn >= 0 && !other.blocked && !other.own[key].empty())
        return true;
    return false;
  }

  bool commit(Running& running, SmallTxn& txn) {
    if (running.blocked) return false;
    if (mode_ == Mode::strict) execute(txn, committed_);
    if (mode_ == Mode::snapshot)  // the first committer wins
      for (std::size_t k = 0; k < kKeys; ++k)
        if (!running.own[k].empty() && committed_[k] != running.snapshot[k]) return false;
    for (std::size_t k = 0; k < kKeys; ++k)
      committed_[k].insert(committed_[k].end(), running.own[k].begin(), running.own[k].end());
    return true;
  }

  static void execute(SmallTxn& txn, State& state) {
    for (SmallMop& mop : txn.mops) {
      auto& list = state[static_cast<std::size_t>(mop.key)];
      if (mop.append)
        list.push_back(mop.element);
      else
        mop.list = list;
    }
  }

  void in_any_order() {
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < order_.size(); ++i)
      if (!dropped_[i]) order.push_back(static_cast<std::size_t>(order_[i]));
    rng_.shuffle(order);
    for (const auto txn : order) execute(history_.txns[txn], committed_);
  }

  void read_all() {
    SmallTxn txn;
    txn.process = processes_[0];
    for (int k = 0; k < kKeys; ++k)
      txn.mops.push_back({false, k, 0, committed_[static_cast<std::size_t>(k)]});
    txn.invoked = history_.rows++;
    txn.completed = history_.rows++;
    history_.txns.push_back(std::move(txn));
  }

  Rng& rng_;
  const Mode mode_;
  SmallHistory history_;
  State committed_;
  std::array<int, kKeys> elements_{};
  std::array<Running, kProcesses> running_;
  std::array<int, kProcesses> processes_ = {0, 1, 2};
  std::vector<int> order_;     // transactions by completion
  std::vector<bool> dropped_;  // by the same order: it had no effect
  int finished_ = 0;
};

void break_something(SmallHistory& history, Rng& rng) {
  std::vector<std::pair<std::size_t, std::size_t>> reads;
  for (std::size_t t = 0; t < history.txns.size(); ++t)
    for (std::size_t m = 0; m < history.txns[t].mops.size(); ++m)
      if (!history.txns[t].mops[m].append) reads.emplace_back(t, m);
  history.promises.clear();
  if (reads.empty() || rng.chance(0.1)) {
    for (SmallTxn& txn : history.txns)
      if (txn.outcome == OpType::ok && txn.mops[0].append) {
        txn.outcome = OpType::fail;  // it is said to have failed, but it did not
        break;
      }
    return;
  }
  const auto [t, m] = rng.pick(reads);
  auto& list = history.txns[t].mops[m].list;
  const std::size_t at = list.empty() ? 0 : rng.below(list.size());
  const auto place = list.begin() + static_cast<std::ptrdiff_t>(at);
  switch (rng.below(6)) {
    case 0:
      if (!list.empty()) list.pop_back();
      break;
    case 1:
      if (!list.empty()) list.erase(place);
      break;
    case 2:
      if (!list.empty()) std::swap(list[at], list.back());
      break;
    case 3:
      if (!list.empty()) list.push_back(list[at]);
      break;
    case 4:
      list.insert(place, 99);
      break;  // nobody appended it
    default:
      list.clear();
  }
}

// Depth-first over orders: the next transaction is one whose predecessors are placed and whose
// reads are right.
class Orders {
 public:
  Orders(const SmallHistory& history, SmallHistory::Level level)
      : txns_(history.txns), level_(level) {
    for (std::size_t i = 0; i < txns_.size(); ++i)
      if (txns_[i].outcome == OpType::ok) required_ |= 1u << i;
  }
  bool exists() { return place(0, {}); }

 private:
  bool before(std::size_t a, std::size_t b) const {
    if (txns_[a].outcome != OpType::ok || txns_[a].completed > txns_[b].invoked) return false;
    return level_ == SmallHistory::Level::strict ||
           (level_ == SmallHistory::Level::session && txns_[a].process == txns_[b].process);
  }
  bool place(unsigned placed, const State& state) {
    if ((placed & required_) == required_) return true;
    for (std::size_t i = 0; i < txns_.size(); ++i) {
      if ((placed >> i & 1) != 0 || txns_[i].outcome == OpType::fail) continue;
      bool may = true;
      for (std::size_t a = 0; may && a < txns_.size(); ++a)
        may = (placed >> a & 1) != 0 || !before(a, i);
      State next = state;
      if (may && runs(txns_[i], next) && place(placed | 1u << i, next)) return true;
    }
    return false;
  }
  static bool runs(const SmallTxn& txn, State& state) {
    for (const SmallMop& mop : txn.mops) {
      auto& list = state[static_cast<std::size_t>(mop.key)];
      if (mop.append)
        list.push_back(mop.element);
      else if (txn.outcome == OpType::ok && list != mop.list)
        return false;
    }
    return true;
  }

  const std::vector<SmallTxn>& txns_;
  const SmallHistory::Level level_;
  unsigned required_ = 0;
};

}  // namespace

SmallHistory SmallHistory::random(Rng& rng) {
  SmallHistory history = Database(rng).run();
  if (rng.chance(0.5)) break_something(history, rng);
  return history;
}

bool SmallHistory::some_order(Level level) const { return Orders(*this, level).exists(); }

bool SmallHistory::complete() const {
  for (const SmallTxn& txn : txns)
    for (const SmallMop& mop : txn.mops) {
      if (!mop.append || txn.outcome == OpType::fail) continue;
      bool seen = false;
      for (const SmallTxn& other : txns)
        for (const SmallMop& read : other.mops)
          seen = seen ||
                 (other.outcome == OpType::ok && !read.append && read.key == mop.key &&
                  std::find(read.list.begin(), read.list.end(), mop.element) != read.list.end());
      if (!seen) return false;
    }
  return true;
}

Events SmallHistory::events() const {
  Events events;
  auto& writer = events.mutable_values().writer();
  const Value append = writer.keyword("append"), read = writer.keyword("r");
  const auto f = events.name("txn");
  std::vector<Events::Row> all(static_cast<std::size_t>(rows));
  for (const SmallTxn& txn : txns)
    for (const bool done : {false, true}) {
      std::vector<Value> mops;
      for (const SmallMop& mop : txn.mops) {
        Value value = Value::integer(mop.element);
        if (!mop.append) {
          std::vector<Value> list;
          for (const int e : mop.list) list.push_back(Value::integer(e));
          value = done && txn.outcome == OpType::ok ? writer.vector(list) : Value();
        }
        mops.push_back(writer.vector({mop.append ? append : read, Value::integer(mop.key), value}));
      }
      Events::Row row;
      row.type = done ? txn.outcome : OpType::invoke;
      row.process = txn.process;
      row.f = f;
      row.value = writer.vector(mops);
      all[static_cast<std::size_t>(done ? txn.completed : txn.invoked)] = row;
    }
  for (const auto& row : all) events.append(row);
  if (auto paired = events.pair_up(); !paired) throw std::logic_error(paired.error().message);
  return events;
}

std::string SmallHistory::text() const {
  const Events all = events();
  std::string text;
  for (std::size_t i = 0; i < all.size(); ++i) text += all.describe(i) + "\n";
  return text;
}

}  // namespace gameday::txn
