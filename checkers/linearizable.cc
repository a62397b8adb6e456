// Every key of the register workload behaves like one register with compare-and-set (I19).
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <new>
#include <thread>

#include "checkers/checkers.h"
#include "checkers/findings.h"
#include "checkers/linear/minimise.h"
#include "checkers/linear/zones.h"
#include "checkers/register_history.h"

namespace gameday {
namespace linearizable {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kMaxThreads = 4;
constexpr std::chrono::seconds kMinimiseTime{3};
constexpr std::size_t kMinimiseMemory = std::size_t{256} << 20;

struct KeyResult {
  Verdict verdict = Verdict::unknown;
  std::string reason;
  Anomaly anomaly;
  std::size_t configurations = 0;
  std::size_t placed = 0;  // operations in the longest legal order found
  bool by_zones = false;
};

Anomaly explain(const History& history, const KeyHistory& key, std::vector<std::size_t> start,
                const linear::Limits& limits) {
  linear::Limits small{std::min(limits.memory_bytes, kMinimiseMemory),
                       std::min(limits.deadline, Clock::now() + kMinimiseTime)};
  const auto kept = linear::minimise(key.model, key.ops, std::move(start), small);
  small.deadline = Clock::now() + std::chrono::seconds(1);
  return explain_register(history, key, kept, small);
}

// The history as it was known just after `position`.
std::vector<linear::Operation> known_by(const std::vector<linear::Operation>& ops,
                                        std::int64_t position) {
  std::vector<linear::Operation> known;
  for (linear::Operation op : ops) {
    if (op.call > position) continue;
    if (op.ret > position) op.ret = linear::kPending;
    if (!op.pending() || op.kind != linear::Register::kRead) known.push_back(op);
  }
  return known;
}

// How many operations had returned when the history was last linearizable, and how many there are.
// What is linearizable up to a point is so up to every earlier one: a binary search finds it.
std::string legal_prefix(const History& history, const KeyHistory& key) {
  std::vector<std::int64_t> returns;
  for (const auto& op : key.ops)
    if (!op.pending()) returns.push_back(op.ret);
  std::sort(returns.begin(), returns.end());
  const auto bad = std::partition_point(returns.begin(), returns.end(), [&](std::int64_t ret) {
    const auto zones = linear::register_zones(known_by(key.ops, ret));
    return zones.conflict.empty();
  });
  if (bad == returns.end()) return {};
  return fmt::format(
      "The first {} of the key's {} answers have a legal order; with the one at {} there is none.",
      bad - returns.begin(), returns.size(), time_of(history, *bad));
}

// With values written once the zones give an order, or a few operations without one, in
// O(n log n). Neither is taken on trust: the order is replayed against the model, and the
// contradiction is put to the general search, which decides whenever they do not settle it.
bool decide_by_zones(const History& history, const KeyHistory& key, const linear::Limits& limits,
                     KeyResult& result) {
  const auto zones = linear::register_zones(key.ops);
  if (!zones.applies) return false;
  result.by_zones = true;
  if (zones.conflict.empty()) {
    if (!linear::is_linearization(key.model, key.ops, zones.order)) return false;
    result.verdict = Verdict::valid;
    result.placed = zones.order.size();
    return true;
  }
  const auto start = linear::with_sources(key.model, key.ops, zones.conflict);
  const auto outcome = linear::search(key.model, linear::pick(key.ops, start), limits);
  if (outcome.verdict != Verdict::invalid) return false;
  result.verdict = Verdict::invalid;
  result.configurations = outcome.configurations;
  result.anomaly = explain(history, key, start, limits);
  if (auto prefix = legal_prefix(history, key); !prefix.empty())
    result.anomaly.explanation.push_back(std::move(prefix));
  return true;
}

KeyResult check_key(const History& history, const KeyHistory& key, const linear::Limits& limits) {
  KeyResult result;
  if (Clock::now() >= limits.deadline) {
    result.reason = "the time budget was used up before it was begun";
    return result;
  }
  if (decide_by_zones(history, key, limits, result)) return result;
  result.by_zones = false;
  const auto outcome = linear::search(key.model, key.ops, limits);
  result.verdict = outcome.verdict;
  result.reason = outcome.reason;
  result.configurations = outcome.configurations;
  result.placed = outcome.placed;
  if (outcome.verdict == Verdict::invalid) {
    // What was called after the blocked operation returned has no part in it.
    const std::int64_t ret = key.ops[outcome.blocked].ret;
    std::vector<std::size_t> start;
    for (std::size_t i = 0; i < key.ops.size(); ++i)
      if (key.ops[i].call < ret) start.push_back(i);
    if (linear::search(key.model, linear::pick(key.ops, start), limits).verdict == Verdict::invalid)
      result.anomaly = explain(history, key, start, limits);
    else
      result.anomaly = explain_register(history, key, {outcome.blocked}, limits);
    result.anomaly.explanation.push_back(
        fmt::format("The longest legal order found has {} of the key's {} operations.",
                    outcome.placed, key.ops.size()));
  }
  return result;
}

std::vector<KeyResult> check_keys(const CheckInput& input, const std::vector<KeyHistory>& keys) {
  std::vector<KeyResult> results(keys.size());
  const auto threads = static_cast<unsigned>(std::min<std::size_t>(
      {kMaxThreads, std::max(1U, std::thread::hardware_concurrency()), keys.size()}));
  const linear::Limits limits{input.budget.memory_bytes / std::max(1U, threads),
                              Clock::now() + input.budget.time};
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < keys.size(); i = next++) {
      try {
        results[i] = check_key(input.history, keys[i], limits);
      } catch (const std::bad_alloc&) {
        results[i] = {};
        results[i].reason = "the checker ran out of memory";
      }
    }
  };
  {
    std::vector<std::jthread> pool;
    for (unsigned t = 1; t < threads; ++t) pool.emplace_back(work);
    work();
  }
  return results;
}

bool fits(const CheckInput& input) {
  const auto& history = input.history;
  return history.has_f("cas") || (history.has_f("read") && history.has_f("write"));
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  std::vector<std::string> malformed;
  const auto keys = split_keys(input.history, malformed);
  for (auto& reason : malformed) findings.unknown(std::move(reason));
  const auto results = check_keys(input, keys);

  std::size_t ops = 0, ops_done = 0, valid = 0, configurations = 0, by_zones = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ops += keys[i].ops.size();
    configurations += results[i].configurations;
    by_zones += results[i].by_zones ? 1 : 0;
    if (results[i].verdict != Verdict::unknown) ops_done += keys[i].ops.size();
    if (results[i].verdict == Verdict::valid) ++valid;
    if (results[i].verdict == Verdict::invalid) findings.add(results[i].anomaly);
  }
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (results[i].verdict == Verdict::unknown)
      findings.unknown(fmt::format(
          "key {}: {}, with {} of {} operations in a legal order ({} of {} keys are linearizable)",
          keys[i].key, results[i].reason, results[i].placed, keys[i].ops.size(), valid,
          keys.size()));
  findings.stats = {{"keys", keys.size()},       {"keys-valid", valid},
                    {"operations", ops},         {"operations-decided", ops_done},
                    {"keys-by-zones", by_zones}, {"configurations", configurations}};
  return std::move(findings).result(
      fmt::format("{} operations on {} keys are linearizable", ops, keys.size()));
}

}  // namespace
}  // namespace linearizable

const Checker& linearizable_checker() {
  static const FunctionChecker checker(
      "linearizable",
      "every key is one register: reads, writes and cas in one real-time order (I19)",
      linearizable::fits, linearizable::check, true);
  return checker;
}

}  // namespace gameday
