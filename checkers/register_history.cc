#include "checkers/register_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "checkers/linear/minimise.h"

namespace gameday {
namespace {

using linear::Operation;
using linear::Register;

// Words for one operation, with its result: "read of r1 by process 4 on n2 (1.100 s to 1.200 s)".
class Words {
 public:
  Words(const History& history, const KeyHistory& key) : history_(history), key_(key) {}

  std::string brief(std::size_t i) const {
    const Operation& op = key_.ops[i];
    const auto process = history_.process(key_.calls[i].invoke);
    const auto value = [&](linear::State state) { return key_.model.describe(state); };
    switch (op.kind) {
      case Register::kRead:
        return fmt::format("read of {} by process {}", value(op.a), process);
      case Register::kWrite:
        return fmt::format("write {} by process {}", value(op.a), process);
      default:
        return fmt::format("cas from {} to {} by process {}", value(op.a), value(op.b), process);
    }
  }

  std::string full(std::size_t i) const {
    const Call& call = key_.calls[i];
    const auto& node = node_of(history_, call);
    const std::string until = call.ok() ? "to " + time_of(history_, call.done)
                              : call.done < 0
                                  ? std::string("never answered")
                                  : "outcome not known since " + time_of(history_, call.done);
    return fmt::format("{}{} ({} {})", brief(i), node.empty() ? "" : " on " + node,
                       seconds(history_.time(call.invoke)), until);
  }

  // "read [r1] by process 4 on n2 (1.100 s to 1.200 s) returned 3"
  std::string claim(std::size_t i) const {
    const Operation& op = key_.ops[i];
    const Call& call = key_.calls[i];
    const auto& node = node_of(history_, call);
    const std::string who =
        fmt::format("by process {}{} ({} to {})", history_.process(call.invoke),
                    node.empty() ? "" : " on " + node, seconds(history_.time(call.invoke)),
                    time_of(history_, call.done));
    if (op.kind == Register::kRead)
      return fmt::format("read [{}] {} returned {}", key_.key, who, key_.model.describe(op.a));
    if (op.kind == Register::kCas)
      return fmt::format("cas [{}] {} from {} to {} succeeded", key_.key, who,
                         key_.model.describe(op.a), key_.model.describe(op.b));
    return fmt::format("write [{}] {} of {} was acknowledged", key_.key, who,
                       key_.model.describe(op.a));
  }

 private:
  const History& history_;
  const KeyHistory& key_;
};

// The operation that made the state at the end of an order; none for the initial state.
std::optional<std::size_t> maker(const KeyHistory& key, const std::vector<std::size_t>& kept,
                                 const linear::DeadEnd& end) {
  for (auto it = end.order.rbegin(); it != end.order.rend(); ++it)
    if (Register::produces(key.ops[kept[*it]])) return kept[*it];
  return std::nullopt;
}

// Why the register is what it is when the blocked operation has to come.
std::string why(const Words& words, const KeyHistory& key, std::size_t blocked,
                std::optional<std::size_t> made_by) {
  const char* kind = key.ops[blocked].kind == Register::kRead ? "read" : "cas";
  if (!made_by) return fmt::format("no write can have come before the {}", kind);
  if (*made_by == blocked || key.ops[*made_by].ret >= key.ops[blocked].call)
    return fmt::format("{} may come before the {}", words.brief(*made_by), kind);
  return fmt::format("{} had completed before the {} began", words.full(*made_by), kind);
}

std::string headline(const Words& words, const KeyHistory& key,
                     const std::vector<std::size_t>& kept, const linear::Outcome& outcome) {
  const std::size_t blocked = kept[outcome.blocked];
  const auto needed = Register::requires_value(key.ops[blocked]);
  const auto source = std::find_if(key.ops.begin(), key.ops.end(), [&](const Operation& op) {
    return needed && Register::produces(op) == needed;
  });
  if (needed && *needed != 0 && source == key.ops.end())
    return fmt::format("{}, but nothing ever wrote {}", words.claim(blocked),
                       key.model.describe(*needed));
  if (source != key.ops.end() && source->call > key.ops[blocked].ret)
    return fmt::format("{}, but {} began only after that", words.claim(blocked),
                       words.full(static_cast<std::size_t>(source - key.ops.begin())));
  std::vector<std::string> states;
  std::vector<std::string> reasons;
  for (const auto& end : outcome.dead_ends) {
    states.push_back(key.model.describe(end.state));
    reasons.push_back(why(words, key, blocked, maker(key, kept, end)));
  }
  if (states.empty()) return fmt::format("{}, and no order allows that", words.claim(blocked));
  std::string may;
  for (std::size_t i = 0; i < states.size(); ++i) may += (i == 0 ? "" : " or ") + states[i];
  std::string because;
  for (std::size_t i = 0; i < reasons.size(); ++i) because += (i == 0 ? "" : "; ") + reasons[i];
  return fmt::format("{}, but the register can only be {} here: {}", words.claim(blocked), may,
                     because);
}

}  // namespace

std::vector<KeyHistory> split_keys(const History& history, std::vector<std::string>& malformed) {
  std::vector<KeyHistory> keys;
  std::unordered_map<std::string, std::size_t> place;
  for (auto call : calls_of(history, {"read", "write", "cas"})) {
    const auto& f = f_of(history, call);
    const Json& value = f == "read" && call.ok() ? answer(history, call) : argument(history, call);
    if (call.outcome == OpType::fail || (f == "read" && !call.ok())) continue;
    if (!is_pair(value) || (f == "cas" && !is_pair(value[1]))) {
      malformed.push_back(fmt::format("{} at {} has the value {}, not what a {} has",
                                      name_call(history, call), time_of(history, call.done),
                                      value.dump(), f));
      continue;
    }
    if (auto wrong = contradiction(history, call); !wrong.empty()) {
      malformed.push_back(std::move(wrong));
      if (f == "read") continue;
      call.outcome = OpType::info;  // what was asked for may have been done, or not
    }
    // 1 and "1" are two keys, although they read the same.
    const auto [it, added] = place.try_emplace(value[0].dump(), keys.size());
    if (added) keys.push_back({text(value[0]), {}, {}, {}});
    KeyHistory& key = keys[it->second];
    Operation op;
    op.call = static_cast<std::int64_t>(call.invoke);
    op.ret = call.ok() ? call.done : linear::kPending;
    op.kind = f == "read" ? Register::kRead : f == "write" ? Register::kWrite : Register::kCas;
    op.a = key.model.intern(f == "cas" ? value[1][0] : value[1]);
    if (f == "cas") op.b = key.model.intern(value[1][1]);
    key.ops.push_back(op);
    key.calls.push_back(call);
  }
  return keys;
}

Anomaly explain_register(const History& history, const KeyHistory& key,
                         const std::vector<std::size_t>& kept, const linear::Limits& limits) {
  const Words words(history, key);
  Anomaly anomaly{"nonlinearizable", "I19", "", {}, {}, {{"key", key.key}}};
  linear::Limits explain = limits;
  explain.explain = true;
  const auto outcome = linear::search(key.model, linear::pick(key.ops, kept), explain);
  if (outcome.verdict == Verdict::invalid) {
    anomaly.summary = headline(words, key, kept, outcome);
    const std::size_t blocked = kept[outcome.blocked];
    anomaly.detail["blocked-op"] = key.calls[blocked].invoke;
    for (const auto& end : outcome.dead_ends) {
      std::vector<std::string> order;
      for (const std::size_t i : end.order) order.push_back(words.brief(kept[i]));
      anomaly.explanation.push_back(fmt::format(
          "{} the register is {}, so {} is illegal.",
          order.empty() ? std::string("At first") : fmt::format("After {}", join_names(order)),
          key.model.describe(end.state), words.brief(blocked)));
    }
  } else {
    anomaly.summary =
        fmt::format("the {} operations of {} have no legal order", kept.size(), key.key);
  }
  constexpr std::size_t kShown = 12;
  for (std::size_t i = 0; i < kept.size() && i < kShown; ++i)
    anomaly.explanation.push_back(fmt::format("In the window: {}.", words.full(kept[i])));
  if (kept.size() > kShown)
    anomaly.explanation.push_back(
        fmt::format("And {} more operations in the window.", kept.size() - kShown));
  std::set<std::int64_t> indices;
  for (const std::size_t i : kept)
    for (const auto index : key.calls[i].indices()) indices.insert(index);
  anomaly.ops.assign(indices.begin(), indices.end());
  anomaly.detail["window"] = kept.size();
  return anomaly;
}

}  // namespace gameday
