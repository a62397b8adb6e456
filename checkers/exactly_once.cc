// A write is applied at most once however often it is retried (I9), a refused one never, and
// nothing appears that nobody wrote.
#include <fmt/format.h>

#include <unordered_map>

#include "checkers/checkers.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"

namespace gameday {
namespace exactly_once {
namespace {

bool fits(const CheckInput& input) { return input.history.has_f("lists"); }

struct Append {
  Call call;
  std::string list;
};

void check_value(const CheckInput& input, const std::unordered_map<std::string, Append>& appends,
                 const Call& read, const std::string& list, const std::string& value,
                 std::size_t times, Findings& findings) {
  const auto& history = input.history;
  const auto& node = node_of(history, read);
  const auto found = appends.find(value);
  Anomaly anomaly{"", "I9", "", {}, {}, {{"node", node}, {"list", list}, {"value", value}}};
  if (found == appends.end()) {
    anomaly.type = "phantom-write";
    anomaly.summary = fmt::format("{} has {} in list {} at {}, but no client ever appended it",
                                  node, value, list, time_of(history, read.done));
  } else {
    const Append& append = found->second;
    anomaly.ops = append.call.indices();
    anomaly.explanation = {tell_call(history, append.call) + "."};
    const std::string name = name_call(history, append.call);
    if (append.list != list) {
      anomaly.type = "misplaced-write";
      anomaly.summary =
          fmt::format("{} stands in list {} on {}, not in list {}", name, list, node, append.list);
    } else if (append.call.outcome == OpType::fail) {
      anomaly.type = "failed-write-applied";
      anomaly.summary = fmt::format(
          "{} was answered as certainly failed at {}, but is in the list "
          "on {} at {}",
          name, time_of(history, append.call.done), node, time_of(history, read.done));
    } else if (times > 1) {
      anomaly.type = "duplicate-apply";
      anomaly.summary = fmt::format("{} was applied {} times on {}: its value is there {} times",
                                    name, times, node, times);
    } else {
      return;
    }
  }
  for (const auto index : read.indices()) anomaly.ops.push_back(index);
  findings.add(std::move(anomaly));
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto& history = input.history;
  std::unordered_map<std::string, Append> appends;
  for (const auto& call : calls_of(history, {"append"})) {
    const Json& value = argument(history, call);
    if (!value.is_array() || value.size() != 2) {
      findings.unknown(fmt::format("{} does not say [list, value]", name_call(history, call)));
      continue;
    }
    // Should a value be tried twice, what may have happened counts.
    const auto [it, added] = appends.try_emplace(text(value[1]), Append{call, text(value[0])});
    if (!added && it->second.call.outcome == OpType::fail) it->second = {call, text(value[0])};
  }
  std::size_t values = 0;
  const auto finals = final_reads(input, "lists");
  for (const auto& [node, read] : finals) {
    const Json& lists = answer(history, read);
    if (!is_lists(lists)) {
      findings.unknown(
          fmt::format("{} answered lists with something that is no object of lists of values", node));
      continue;
    }
    for (const auto& [list, content] : lists.items()) {
      std::unordered_map<std::string, std::size_t> times;
      std::vector<std::string> order;
      for (const auto& value : content)
        if (++times[text(value)] == 1) order.push_back(text(value));
      values += order.size();
      for (const auto& value : order)
        check_value(input, appends, read, list, value, times[value], findings);
    }
  }
  for (const auto& node : without_final(input, finals))
    findings.unknown(fmt::format("{} gave no final lists", node));
  findings.stats = {{"appends", appends.size()}, {"values-read", values}};
  return std::move(findings).result(fmt::format(
      "{} values in the final lists of {} nodes were each appended once", values, finals.size()));
}

}  // namespace
}  // namespace exactly_once

const Checker& exactly_once_checker() {
  static const FunctionChecker checker(
      "exactly-once", "a write is applied once, a failed one never, an unknown one not at all (I9)",
      exactly_once::fits, exactly_once::check);
  return checker;
}

}  // namespace gameday
