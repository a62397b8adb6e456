#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "checkers/linear/jit.h"
#include "checkers/linear/minimise.h"
#include "checkers/linear/object.h"

namespace gameday::linear {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPrefixTime{350}, kMinimiseTime{400};
constexpr std::size_t kMinimiseMemory = std::size_t{128} << 20;
constexpr std::size_t kMinimiseOps = 4000;  // more are first cut down to the last ones
constexpr std::size_t kTold = 24;           // operations and steps of an order in words

class Explanation {
 public:
  Explanation(const Object& object, const ModelInput& input, const Calls& calls, const Model& model)
      : object_(object), input_(input), calls_(calls), model_(model) {}

  Anomaly make(std::vector<std::size_t> conflict) {
    anomaly_.type = "nonlinearizable";
    const Judgement whole = judge(model_, calls_.ops, within(kPrefixTime));
    const bool known = whole.verdict == Verdict::invalid;
    if (known) tell_prefix(whole);
    const auto kept = smallest(std::move(conflict), known ? whole.blocked : calls_.ops.size());
    const Judgement small =
        judge(model_, pick(calls_.ops, kept), within(std::chrono::milliseconds(100)));
    const bool proven = small.verdict == Verdict::invalid;
    const std::size_t blocked = known ? whole.blocked : proven ? kept[small.blocked] : kept.back();
    anomaly_.summary = fmt::format("no order of the operations on {} is legal: every one fails at {}",
                                   object_.noun, tell(proven ? kept[small.blocked] : blocked));
    anomaly_.detail["op"] = input_.events.index(row(blocked));
    tell_smallest(kept, proven);
    if (proven) tell_alternatives(kept);
    return std::move(anomaly_);
  }

 private:
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
    if (value.size() > 120) value = value.substr(0, 117) + "...";
    return fmt::format("{} {} by process {} (op {}{})", events.name_text(events.f(r)), value,
                       events.process(r), events.index(r),
                       calls_.ops[i].pending() ? ", outcome unknown" : "");
  }

  void tell_prefix(const Judgement& whole) {
    std::size_t last = calls_.ops.size();
    const std::int64_t end = calls_.ops[whole.blocked].ret;
    for (std::size_t i = 0; i < calls_.ops.size(); ++i) {
      const auto& op = calls_.ops[i];
      if (op.ret < end && (last == calls_.ops.size() || op.ret > calls_.ops[last].ret)) last = i;
    }
    anomaly_.detail["prefix-length"] = whole.returned;
    anomaly_.explanation.push_back(fmt::format(
        "The first {} operations that returned have a legal order{}; with {} there is none.",
        whole.returned, last < calls_.ops.size() ? ", up to " + tell(last) : "",
        tell(whole.blocked)));
    for (const State state : whole.states)
      anomaly_.explanation.push_back(
          fmt::format("Just before, {} could be {}.", object_.noun, model_.describe(state)));
  }

  std::vector<std::size_t> smallest(std::vector<std::size_t> conflict, std::size_t blocked) const {
    std::vector<std::size_t> start;
    if (!conflict.empty()) {
      start = with_sources(model_, calls_.ops, conflict);
    } else if (blocked < calls_.ops.size()) {
      const std::int64_t ret = calls_.ops[blocked].ret;
      for (std::size_t i = 0; i < calls_.ops.size(); ++i)
        if (calls_.ops[i].call < ret) start.push_back(i);
    } else {
      start.resize(calls_.ops.size());
      std::iota(start.begin(), start.end(), std::size_t{0});
    }
    // Where sources would keep everything, the conflict alone has to do.
    if (!conflict.empty() && start.size() > kMinimiseOps) start = std::move(conflict);
    if (start.size() > kMinimiseOps) {
      std::vector<std::size_t> last(start.end() - kTold, start.end());
      return last;
    }
    Limits limits;
    limits.memory_bytes = kMinimiseMemory;
    limits.deadline = std::min(input_.limits.deadline, Clock::now() + kMinimiseTime);
    return minimise(model_, calls_.ops, std::move(start), limits);
  }

  void tell_smallest(const std::vector<std::size_t>& kept, bool proven) {
    const auto& events = input_.events;
    if (proven)
      anomaly_.explanation.push_back(fmt::format("These {} operations alone have no legal order:", kept.size()));
    else
      anomaly_.explanation.push_back("No smaller history that still fails was found in time; the last operations:");
    Json minimal = Json::array();
    for (std::size_t k = 0; k < kept.size(); ++k) {
      const auto& p = pair(kept[k]);
      anomaly_.ops.push_back(events.index(p.invoke));
      if (p.done >= 0) anomaly_.ops.push_back(events.index(static_cast<std::size_t>(p.done)));
      if (k >= kTold) continue;
      anomaly_.explanation.push_back("  " + tell(kept[k]));
      minimal.push_back(events.describe(row(kept[k])));
    }
    if (kept.size() > kTold)
      anomaly_.explanation.push_back(fmt::format("  and {} more", kept.size() - kTold));
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
        if (k < kTold) order += (k == 0 ? "" : ", then ") + tell(i);
      }
      const std::string state = model_.describe(end.state);
      const std::size_t blocked = kept[outcome.blocked];
      const std::string reason = fmt::format("{} is {}, which {} cannot be after", object_.noun, state, tell(blocked));
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
  const Calls& calls_;
  const Model& model_;
  Anomaly anomaly_;
};

}  // namespace

Anomaly explain(const Object& object, const ModelInput& input, const Names&, const Calls& calls,
                const Model& model, std::vector<std::size_t> conflict) {
  return Explanation(object, input, calls, model).make(std::move(conflict));
}

}  // namespace gameday::linear
