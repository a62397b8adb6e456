#include "checkers/final_reads.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "checkers/fault_windows.h"

namespace gameday {

std::vector<std::string> nodes_of(const CheckInput& input) {
  if (!input.nodes.empty()) return input.nodes;
  std::set<std::string> names;
  for (std::size_t i = 0; i < input.history.size(); ++i)
    if (input.history.is_client(i)) names.insert(input.history.name(input.history.node(i)));
  names.erase("");
  return {names.begin(), names.end()};
}

std::vector<std::string> surviving_nodes(const CheckInput& input) {
  const auto all = nodes_of(input);
  const auto& history = input.history;
  const auto faults = faults_of(input);
  std::vector<std::string> left = all;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history.is_client(i) || history.name(history.f(i)) != "settled") continue;
    const Json& value = history.value(i);
    const Json without = value.is_object() ? value.value("without", Json::array()) : Json::array();
    left = all;
    std::erase_if(left, [&](const std::string& node) {
      return std::find(without.begin(), without.end(), Json(node)) != without.end() &&
             std::any_of(faults.begin(), faults.end(), [&](const FaultRecord& fault) {
               return destroys_disk(fault) && hits(fault, node);
             });
    });
  }
  return left.size() >= all.size() / 2 + 1 ? left : all;
}

std::size_t settled_from(const CheckInput& input) {
  const auto& history = input.history;
  const auto heal_all = history.find_name("heal-all");
  std::size_t last_heal_all = 0, last_fault = 0;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history.is_client(i)) continue;
    last_fault = i + 1;
    if (history.f(i) == heal_all) last_heal_all = i + 1;
  }
  if (last_heal_all > 0) return last_heal_all;
  std::int64_t healed = -1;
  for (const auto& fault : input.faults)
    healed = std::max({healed, fault.in_force, fault.heal_requested, fault.healed});
  std::size_t from = last_fault;
  while (from < history.size() && history.time(from) >= 0 && history.time(from) < healed) ++from;
  return from;
}

std::optional<std::size_t> settled_at(const CheckInput& input) {
  const auto& history = input.history;
  std::optional<std::size_t> settled;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history.is_client(i)) continue;
    const Json& value = history.value(i);
    settled.reset();  // whatever the nemesis did since, the rest may be over
    if (history.name(history.f(i)) == "settled" && value.is_object() && value.contains("ok") &&
        value.at("ok") == true)
      settled = i;
  }
  return settled;
}

std::map<std::string, Call> final_reads(const CheckInput& input, std::string_view f) {
  const std::size_t from = settled_from(input);
  std::map<std::string, Call> finals;
  for (const auto& call : calls_of(input.history, {f}))
    if (call.ok() && call.invoke >= from) finals[node_of(input.history, call)] = call;
  return finals;
}

std::vector<std::string> without_final(const CheckInput& input,
                                       const std::map<std::string, Call>& finals) {
  std::vector<std::string> missing;
  for (const auto& node : surviving_nodes(input))
    if (!finals.contains(node)) missing.push_back(node);
  return missing;
}

bool is_value_list(const Json& value) {
  return value.is_array() && std::none_of(value.begin(), value.end(), [](const Json& element) {
    return element.is_structured() || element.is_null();
  });
}

bool is_lists(const Json& value) {
  return value.is_object() && std::all_of(value.begin(), value.end(), is_value_list);
}

std::optional<std::int64_t> job_id(const Json& value) {
  constexpr std::int64_t kLargest = std::int64_t{1} << 62;  // ids may be added to
  const auto id = integer(value);
  return id && *id >= 1 && *id <= kLargest ? id : std::nullopt;
}

std::optional<std::vector<JobRow>> parse_jobs(const Json& value) {
  if (!value.is_array()) return std::nullopt;
  std::vector<JobRow> rows;
  rows.reserve(value.size());
  for (const auto& row : value) {
    const auto id = row.is_array() && row.size() >= 3 ? job_id(row[0]) : std::nullopt;
    if (!id) return std::nullopt;
    rows.push_back({*id, text(row[1]), text(row[2])});
  }
  return rows;
}

Acks acknowledged(const History& history) {
  Acks acks;
  for (const auto& call : calls_of(history, {"append", "add"})) {
    if (!call.ok()) continue;
    const bool append = f_of(history, call) == "append";
    const Json& value = answer(history, call);
    const std::size_t width = append ? 3 : 2;
    const auto job =
        value.is_array() && value.size() == width ? job_id(value.back()) : std::nullopt;
    if (!job) {
      acks.malformed.push_back(
          fmt::format("the answer {} of {} at {} has no job id (a number from 1 on)", value.dump(),
                      name_call(history, call), time_of(history, call.done)));
      continue;
    }
    if (auto wrong = contradiction(history, call); !wrong.empty()) {
      acks.malformed.push_back(std::move(wrong));
      continue;
    }
    Ack ack{call, text(value[width - 2]), append ? text(value[0]) : "", "", *job};
    ack.key = (append ? "append-" : "add-") + ack.value;
    acks.all.push_back(std::move(ack));
  }
  return acks;
}

AppliedProgress::AppliedProgress(const CheckInput& input) : nodes_(surviving_nodes(input)) {
  const auto& history = input.history;
  const std::size_t from = settled_from(input);
  for (const auto& call : calls_of(history, {"status", "final-status", "jobs"})) {
    known_ = true;
    if (!call.ok() || call.invoke < from) continue;
    const Json& value = answer(history, call);
    Seen seen{call.invoke, static_cast<std::size_t>(call.done), 0};
    if (const auto applied = integer(value, "applied")) {
      seen.applied = *applied;
      seen.whole_log = integer(value, "commit") == applied && integer(value, "last") == applied;
    } else if (const auto jobs = parse_jobs(value); jobs && !jobs->empty()) {
      seen.applied = jobs->back().id;
    } else {
      continue;
    }
    seen_[node_of(history, call)].push_back(seen);
  }
  for (auto& [node, seen] : seen_)
    std::sort(seen.begin(), seen.end(),
              [](const Seen& a, const Seen& b) { return a.done < b.done; });
}

std::optional<std::int64_t> AppliedProgress::before(const std::string& node,
                                                    const Call& call) const {
  const auto found = seen_.find(node);
  if (found == seen_.end()) return std::nullopt;
  std::optional<std::int64_t> applied;
  for (const auto& seen : found->second)
    if (seen.done < call.invoke) applied = seen.applied;
  return applied;
}

std::optional<std::int64_t> AppliedProgress::during(const std::string& node,
                                                    const Call& call) const {
  const auto earlier = before(node, call);
  if (!earlier) return std::nullopt;
  for (const auto& seen : seen_.at(node))
    if (call.done_before(seen.invoke)) return seen.applied == *earlier ? earlier : std::nullopt;
  return std::nullopt;
}

std::optional<std::int64_t> AppliedProgress::quiet_at(std::size_t index) const {
  std::optional<std::int64_t> common;
  for (const auto& node : nodes_) {
    const auto found = seen_.find(node);
    if (found == seen_.end()) return std::nullopt;
    const auto& seen = found->second;
    const auto last = std::find_if(seen.rbegin(), seen.rend(),
                                   [&](const Seen& s) { return s.whole_log && s.invoke > index; });
    if (last == seen.rend() || (common && *common != last->applied)) return std::nullopt;
    common = last->applied;
  }
  return common;
}

}  // namespace gameday
