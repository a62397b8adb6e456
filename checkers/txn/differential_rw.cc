#include "checkers/txn/differential_rw.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <random>

#include "checkers/txn/rw_register.h"
#include "checkers/txn/weak/check.h"

namespace gameday::txn {
namespace {

struct Step {
  bool write;
  int key, value;  // value 0: nil
};
struct Txn {
  int process, invoke = -1, done = -1;  // rows
  OpType outcome = OpType::ok;
  std::vector<Step> steps;
};
using Tiny = std::vector<Txn>;  // in order of invocation

constexpr int kKeys = 2;
enum class Store { serial, snapshot, dirty };  // dirty: every step by itself, nothing is undone

// A run of a database by a few clients at once.
class Run {
 public:
  explicit Run(std::mt19937_64& random) : random_(random) {}

  Tiny make() {
    const int clients = 1 + below(3), count = 1 + below(5);
    store_ = static_cast<Store>(below(3));
    for (int c = 0; c < clients; ++c) open_.push_back(-1);
    int row = 0, started = 0;
    while (true) {
      std::vector<int> able;
      for (int c = 0; c < clients; ++c)
        if (open_[index(c)] >= 0 || started < count) able.push_back(c);
      if (able.empty()) break;
      const int c = able[index(below(static_cast<int>(able.size())))];
      if (open_[index(c)] < 0) {
        ++started;
        begin(c, row++);
      } else if (Txn& t = all_[index(open_[index(c)])]; position_[index(open_[index(c)])] < ran(t)) {
        advance(t, position_[index(open_[index(c)])]);
      } else {
        t.done = row++;
        t.outcome = below(8) == 0 ? (below(2) == 0 ? OpType::fail : OpType::info) : OpType::ok;
        open_[index(c)] = -1;
      }
    }
    if (below(3) == 0) damage();
    return std::move(all_);
  }

 private:
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  int ran(const Txn& t) const { return store_ == Store::dirty ? static_cast<int>(t.steps.size()) : 1; }

  void begin(int client, int row) {
    Txn t;
    t.process = client;
    t.invoke = row;
    for (int i = 1 + below(3); i > 0; --i) {
      const bool write = below(2) == 0;
      t.steps.push_back({write, below(kKeys), write ? ++last_value_ : 0});
    }
    open_[index(client)] = static_cast<int>(all_.size());
    all_.push_back(t);
    position_.push_back(0);
    snapshots_.push_back(state_);
  }

  void advance(Txn& t, int& position) {
    auto& state = store_ == Store::snapshot ? snapshots_[index(static_cast<int>(&t - all_.data()))] : state_;
    const int end = store_ == Store::dirty ? position + 1 : static_cast<int>(t.steps.size());
    const int first = store_ == Store::dirty ? position : 0;
    for (int i = first; i < end; ++i) {
      Step& s = t.steps[index(i)];
      if (s.write) state_[index(s.key)] = state[index(s.key)] = s.value;
      else s.value = state[index(s.key)];
    }
    ++position;
  }

  // Reads that return something else.
  void damage() {
    for (Txn& t : all_)
      for (Step& s : t.steps)
        if (!s.write && below(4) == 0) s.value = below(last_value_ + 1);
  }

  std::mt19937_64& random_;
  Store store_ = Store::serial;
  std::array<int, kKeys> state_{};
  std::vector<int> open_, position_;
  std::vector<std::array<int, kKeys>> snapshots_;
  int last_value_ = 0;
  Tiny all_;
};

Events to_events(const Tiny& tiny) {
  Events events;
  auto& w = events.mutable_values().writer();
  const auto f = events.name("txn");
  const Value read = w.keyword("r"), write = w.keyword("w");
  int rows = 0;
  for (const Txn& t : tiny) rows = std::max({rows, t.invoke + 1, t.done + 1});
  const auto value = [&](const Txn& t, bool done) {
    std::vector<Value> mops;
    for (const Step& s : t.steps)
      mops.push_back(w.vector({s.write ? write : read, Value::integer(s.key),
                               s.value == 0 || (!s.write && !done) ? Value() : Value::integer(s.value)}));
    return w.vector(mops);
  };
  for (int row = 0; row < rows; ++row) {
    for (const Txn& t : tiny) {
      Events::Row r;
      r.process = t.process;
      r.f = f;
      if (t.invoke == row) {
        r.value = value(t, false);
        events.append(r);
      } else if (t.done == row) {
        r.type = t.outcome;
        r.value = value(t, t.outcome == OpType::ok);
        events.append(r);
      }
    }
  }
  if (const auto paired = events.pair_up(); !paired) throw std::logic_error(paired.error().message);
  return events;
}

// --- serial orders, one after another ---

enum class Kept { data, clients, realtime };  // which order of transactions must be kept

bool must_precede(const Txn& a, const Txn& b, Kept kept) {
  if (kept == Kept::data || a.outcome != OpType::ok) return false;
  return a.done < b.invoke && (kept == Kept::realtime || a.process == b.process);
}

bool serial_order(const Tiny& tiny, Kept kept, unsigned placed, std::array<int, kKeys> state) {
  bool complete = true;
  for (std::size_t i = 0; i < tiny.size(); ++i) {
    if ((placed >> i & 1) != 0 || tiny[i].outcome == OpType::fail) continue;
    complete = complete && tiny[i].outcome != OpType::ok;
    bool fits = true;
    for (std::size_t j = 0; j < tiny.size() && fits; ++j)
      if (j != i && must_precede(tiny[i], tiny[j], kept) && (placed >> j & 1) != 0) fits = false;
    auto next = state;
    for (const Step& s : tiny[i].steps) {
      if (s.write) next[static_cast<std::size_t>(s.key)] = s.value;
      else if (tiny[i].outcome == OpType::ok && next[static_cast<std::size_t>(s.key)] != s.value)
        fits = false;
    }
    if (fits && serial_order(tiny, kept, placed | 1u << i, next)) return true;
  }
  return complete;
}

// --- the weak levels, by definition ---

class Definition {
 public:
  Definition(const Tiny& tiny, weak::Level level) : tiny_(tiny), level_(level) {}

  bool holds() {
    for (std::size_t i = 0; i < tiny_.size(); ++i) live_.push_back(tiny_[i].outcome == OpType::ok);
    if (!collect()) return false;
    close();
    std::vector<std::size_t> order;
    for (std::size_t i = 0; i < tiny_.size(); ++i)
      if (live_[i]) order.push_back(i);
    do {
      if (respected(order)) return true;
    } while (std::next_permutation(order.begin(), order.end()));
    return false;
  }

 private:
  struct Read {
    std::size_t reader;
    int key, from;  // -1: the initial state
  };

  // What is read of whom; false: reads are wrong in themselves.
  bool collect() {
    for (std::size_t t = 0; t < tiny_.size(); ++t) {
      if (tiny_[t].outcome != OpType::ok) continue;
      std::array<int, kKeys> own{};
      for (const Step& s : tiny_[t].steps) {
        int& mine = own[static_cast<std::size_t>(s.key)];
        if (s.write) {
          mine = s.value;
        } else if (mine != 0) {
          if (mine != s.value) return false;
        } else {
          int from = -1;
          if (s.value != 0 && !find_writer(t, s, from)) return false;
          if (from >= 0) live_[static_cast<std::size_t>(from)] = true;
          reads_.push_back({t, s.key, from});
        }
      }
    }
    return true;
  }

  bool find_writer(std::size_t reader, const Step& read, int& from) const {
    for (std::size_t t = 0; t < tiny_.size(); ++t) {
      int last = 0;
      bool wrote = false;
      for (const Step& s : tiny_[t].steps) {
        if (!s.write || s.key != read.key) continue;
        last = s.value;
        wrote = wrote || s.value == read.value;
      }
      if (!wrote) continue;
      from = static_cast<int>(t);
      return t != reader && last == read.value && tiny_[t].outcome != OpType::fail;
    }
    return false;
  }

  bool session(std::size_t a, std::size_t b) const {
    return live_[a] && live_[b] && must_precede(tiny_[a], tiny_[b], Kept::clients);
  }
  bool read_of(std::size_t a, std::size_t b) const {
    return std::any_of(reads_.begin(), reads_.end(), [&](const Read& r) {
      return r.reader == b && r.from == static_cast<int>(a);
    });
  }
  void close() {
    const std::size_t n = tiny_.size();
    before_.assign(n * n, false);
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b < n; ++b) before_[a * n + b] = session(a, b) || read_of(a, b);
    direct_ = before_;
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t a = 0; a < n; ++a)
        for (std::size_t b = 0; b < n; ++b)
          if (before_[a * n + k] && before_[k * n + b]) before_[a * n + b] = true;
  }
  bool writes(std::size_t t, int key) const {
    return std::any_of(tiny_[t].steps.begin(), tiny_[t].steps.end(),
                       [&](const Step& s) { return s.write && s.key == key; });
  }
  bool seen(std::size_t t, std::size_t read) const {
    const Read& r = reads_[read];
    if (level_ == weak::Level::causal) return before_[t * tiny_.size() + r.reader];
    if (level_ == weak::Level::read_atomic) return direct_[t * tiny_.size() + r.reader];
    for (std::size_t i = 0; i < read; ++i)
      if (reads_[i].reader == r.reader && reads_[i].from == static_cast<int>(t)) return true;
    return false;
  }
  bool respected(const std::vector<std::size_t>& order) const {
    std::vector<int> place(tiny_.size(), -1);
    for (std::size_t i = 0; i < order.size(); ++i) place[order[i]] = static_cast<int>(i);
    for (const std::size_t a : order)
      for (const std::size_t b : order)
        if (direct_[a * tiny_.size() + b] && place[a] >= place[b]) return false;
    for (std::size_t r = 0; r < reads_.size(); ++r)
      for (const std::size_t t : order) {
        const Read& read = reads_[r];
        if (static_cast<int>(t) == read.from || t == read.reader) continue;
        const int from = read.from < 0 ? -1 : place[static_cast<std::size_t>(read.from)];
        if (writes(t, read.key) && seen(t, r) && place[t] > from) return false;
      }
    return true;
  }

  const Tiny& tiny_;
  weak::Level level_;
  std::vector<bool> live_, before_, direct_;
  std::vector<Read> reads_;  // those of a transaction in its order
};

std::string show(const Events& events, std::string_view what, std::uint64_t seed) {
  std::string text = fmt::format("{} (seed {}):\n", what, seed);
  for (std::size_t i = 0; i < events.size(); ++i) text += events.describe(i) + "\n";
  return text;
}

// Inferences that hold wherever the model does.
ModelOptions choose(std::mt19937_64& random, Kept& kept) {
  static constexpr std::string_view kModels[] = {"serializable", "strong-session-serializable",
                                                 "strict-serializable"};
  ModelOptions options;
  kept = static_cast<Kept>(random() % 3);
  options.consistency = {std::string(kModels[static_cast<std::size_t>(kept)])};
  options.wfr_keys = random() % 2 == 0;
  options.sequential_keys = kept != Kept::data && random() % 2 == 0;
  options.linearizable_keys = kept == Kept::realtime && random() % 2 == 0;
  return options;
}

}  // namespace

std::string differential_rw(std::uint64_t seed, std::size_t histories) {
  const Limits limits;
  for (std::size_t i = 0; i < histories; ++i) {
    std::mt19937_64 random(seed + i);
    const Tiny tiny = Run(random).make();
    const Events events = to_events(tiny);
    Kept kept{};
    const ModelOptions options = choose(random, kept);
    const ModelInput input{events, options, limits};
    const CheckResult result = check_rw_register(input);
    if (result.verdict == Verdict::invalid && serial_order(tiny, kept, 0, {}))
      return show(events, fmt::format("a serial order exists, but {}", result.summary), seed + i);
    const auto weak = std::array{weak::check_read_committed, weak::check_read_atomic, weak::check_causal};
    for (std::size_t l = 0; l < weak.size(); ++l) {
      const CheckResult judged = weak[l](input);
      const bool holds = Definition(tiny, static_cast<weak::Level>(l)).holds();
      if (judged.verdict != (holds ? Verdict::valid : Verdict::invalid))
        return show(events, fmt::format("weak level {} holds: {}, but {}", l, holds, judged.summary),
                    seed + i);
    }
  }
  return "";
}

}  // namespace gameday::txn
