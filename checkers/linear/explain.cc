#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "checkers/linear/jit.h"
#include "checkers/linear/minimise.h"
#include "checkers/linear/models/models.h"
#include "checkers/linear/models/register.h"
#include "checkers/linear/object.h"

namespace gameday::linear {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPrefixTime{350}, kMinimiseTime{150}, kDescentTime{40};
constexpr std::size_t kMinimiseMemory = std::size_t{128} << 20;
constexpr std::size_t kMinimiseOps = 4000;  // more are first cut down to the last ones
constexpr std::size_t kTold = 24;           // last operations, where nothing smaller is known
constexpr std::size_t kEnds = 6;            // operations of either end in words

class Explanation {
 public:
  Explanation(const Object& object, const ModelInput& input, const Names& names, Calls& calls,
              const Model& model)
      : object_(object), input_(input), names_(names), calls_(calls), model_(model) {}

  Anomaly make(std::vector<std::size_t> conflict, Judgement whole) {
    anomaly_.type = "nonlinearizable";
    Smallest least;
    if (!conflict.empty()) {
      least = smallest(std::move(conflict));
      // Decisions are of an object that begins as it does by itself.
      const bool decidable = object_.decide != nullptr && input_.options.initial.empty();
      if (least.proven() && decidable) whole = descend(least);
    }
    if (whole.verdict != Verdict::invalid || (least.proven() && !whole.longest)) {
      Judgement again = judge(model_, calls_.ops, within(kPrefixTime));
      if (again.verdict == Verdict::invalid) whole = std::move(again);
    }
    const bool known = whole.verdict == Verdict::invalid;
    if (known) tell_prefix(whole);
    // It may be wrong whatever else happened: of a value that nobody wrote.
    if (!least.proven() && known) least = smallest_alone(whole.blocked);
    if (!least.proven() && known) least = smallest_window(whole.blocked);
    if (!least.proven()) least = smallest_up_to(known ? whole.blocked : calls_.ops.size());
    const std::size_t blocked = known ? whole.blocked : least.blocked();
    anomaly_.summary = fmt::format("no order of the operations on {} is legal: every one fails at {}",
                                   object_.noun, tell(least.proven() ? least.blocked() : blocked));
    anomaly_.detail["op"] = input_.events.index(row(blocked));
    tell_smallest(least.kept, least.proven());
    if (least.proven()) tell_alternatives(least.kept);
    return std::move(anomaly_);
  }

 private:
  struct Smallest {
    std::vector<std::size_t> kept;
    Judgement judgement;
    bool proven() const { return judgement.verdict == Verdict::invalid; }
    std::size_t blocked() const { return proven() ? kept[judgement.blocked] : kept.back(); }
  };

  gameday::Limits within(std::chrono::milliseconds time) const {
    gameday::Limits limits = input_.limits;
    limits.deadline = std::min(limits.deadline, Clock::now() + time);
    limits.memory_bytes = std::min(limits.memory_bytes, kMinimiseMemory);
    return limits;
  }
  const Pair& pair(std::size_t i) const { return input_.events.pairs()[calls_.pairs[i]]; }
  std::size_t row(std::size_t i) const {
    return pair(i).outcome == OpType::ok ? static_cast<std::size_t>(pair(i).done) : pair(i).invoke;
  }
  std::string tell(std::size_t i) const {
    const auto& events = input_.events;
    const std::size_t r = row(i);
    std::string value = events.values().edn(events.value(r));
    if (value.size() > 120) {
      const bool list = events.value(r).is_sequence() || events.value(r).kind() == Value::Kind::set;
      const std::size_t count = list ? events.values().items(events.value(r)).size() : value.size();
      const auto character = [&](std::size_t at) {  // the first byte of one, in UTF-8
        while (at < value.size() && (static_cast<unsigned char>(value[at]) & 0xC0) == 0x80) ++at;
        return at;
      };
      value = fmt::format("{} ... {} ({} {})", value.substr(0, character(60)),
                          value.substr(character(value.size() - 40)), count,
                          list ? "elements" : "characters");
    }
    return fmt::format("{} {} by process {} (op {}{})", events.name_text(events.f(r)), value,
                       events.process(r), events.index(r),
                       calls_.ops[i].pending() ? ", outcome unknown" : "");
  }

  // In the register's words, where the operation needs one value: the only state it can be after.
  std::string why_not(const std::string& state, std::size_t blocked) const {
    const Operation& op = calls_.ops[blocked];
    if (&object_ != &objects::kRegister || op.kind == kRefusedCas)
      return fmt::format("{} is {}, which {} cannot be after", object_.noun, state, tell(blocked));
    return fmt::format("{} needs {} to be {}, but it is {}", tell(blocked), object_.noun,
                       names_.tell(op.kind == kind::read ? op.b : op.a), state);
  }

  void tell_prefix(const Judgement& whole) {
    const std::string legal =
        fmt::format("The first {} operations that returned have a legal order", whole.returned);
    if (whole.longest) {
      std::size_t last = calls_.ops.size();
      const std::int64_t end = calls_.ops[whole.blocked].ret;
      for (std::size_t i = 0; i < calls_.ops.size(); ++i) {
        const auto& op = calls_.ops[i];
        if (op.ret < end && (last == calls_.ops.size() || op.ret > calls_.ops[last].ret)) last = i;
      }
      anomaly_.detail["prefix-length"] = whole.returned;
      anomaly_.explanation.push_back(
          fmt::format("{}{}; with {} there is none.", legal,
                      last < calls_.ops.size() ? ", up to " + tell(last) : "", tell(whole.blocked)));
    } else {
      anomaly_.detail["prefix-length-at-least"] = whole.returned;
      anomaly_.explanation.push_back(
          fmt::format("With {}, if not before, there is no legal order any more.", tell(whole.blocked)));
      if (whole.returned > 0) anomaly_.explanation.push_back(legal + ".");
    }
    for (const State state : whole.states)
      anomaly_.explanation.push_back(
          fmt::format("Just before, {} could be {}.", object_.noun, model_.describe(state)));
  }

  // From a conflict, which alone is INVALID, to the earliest return by which there is one: what was
  // known before the return at which this one fails is decided again, until it is VALID. A history
  // that is INVALID stays so as it goes on, so this ends at the longest legal prefix.
  Judgement descend(Smallest& least) {
    const auto end = Clock::now() + kDescentTime;
    Judgement whole;
    whole.verdict = Verdict::invalid;
    whole.longest = false;
    while (Clock::now() < end) {
      Decision before = decide_before(calls_.ops[least.blocked()].ret);
      if (!before.applies || before.verdict == Verdict::unknown) break;
      whole.longest = before.verdict == Verdict::valid;
      if (whole.longest) break;
      Smallest earlier = smallest(std::move(before.conflict));
      // An operation of it may have returned later only, and so be no part of it.
      if (!earlier.proven() || calls_.ops[earlier.blocked()].ret >= calls_.ops[least.blocked()].ret) break;
      least = std::move(earlier);
    }
    whole.blocked = least.blocked();
    const std::int64_t ret = calls_.ops[whole.blocked].ret;
    for (const auto& op : calls_.ops) whole.returned += whole.longest && op.ret < ret ? 1 : 0;
    return whole;
  }

  // Decides what was known just before a position. The few calls that were open then are altered in
  // place and put back: a copy of all would take longer than the decision.
  Decision decide_before(std::int64_t position) {
    auto& ops = calls_.ops;
    const auto called = [&](const Operation& op) { return op.call < position; };
    const auto middle = std::partition_point(ops.begin(), ops.end(), called);
    auto n = static_cast<std::size_t>(middle - ops.begin());
    std::vector<std::pair<std::size_t, Operation>> were;
    std::vector<std::size_t> silent;
    for (std::size_t i = 0; i < n; ++i) {
      if (ops[i].pending() || ops[i].ret < position) continue;
      were.emplace_back(i, ops[i]);
      if (!forget_answer(ops[i])) silent.push_back(i);
    }
    // Those that say nothing change places with the last ones.
    std::vector<std::pair<std::size_t, std::size_t>> moved;
    for (auto i = silent.rbegin(); i != silent.rend(); ++i) {
      std::swap(ops[*i], ops[--n]);
      moved.emplace_back(*i, n);
    }
    Decision decision = object_.decide(std::span(ops).first(n), names_);
    for (std::size_t& i : decision.conflict)
      for (auto m = moved.rbegin(); m != moved.rend(); ++m)
        if (i == m->first) i = m->second;
    for (auto m = moved.rbegin(); m != moved.rend(); ++m) std::swap(ops[m->first], ops[m->second]);
    for (const auto& [i, op] : were) ops[i] = op;
    return decision;
  }

  // False if nothing is left of it.
  bool forget_answer(Operation& op) const {
    op.ret = kPending;
    for (const auto& function : object_.functions) {
      if (function.kind != op.kind) continue;
      if (function.takes == Takes::answer || function.takes == Takes::position) op.b = kUnknown;
      return !function.reads;
    }
    return true;
  }

  Smallest smallest(std::vector<std::size_t> conflict) const {
    auto start = with_sources(model_, calls_.ops, conflict);
    // Where sources would keep everything, the conflict alone has to do.
    if (start.size() > kMinimiseOps) start = std::move(conflict);
    return shrunk(std::move(start));
  }

  // The operation and all that it may have seen, if these alone are INVALID.
  Smallest smallest_alone(std::size_t op) const {
    auto start = with_sources(model_, calls_.ops, {op});
    if (start.size() > kMinimiseOps) return {};
    const auto time = within(std::chrono::milliseconds(20));
    if (judge(model_, pick(calls_.ops, start), time).verdict != Verdict::invalid) return {};
    return shrunk(std::move(start));
  }

  // The operation, the last ones that returned before it, and their sources: 8, 16, 32, ... of them,
  // until these alone are INVALID.
  Smallest smallest_window(std::size_t blocked) const {
    const auto& ops = calls_.ops;
    std::vector<std::size_t> last;
    for (std::size_t i = 0; i < ops.size(); ++i)
      if (ops[i].ret <= ops[blocked].ret) last.push_back(i);
    std::sort(last.begin(), last.end(),
              [&](std::size_t x, std::size_t y) { return ops[x].ret > ops[y].ret; });
    const auto limits = within(kMinimiseTime);
    for (std::size_t n = 8; Clock::now() < limits.deadline; n *= 2) {
      const std::span few = std::span(last).first(std::min(n, last.size()));
      auto start = with_sources(model_, ops, {few.begin(), few.end()});
      if (start.size() > kMinimiseOps) break;
      if (judge(model_, pick(ops, start), limits).verdict == Verdict::invalid)
        return shrunk(std::move(start));
      if (n >= last.size()) break;
    }
    return {};
  }

  Smallest smallest_up_to(std::size_t blocked) const {
    std::vector<std::size_t> start;
    const std::int64_t ret =
        blocked < calls_.ops.size() ? calls_.ops[blocked].ret : kPending;
    for (std::size_t i = 0; i < calls_.ops.size(); ++i)
      if (calls_.ops[i].call < ret) start.push_back(i);
    return shrunk(std::move(start));
  }

  Smallest shrunk(std::vector<std::size_t> start) const {
    if (start.size() > kMinimiseOps)
      return {std::vector<std::size_t>(start.end() - kTold, start.end()), {}};
    Limits limits;
    limits.memory_bytes = kMinimiseMemory;
    limits.deadline = std::min(input_.limits.deadline, Clock::now() + kMinimiseTime);
    Smallest least;
    least.kept = minimise(model_, calls_.ops, std::move(start), limits);
    least.judgement =
        judge(model_, pick(calls_.ops, least.kept), within(std::chrono::milliseconds(100)));
    return least;
  }

  void tell_smallest(const std::vector<std::size_t>& kept, bool proven) {
    const auto& events = input_.events;
    if (proven)
      anomaly_.explanation.push_back(
          kept.size() == 1
              ? "This operation alone is not legal:"
              : fmt::format("These {} operations alone have no legal order:", kept.size()));
    else
      anomaly_.explanation.push_back(
          "No smaller history that still fails was found in time; the last operations:");
    Json minimal = Json::array();
    for (std::size_t k = 0; k < kept.size(); ++k) {
      const auto& p = pair(kept[k]);
      anomaly_.ops.push_back(events.index(p.invoke));
      if (p.done >= 0) anomaly_.ops.push_back(events.index(static_cast<std::size_t>(p.done)));
      if (kept.size() > 2 * kEnds && k >= kEnds && k + kEnds < kept.size()) {
        if (k == kEnds)
          anomaly_.explanation.push_back(fmt::format("  ... {} more ...", kept.size() - 2 * kEnds));
        continue;
      }
      anomaly_.explanation.push_back("  " + tell(kept[k]));
      minimal.push_back(events.describe(row(kept[k])));
    }
    std::sort(anomaly_.ops.begin(), anomaly_.ops.end());
    anomaly_.detail["minimal"] = std::move(minimal);
  }

  // Every way to begin the smallest history, and why it cannot go on.
  void tell_alternatives(const std::vector<std::size_t>& kept) {
    Limits limits;
    limits.memory_bytes = kMinimiseMemory;
    limits.deadline = Clock::now() + std::chrono::milliseconds(100);
    limits.explain = true;
    const auto ops = pick(calls_.ops, kept);
    const Outcome outcome = search(model_, ops, limits);
    Json all = Json::array();
    for (const auto& end : outcome.dead_ends) {
      std::string order;
      Json steps = Json::array();
      for (std::size_t k = 0; k < end.order.size(); ++k) {
        const std::size_t i = kept[end.order[k]];
        steps.push_back(input_.events.index(row(i)));
        if (k + kEnds >= end.order.size()) order += (order.empty() ? "" : ", then ") + tell(i);
      }
      if (end.order.size() > kEnds) order += fmt::format(" after {} more", end.order.size() - kEnds);
      const std::string state = model_.describe(end.state);
      const std::size_t blocked = kept[outcome.blocked];
      const std::string reason = why_not(state, blocked);
      anomaly_.explanation.push_back(
          order.empty() ? fmt::format("At the beginning {}.", reason)
                        : fmt::format("After {}: {}.", order, reason));
      all.push_back({{"state", state}, {"order", std::move(steps)},
                     {"op", input_.events.index(row(blocked))}, {"reason", reason}});
    }
    anomaly_.detail["alternatives"] = std::move(all);
  }

  const Object& object_;
  const ModelInput& input_;
  const Names& names_;
  Calls& calls_;
  const Model& model_;
  Anomaly anomaly_;
};

}  // namespace

Anomaly explain(const Object& object, const ModelInput& input, const Names& names, Calls& calls,
                const Model& model, std::vector<std::size_t> conflict, Judgement judgement) {
  return Explanation(object, input, names, calls, model)
      .make(std::move(conflict), std::move(judgement));
}

}  // namespace gameday::linear
