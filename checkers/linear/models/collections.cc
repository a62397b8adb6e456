// A counter, a set and an append-only log.
#include <algorithm>
#include <cmath>

#include "checkers/linear/models/models.h"
#include "checkers/linear/value_model.h"

namespace gameday::linear {
namespace {

struct Counter {
  enum : std::int32_t { kAdd, kDecrement, kRead };
  using State = std::int64_t;
  const Names* names;

  std::optional<State> step(State sum, const Call& call) const {
    if (call.f == kRead)
      return names->number(call.answered) == sum ? std::optional(sum) : std::nullopt;
    const std::int64_t by = call.given == kNil ? 1 : names->number(call.given);
    return call.f == kAdd ? sum + by : sum - by;
  }
  static bool reads(const Call& call) { return call.f == kRead; }
  static bool depends(const Call& call, const Call& source) {
    return call.f == kRead && source.f != kRead;
  }
  // A read below all that was taken away and nothing added that need not be, or above the opposite.
  std::optional<std::size_t> impossible(State initial, std::span<const Operation> ops) const {
    struct Change {
      std::int64_t position;
      double down, up;  // sums may be longer than integers are
    };
    std::vector<Change> begun, done;
    const auto change = [&](const Operation& op, std::int64_t position) -> Change {
      auto by = op.a == kNil ? 1.0 : static_cast<double>(names->number(op.a));
      if (op.kind == kDecrement) by = -by;
      return {position, std::min(by, 0.0), std::max(by, 0.0)};
    };
    for (const auto& op : ops) {
      if (op.kind == kRead) continue;
      begun.push_back(change(op, op.call));
      if (!op.pending()) done.push_back(change(op, op.ret));
    }
    const auto add_up = [](std::vector<Change>& all) {
      std::sort(all.begin(), all.end(), [](auto& x, auto& y) { return x.position < y.position; });
      for (std::size_t i = 1; i < all.size(); ++i) {
        all[i].down += all[i - 1].down;
        all[i].up += all[i - 1].up;
      }
    };
    add_up(begun);
    add_up(done);
    const auto until = [](const std::vector<Change>& all, std::int64_t position) {
      const auto before = [&](const Change& c) { return c.position < position; };
      const auto end = std::partition_point(all.begin(), all.end(), before);
      return end == all.begin() ? Change{0, 0, 0} : *(end - 1);
    };
    for (std::size_t i = 0; i < ops.size(); ++i) {
      if (ops[i].kind != kRead || ops[i].pending()) continue;
      const Change may = until(begun, ops[i].ret), must = until(done, ops[i].call);
      const double sum = static_cast<double>(names->number(ops[i].b) - initial);
      const double rounding = 1e-9 * (may.up - may.down + std::abs(sum));
      if (sum < may.down + must.up - rounding || sum > may.up + must.down + rounding) return i;
    }
    return {};
  }
  static std::string describe(State sum) { return std::to_string(sum); }
};

struct Set {
  using State = std::vector<std::int32_t>;  // ascending
  static constexpr std::int32_t kListFunction = kind::read_set;
  const Names* names;

  static std::optional<State> step(State s, const Call& call) {
    if (call.f == kind::add) {
      const auto at = std::lower_bound(s.begin(), s.end(), call.given);
      if (at == s.end() || *at != call.given) s.insert(at, call.given);
      return s;
    }
    return std::equal(s.begin(), s.end(), call.list.begin(), call.list.end()) ? std::optional(s)
                                                                              : std::nullopt;
  }
  static bool reads(const Call& call) { return call.f == kind::read_set; }
  static bool depends(const Call& call, const Call& source) {
    return call.f == kind::read_set && source.f == kind::add &&
           std::binary_search(call.list.begin(), call.list.end(), source.given);
  }
  std::string describe(const State& s) const {
    std::string text = "#{";
    for (const auto id : s) {
      if (text.size() > 2) text += ' ';
      text += names->tell(id);
      if (text.size() > 200) return text + " ...}";
    }
    return text + "}";
  }
};

// Systems count positions from 0 or from 1; which, shows with the first position that is answered.
struct Log {
  // The position of the first entry (kUnknown: not shown yet), and the entries.
  using State = std::vector<std::int32_t>;
  static constexpr std::int32_t kListFunction = kind::read_log;
  const Names* names;

  static std::optional<State> step(State s, const Call& call) {
    if (call.f == kind::read_log)
      return std::equal(s.begin() + 1, s.end(), call.list.begin(), call.list.end())
                 ? std::optional(s)
                 : std::nullopt;
    if (call.answered >= 0) {
      const auto first = call.answered - static_cast<std::int32_t>(s.size()) + 1;
      if (s[0] == kUnknown ? first != 0 && first != 1 : first != s[0]) return std::nullopt;
      s[0] = first;
    }
    s.push_back(call.given);
    return s;
  }
  static bool reads(const Call& call) { return call.f == kind::read_log; }
  static bool depends(const Call& call, const Call& source) {
    return call.f == kind::read_log && source.f == kind::append &&
           std::find(call.list.begin(), call.list.end(), source.given) != call.list.end();
  }
  std::string describe(const State& s) const {
    std::string text = "[";
    for (const auto id : std::span(s).subspan(1)) {
      if (text.size() > 1) text += ' ';
      text += names->tell(id);
      if (text.size() > 200) return text + " ...]";
    }
    return text + "]";
  }
};

constexpr Function kCounterCalls[] = {
    {"add increment inc incr", Counter::kAdd, Takes::argument},
    {"decrement dec decr", Counter::kDecrement, Takes::argument},
    {"read get r", Counter::kRead, Takes::answer, true, true},
};
constexpr Function kSetCalls[] = {
    {"add insert", kind::add, Takes::argument},
    {"read r", kind::read_set, Takes::any_list, true, true},
};
constexpr Function kLogCalls[] = {
    {"append add write", kind::append, Takes::position},
    {"read list r", kind::read_log, Takes::list, true, true},
};

std::unique_ptr<Model> counter(Names& names, const ModelOptions& options,
                               std::span<const Operation>) {
  const std::int32_t id = names.initial(options.initial);
  return std::make_unique<ValueModel<Counter>>(Counter{&names}, id == kNil ? 0 : names.number(id),
                                               names);
}

std::unique_ptr<Model> set(Names& names, const ModelOptions& options, std::span<const Operation>) {
  auto initial = names.initial_list(options.initial);
  std::sort(initial.begin(), initial.end());
  initial.erase(std::unique(initial.begin(), initial.end()), initial.end());
  return std::make_unique<ValueModel<Set>>(Set{&names}, std::move(initial), names);
}

std::unique_ptr<Model> log(Names& names, const ModelOptions& options, std::span<const Operation>) {
  auto state = names.initial_list(options.initial);
  state.insert(state.begin(), kUnknown);
  return std::make_unique<ValueModel<Log>>(Log{&names}, std::move(state), names);
}

Decision set_decision(std::span<const Operation> ops, const Names& names) {
  return decide_set(ops, names.lists);
}
Decision log_decision(std::span<const Operation> ops, const Names& names) {
  Decision from_0 = decide_log(ops, names.lists);
  const bool shows_0 = std::any_of(ops.begin(), ops.end(), [](const Operation& op) {
    return op.kind == kind::append && op.b == 0;
  });
  if (shows_0 || !from_0.applies || from_0.verdict == Verdict::valid) return from_0;
  std::vector<Operation> from_zero(ops.begin(), ops.end());
  for (auto& op : from_zero)
    if (op.kind == kind::append && op.b >= 0) --op.b;
  return decide_log(from_zero, names.lists);
}

}  // namespace

const Object objects::kCounter{"the counter", kCounterCalls, counter};
const Object objects::kSet{"the set", kSetCalls, set, set_decision};
const Object objects::kLog{"the log", kLogCalls, log, log_decision};

}  // namespace gameday::linear
