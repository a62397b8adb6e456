#include "checkers/txn/differential_predicate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "checkers/txn/closed_predicate.h"
#include "harness/core/rng.h"

namespace gameday::txn {
namespace {

constexpr std::size_t kKeys = 3;
using Rows = std::array<int, kKeys>;  // values; 0: no such row

// all, equal to n, even or odd
struct Condition {
  int kind = 0, n = 0;
  bool matches(int value) const {
    if (value == 0) return false;
    return kind == 0 || (kind == 1 ? value == n : value % 2 == n);
  }
};
struct Step {
  enum { write, erase, read, select } kind = read;
  std::size_t key = 0;
  int value = 0;  // written or read
  Condition condition;
  Rows rows{};  // selected
};
struct Txn {
  int process = 0, invoked = -1, done = -1;  // rows of the history
  OpType outcome = OpType::ok;
  std::vector<Step> steps;
};
struct Tiny {
  Rows first{};  // what the table begins with
  std::vector<Txn> txns;
  int rows = 0;
};

// Executes a step: what is read is noted if it is a run of the database, or else compared.
bool execute(Step& step, Rows& table, bool note) {
  int& row = table[step.key];
  if (step.kind == Step::write) row = step.value;
  if (step.kind == Step::erase) row = 0;
  if (step.kind == Step::read) {
    if (note) step.value = row;
    return step.value == row;
  }
  if (step.kind != Step::select) return true;
  Rows found{};
  for (std::size_t k = 0; k < kKeys; ++k)
    if (step.condition.matches(table[k])) found[k] = table[k];
  if (note) step.rows = found;
  return step.rows == found;
}

class Run {
 public:
  explicit Run(Rng& rng)
      : rng_(rng), faulty_(rng.chance(0.5)), values_(rng.chance(0.2) ? 3 : 1000) {}

  Tiny make() {
    if (rng_.chance(0.6))
      for (int& row : all_.first) row = rng_.chance(0.6) ? fresh() : 0;
    state_ = all_.first;
    const int clients = 1 + below(3);
    int left = 1 + below(5);
    std::vector<int> open(static_cast<std::size_t>(clients), -1);
    while (left > 0 || std::any_of(open.begin(), open.end(), [](int o) { return o >= 0; })) {
      int& mine = open[rng_.below(open.size())];
      if (mine >= 0) {
        finish(all_.txns[static_cast<std::size_t>(mine)]);
        mine = -1;
      } else if (left > 0) {
        --left;
        mine = static_cast<int>(all_.txns.size());
        begin(static_cast<int>(&mine - open.data()));
      }
    }
    if (faulty_) damage();
    return std::move(all_);
  }

 private:
  int below(int n) { return static_cast<int>(rng_.below(static_cast<std::uint64_t>(n))); }
  int fresh() { return values_ == 3 ? 1 + below(3) : ++last_; }

  void begin(int process) {
    Txn t;
    t.process = process;
    t.invoked = all_.rows++;
    for (int i = 1 + below(3); i > 0; --i) {
      Step s;
      s.key = rng_.below(kKeys);
      const int what = below(8);
      s.kind = what < 2    ? Step::write
               : what == 2 ? Step::erase
               : what < 5  ? Step::read
                           : Step::select;
      if (s.kind == Step::write) s.value = fresh();
      s.condition = {below(3), 0};
      s.condition.n = s.condition.kind == 1 ? 1 + below(std::max(3, last_)) : below(2);
      t.steps.push_back(s);
    }
    all_.txns.push_back(t);
    snapshots_.push_back(state_);
  }

  // At once when it ends, or on the state that it began with.
  void finish(Txn& t) {
    const bool stale = faulty_ && rng_.chance(0.4);
    Rows seen = stale ? snapshots_[static_cast<std::size_t>(&t - all_.txns.data())] : state_;
    for (Step& s : t.steps) {
      execute(s, seen, true);
      execute(s, stale ? state_ : seen, false);
    }
    if (rng_.chance(0.15)) t.outcome = rng_.chance(0.5) ? OpType::fail : OpType::info;
    const bool undone = t.outcome == OpType::fail ? !faulty_ || rng_.chance(0.7)
                                                  : t.outcome == OpType::info && rng_.chance(0.5);
    if (!undone && !stale) state_ = seen;
    t.done = all_.rows++;
  }

  void damage() {
    for (Txn& t : all_.txns)
      for (Step& s : t.steps) {
        if (!rng_.chance(0.15)) continue;
        if (s.kind == Step::read) s.value = below(last_ + 2);
        if (s.kind == Step::select) s.rows[s.key] = rng_.chance(0.5) ? 0 : below(last_ + 2);
      }
  }

  Rng& rng_;
  const bool faulty_;
  const int values_;
  int last_ = 0;
  Tiny all_;
  Rows state_{};
  std::vector<Rows> snapshots_;
};

class AsEvents {
 public:
  static Events make(const Tiny& tiny) { return AsEvents(tiny).finish(); }

 private:
  explicit AsEvents(const Tiny& tiny) : tiny_(tiny), w_(events_.mutable_values().writer()) {}

  Events finish() {
    if (tiny_.first != Rows{}) {
      add(99, OpType::invoke, "init", map(tiny_.first));
      add(99, OpType::ok, "init", map(tiny_.first));
    }
    for (int row = 0; row < tiny_.rows; ++row)
      for (const Txn& t : tiny_.txns) {
        if (t.invoked == row) add(t.process, OpType::invoke, "txn", steps(t, false));
        if (t.done == row) add(t.process, t.outcome, "txn", steps(t, t.outcome == OpType::ok));
      }
    if (const auto paired = events_.pair_up(); !paired)
      throw std::logic_error(paired.error().message);
    return std::move(events_);
  }

  void add(int process, OpType type, std::string_view f, Value value) {
    Events::Row row;
    row.type = type;
    row.process = process;
    row.f = events_.name(f);
    row.value = value;
    events_.append(row);
  }
  Value map(const Rows& rows) {
    std::vector<Value> items;
    for (std::size_t k = 0; k < kKeys; ++k)
      if (rows[k] != 0)
        items.insert(items.end(),
                     {Value::integer(static_cast<std::int64_t>(k)), Value::integer(rows[k])});
    return w_.collection(Value::Kind::map, items);
  }
  Value condition(const Condition& c) {
    if (c.kind == 0) return w_.keyword("true");
    if (c.kind == 1) return w_.vector({w_.keyword("="), Value::integer(c.n)});
    return w_.vector({w_.keyword("mod"), Value::integer(2), Value::integer(c.n)});
  }
  Value steps(const Txn& t, bool done) {
    std::vector<Value> all;
    for (const Step& s : t.steps) {
      const Value key = Value::integer(static_cast<std::int64_t>(s.key));
      const Value value = s.value == 0 ? Value() : Value::integer(s.value);
      if (s.kind == Step::write) all.push_back(w_.vector({w_.keyword("w"), key, value}));
      if (s.kind == Step::erase) all.push_back(w_.vector({w_.keyword("delete"), key}));
      if (s.kind == Step::read)
        all.push_back(w_.vector({w_.keyword("r"), key, done ? value : Value()}));
      if (s.kind == Step::select)
        all.push_back(
            w_.vector({w_.keyword("rp"), condition(s.condition), done ? map(s.rows) : Value()}));
    }
    return w_.vector(all);
  }

  const Tiny& tiny_;
  Events events_;
  Values::Writer& w_;
};

enum class Kept { data, clients, realtime };  // which order of transactions must be kept

bool must_precede(const Txn& a, const Txn& b, Kept kept) {
  if (kept == Kept::data || a.outcome != OpType::ok) return false;
  return a.done < b.invoked && (kept == Kept::realtime || a.process == b.process);
}

// Some order of all ok transactions and any of unknown outcome, after those placed.
bool serial_order(const Tiny& tiny, Kept kept, unsigned placed, const Rows& table) {
  bool complete = true;
  for (std::size_t i = 0; i < tiny.txns.size(); ++i) {
    const Txn& t = tiny.txns[i];
    if ((placed >> i & 1) != 0 || t.outcome == OpType::fail) continue;
    complete = complete && t.outcome != OpType::ok;
    bool fits = true;
    for (std::size_t j = 0; j < tiny.txns.size(); ++j)
      fits = fits && ((placed >> j & 1) == 0 || !must_precede(t, tiny.txns[j], kept));
    Rows next = table;
    for (Step s : t.steps) {
      const bool same = execute(s, next, false);
      fits = fits && (same || t.outcome != OpType::ok);
    }
    if (fits && serial_order(tiny, kept, placed | 1u << i, next)) return true;
  }
  return complete;
}

// Inferences that hold wherever the model does.
ModelOptions choose(Rng& rng, Kept& kept) {
  static constexpr const char* kModels[] = {"serializable", "strong-session-serializable",
                                            "strict-serializable"};
  const std::size_t model = rng.below(3);
  kept = static_cast<Kept>(model);
  ModelOptions options;
  options.consistency = {kModels[model]};
  options.wfr_keys = rng.chance(0.5);
  options.sequential_keys = kept != Kept::data && rng.chance(0.5);
  options.linearizable_keys = kept == Kept::realtime && rng.chance(0.5);
  return options;
}

}  // namespace

std::string differential_predicate(std::uint64_t seed, std::size_t histories) {
  const Limits limits;
  for (std::size_t i = 0; i < histories; ++i) {
    Rng rng(seed + i);
    const Tiny tiny = Run(rng).make();
    const Events events = AsEvents::make(tiny);
    Kept kept{};
    const ModelOptions options = choose(rng, kept);
    const CheckResult result = check_closed_predicate({events, options, limits});
    if (result.verdict != Verdict::invalid || !serial_order(tiny, kept, 0, tiny.first)) continue;
    std::string text =
        fmt::format("a serial order exists, but {} (seed {}, {}{}{}{}):\n", result.summary,
                    seed + i, options.consistency[0], options.wfr_keys ? " wfr" : "",
                    options.sequential_keys ? " sequential" : "",
                    options.linearizable_keys ? " linearizable" : "");
    for (std::size_t row = 0; row < events.size(); ++row) text += events.describe(row) + "\n";
    return text;
  }
  return "";
}

}  // namespace gameday::txn
