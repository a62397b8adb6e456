// Every node applies the same jobs in the same order (I2). State machine safety: Ongaro and
// Ousterhout, "In search of an understandable consensus algorithm" (2014), figure 3. That the
// applied id goes back is not judged: state is rebuilt by replay after a restart.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "checkers/checkers.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"

namespace gameday {
namespace apply_order {
namespace {

bool fits(const CheckInput& input) {
  const auto& history = input.history;
  return history.has_f("status") || history.has_f("final-status") || history.has_f("jobs") ||
         history.has_f("lists");
}

void add_pair(Findings& findings, std::string type, std::string summary, const Call& x,
              const Call& y, Json detail) {
  Anomaly anomaly{std::move(type), "I2", std::move(summary), {}, x.indices(), std::move(detail)};
  for (const auto index : y.indices()) anomaly.ops.push_back(index);
  findings.add(std::move(anomaly));
}

// The state is a function of the applied sequence: one hash for each applied id, on every node and
// at all times.
std::size_t check_hashes(const History& history, Findings& findings) {
  struct First {
    std::string hash;
    Call call;
  };
  std::map<std::int64_t, First> by_applied;
  for (const auto& call : calls_of(history, {"status", "final-status"})) {
    if (!call.ok()) continue;
    const Json& value = answer(history, call);
    const auto applied = integer(value, "applied");
    if (!applied || !value.contains("hash") || !value.at("hash").is_string()) continue;
    const std::string hash = text(value.at("hash"));
    const auto [it, added] = by_applied.try_emplace(*applied, First{hash, call});
    if (added || hash.empty() || it->second.hash.empty() || it->second.hash == hash) continue;
    const Call& first = it->second.call;
    add_pair(findings, "state-diverged",
             fmt::format("after job {} {} had the state {} at {}, but {} had {} at {}", *applied,
                         node_of(history, first), it->second.hash, time_of(history, first.done),
                         node_of(history, call), hash, time_of(history, call.done)),
             first, call, {{"applied", *applied}});
  }
  return by_applied.size();
}

// One of two lists is a prefix of the other: where both have a job it is the same job.
std::size_t check_jobs(const History& history, Findings& findings) {
  struct First {
    JobRow row;
    Call call;
  };
  std::map<std::int64_t, First> by_id;
  std::map<std::string, bool> told;  // one anomaly for a pair of nodes: all later jobs differ too
  for (const auto& call : calls_of(history, {"jobs"})) {
    const auto rows = call.ok() ? parse_jobs(answer(history, call)) : std::nullopt;
    if (!rows) continue;
    for (const auto& row : *rows) {
      const auto [it, added] = by_id.try_emplace(row.id, First{row, call});
      if (added || (it->second.row.hash == row.hash && it->second.row.key == row.key)) continue;
      const auto& [first, other] = it->second;
      if (std::exchange(told[node_of(history, other) + "/" + node_of(history, call)], true))
        continue;
      add_pair(findings, "jobs-diverged",
               fmt::format("job {} is {} (hash {}) on {}, but {} (hash {}) on {}", row.id,
                           first.key.empty() ? "a job without key" : first.key, first.hash,
                           node_of(history, other), row.key.empty() ? "a job without key" : row.key,
                           row.hash, node_of(history, call)),
               other, call, {{"job", row.id}});
    }
  }
  return by_id.size();
}

void check_list_pair(const CheckInput& input, const AppliedProgress& progress, const Call& x,
                     const Call& y, Findings& findings) {
  const auto& history = input.history;
  const Json &left = answer(history, x), &right = answer(history, y);
  const auto &x_node = node_of(history, x), &y_node = node_of(history, y);
  const auto x_applied = progress.during(x_node, x), y_applied = progress.during(y_node, y);
  const bool same_point = x_applied && x_applied == y_applied;
  std::map<std::string, std::pair<Json, Json>> keys;
  for (const auto& [key, list] : left.items()) keys[key].first = list;
  for (const auto& [key, list] : right.items()) keys[key].second = list;
  for (const auto& [key, lists] : keys) {
    const Json a = lists.first.is_array() ? lists.first : Json::array();
    const Json b = lists.second.is_array() ? lists.second : Json::array();
    const std::size_t common = std::min(a.size(), b.size());
    std::size_t i = 0;
    while (i < common && a[i] == b[i]) ++i;
    if (i < common) {
      add_pair(findings, "order-diverged",
               fmt::format("list {} has {} at place {} on {}, but {} on {}: the nodes applied "
                           "appends in different orders",
                           key, a[i].dump(), i, x_node, b[i].dump(), y_node),
               x, y, {{"list", key}, {"place", i}});
    } else if (same_point && a.size() != b.size()) {
      add_pair(findings, "state-diverged",
               fmt::format("{} and {} had both applied exactly up to job {}, but list {} has {} "
                           "values on the one and {} on the other",
                           x_node, y_node, *x_applied, key, a.size(), b.size()),
               x, y, {{"list", key}});
    }
  }
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  const std::size_t hashes = check_hashes(input.history, findings);
  const std::size_t jobs = check_jobs(input.history, findings);
  const AppliedProgress progress(input);
  auto lists = final_reads(input, "lists");
  std::erase_if(lists, [&](const auto& entry) {
    if (is_lists(answer(input.history, entry.second))) return false;
    findings.unknown(fmt::format(
        "{} answered lists with something that is no object of lists of values", entry.first));
    return true;
  });
  for (auto x = lists.begin(); x != lists.end(); ++x)
    for (auto y = std::next(x); y != lists.end(); ++y)
      check_list_pair(input, progress, x->second, y->second, findings);
  findings.stats = {{"applied-ids", hashes}, {"jobs", jobs}, {"nodes-with-lists", lists.size()}};
  if (hashes == 0 && jobs == 0 && lists.empty())
    findings.unknown("no node ever told its state, its jobs or its lists");
  return std::move(findings).result(fmt::format(
      "nodes agree on the state at {} applied ids, on {} jobs, and on the lists of {} nodes",
      hashes, jobs, lists.size()));
}

}  // namespace
}  // namespace apply_order

const Checker& apply_order_checker() {
  static const FunctionChecker checker(
      "apply-order", "every node applies the same jobs in the same order (I2)",
      apply_order::fits, apply_order::check, true);
  return checker;
}

}  // namespace gameday
