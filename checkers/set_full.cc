// An acknowledged write survives (I3): every acknowledged add is in the final set of every node,
// and every acknowledged append in its final lists. As Jepsen's set-full, but for each node.
//
// Sound against lag: a value that a node does not show is missing only if the node is known to have
// applied its job: it had said so before the read began, or the same list shows a value of a later
// job. That another list or document does is not enough: a final read may take several requests,
// and the node may catch up between them.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "checkers/checkers.h"
#include "checkers/fault_windows.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"

namespace gameday {
namespace set_full {
namespace {

bool fits(const CheckInput& input) {
  const auto& history = input.history;
  return history.has_f("add") || history.has_f("append");
}

// What one node showed at the end.
struct View {
  Call read;
  std::unordered_set<std::string> values;
  std::int64_t applied = -1;                         // at least up to this job when the read began
  std::map<std::string, std::int64_t> list_applied;  // ... when this list was read

  std::int64_t applied_for(const Ack& ack) const {
    const auto list = list_applied.find(ack.list);
    return list == list_applied.end() ? applied : std::max(applied, list->second);
  }
};

std::unordered_set<std::string> values_of(const Json& answer) {
  std::unordered_set<std::string> values;
  if (answer.is_object()) {
    for (const auto& [list, content] : answer.items())
      for (const auto& value : content) values.insert(text(value));
  } else {
    for (const auto& value : answer) values.insert(text(value));
  }
  return values;
}

struct Judge {
  const CheckInput& input;
  const AppliedProgress& progress;
  const std::vector<FaultRecord> faults;
  std::vector<std::string> nodes;
  Findings& findings;
  std::size_t lost = 0, recovered = 0, unexpected = 0, missing = 0;

  void judge(std::string_view write, std::string_view read, const std::vector<Ack>& acks);
  std::map<std::string, View> views(std::string_view read, const std::vector<Ack>& acks);
  bool beyond_the_log(const Ack& ack) const;
  void check_ack(const Ack& ack, const std::map<std::string, View>& views);
  void check_unexpected(std::string_view write, const std::map<std::string, View>& views);
};

std::map<std::string, View> Judge::views(std::string_view read, const std::vector<Ack>& acks) {
  std::map<std::string, View> views;
  for (const auto& [node, call] : final_reads(input, read)) {
    const Json& value = answer(input.history, call);
    if (!(read == "lists" ? is_lists(value) : is_value_list(value))) {
      findings.unknown(
          fmt::format("{} answered {} with something that is no {}", node, read,
                      read == "lists" ? "object of lists of values" : "list of values"));
      continue;
    }
    View view{call, values_of(value), progress.before(node, call).value_or(-1), {}};
    for (const auto& ack : acks)
      if (!ack.list.empty() && view.values.contains(ack.value)) {
        auto& applied = view.list_applied.try_emplace(ack.list, -1).first->second;
        applied = std::max(applied, ack.job);
      }
    views.emplace(node, std::move(view));
  }
  return views;
}

// All logs end before this job although it had been acknowledged: no lag explains that.
bool Judge::beyond_the_log(const Ack& ack) const {
  const auto quiet = progress.quiet_at(static_cast<std::size_t>(ack.call.done));
  return quiet && ack.job > *quiet;
}

void Judge::check_ack(const Ack& ack, const std::map<std::string, View>& views) {
  const auto& history = input.history;
  std::vector<std::string> absent, present, behind;
  std::vector<std::int64_t> ops = ack.call.indices();
  for (const auto& [node, view] : views) {
    if (!ack.call.done_before(view.read.invoke)) continue;
    if (view.values.contains(ack.value)) {
      present.push_back(node);
    } else if (!progress.known() || view.applied_for(ack) >= ack.job || beyond_the_log(ack)) {
      absent.push_back(node);
      for (const auto index : view.read.indices()) ops.push_back(index);
    } else {
      behind.push_back(node);
    }
  }
  for (const auto& node : behind)
    findings.unknown(fmt::format(
        "{} does not show every acknowledged write, and is not known to have applied them all",
        node));
  if (absent.empty()) return;
  const bool everywhere = present.empty() && absent.size() == nodes.size();
  ++(everywhere ? lost : missing);
  if (findings.full()) return findings.count_only();
  Anomaly anomaly{
      everywhere ? "lost-write" : "missing-on-node",
      "I3",
      "",
      {},
      std::move(ops),
      {{"value", ack.value}, {"job", ack.job}, {"missing-on", absent}, {"present-on", present}}};
  std::string where =
      everywhere ? "is lost on all nodes" : fmt::format("is missing on {}", join_names(absent));
  if (!present.empty()) where += fmt::format(" (and present on {})", join_names(present));
  anomaly.summary =
      fmt::format("{} was acknowledged as job {} at {} and {}", name_call(history, ack.call),
                  ack.job, time_of(history, ack.call.done), where);
  anomaly.explanation.push_back(
      fmt::format("It was acknowledged {}.",
                  faults_at(faults, history.time(static_cast<std::size_t>(ack.call.done)))));
  for (const auto& node : absent) {
    const View& view = views.at(node);
    anomaly.explanation.push_back(
        fmt::format("{} was read at {}{}.", node, time_of(history, view.read.done),
                    view.applied_for(ack) >= ack.job
                        ? fmt::format(" and had applied up to job {}", view.applied_for(ack))
                        : std::string()));
  }
  for (const auto& node : behind)
    anomaly.explanation.push_back(fmt::format("{} does not show it either, but may lag.", node));
  findings.add(std::move(anomaly));
}

// Values that nobody wrote, or that were refused for certain. Lists are exactly-once's to judge.
void Judge::check_unexpected(std::string_view write, const std::map<std::string, View>& views) {
  const auto& history = input.history;
  std::unordered_map<std::string, Call> tried;
  for (const auto& call : calls_of(history, {write})) {
    const auto [it, added] = tried.try_emplace(text(argument(history, call)), call);
    if (!added && it->second.outcome == OpType::fail) it->second = call;
  }
  std::unordered_set<std::string> recovered_values;
  for (const auto& [node, view] : views)
    for (const auto& value : view.values) {
      const auto found = tried.find(value);
      if (found != tried.end() && found->second.outcome == OpType::info)
        recovered_values.insert(value);
      const bool failed = found != tried.end() && found->second.outcome == OpType::fail;
      if (found != tried.end() && !failed) continue;
      ++unexpected;
      Anomaly anomaly{failed ? "failed-write-applied" : "unexpected",
                      "I3",
                      "",
                      {},
                      view.read.indices(),
                      {{"value", value}, {"node", node}}};
      anomaly.summary =
          failed
              ? fmt::format("{} was answered as certainly failed at {}, but {} has it at {}",
                            name_call(history, found->second), time_of(history, found->second.done),
                            node, time_of(history, view.read.done))
              : fmt::format("{} has {} in the set at {}, but no client ever added it", node, value,
                            time_of(history, view.read.done));
      if (failed)
        for (const auto index : found->second.indices()) anomaly.ops.push_back(index);
      findings.add(std::move(anomaly));
    }
  recovered += recovered_values.size();
}

void Judge::judge(std::string_view write, std::string_view read, const std::vector<Ack>& acks) {
  if (!input.history.has_f(write)) return;
  std::vector<Ack> mine;
  for (const auto& ack : acks)
    if (f_of(input.history, ack.call) == write) mine.push_back(ack);
  const auto shown = views(read, mine);
  for (const auto& node : without_final(input, final_reads(input, read)))
    findings.unknown(fmt::format("{} gave no final {}", node, read));
  if (nodes.empty()) findings.unknown(fmt::format("there is no final {}", read));
  for (const auto& ack : mine) check_ack(ack, shown);
  if (write == "add") check_unexpected(write, shown);
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  const Acks acks = acknowledged(input.history);
  for (const auto& reason : acks.malformed) findings.unknown(reason);
  const AppliedProgress progress(input);
  Judge judge{input, progress, faults_of(input), surviving_nodes(input), findings};
  judge.judge("add", "read-set", acks.all);
  judge.judge("append", "lists", acks.all);
  findings.stats = {{"acknowledged", acks.all.size()},
                    {"lost", judge.lost},
                    {"missing-on-some", judge.missing},
                    {"recovered", judge.recovered},
                    {"unexpected", judge.unexpected}};
  return std::move(findings).result(
      fmt::format("all {} acknowledged writes are on all {} nodes at the end", acks.all.size(),
                  judge.nodes.size()));
}

}  // namespace
}  // namespace set_full

const Checker& set_full_checker() {
  static const FunctionChecker checker(
      "set-full", "every acknowledged add and append is on every node at the end (I3)",
      set_full::fits, set_full::check);
  return checker;
}

}  // namespace gameday
