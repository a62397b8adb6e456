// Job ids are sequential, without gap and never reused, and a job is on every node what was
// acknowledged under its id (I1).
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
namespace job_sequence {
namespace {

bool fits(const CheckInput& input) {
  const auto& history = input.history;
  return history.has_f("append") || history.has_f("add") || history.has_f("jobs");
}

void check_acks(const CheckInput& input, const Acks& acks, Findings& findings) {
  const auto& history = input.history;
  std::vector<const Ack*> told;  // in the order in which the clients were told
  for (const auto& ack : acks.all) told.push_back(&ack);
  std::sort(told.begin(), told.end(),
            [](const Ack* a, const Ack* b) { return a->call.done < b->call.done; });
  const auto faults = faults_of(input);
  std::unordered_map<std::int64_t, const Ack*> by_job;
  for (const Ack* ack : told) {
    const auto [it, added] = by_job.try_emplace(ack->job, ack);
    if (added) continue;
    const Ack& first = *it->second;
    Anomaly anomaly{"job-id-reused", "I1", "", {}, first.call.indices(), {{"job", ack->job}}};
    anomaly.summary =
        fmt::format("job id {} was acknowledged twice: for {} at {}, and for {} at {}", ack->job,
                    name_call(history, first.call), time_of(history, first.call.done),
                    name_call(history, ack->call), time_of(history, ack->call.done));
    anomaly.explanation = {
        fmt::format("The first acknowledgement came {}.",
                    faults_at(faults, history.time(static_cast<std::size_t>(first.call.done)))),
        fmt::format("The second came {}.",
                    faults_at(faults, history.time(static_cast<std::size_t>(ack->call.done))))};
    for (const auto index : ack->call.indices()) anomaly.ops.push_back(index);
    findings.add(std::move(anomaly));
  }
}

// One node's list on its own: ascending by one from its first id on.
void check_list(const History& history, const Call& call, const std::vector<JobRow>& rows,
                Findings& findings) {
  for (std::size_t i = 1, highest = 0; i < rows.size(); ++i) {
    const auto top = rows[highest].id, before = rows[i - 1].id, id = rows[i].id;
    if (id > top) highest = i;
    if (id == top + 1) continue;
    const char* type = id > top ? "job-gap" : id == before ? "job-id-reused" : "job-order";
    std::string what;
    if (id == top + 2)
      what = fmt::format("job {} is missing", top + 1);
    else if (id > top)
      what = fmt::format("jobs {} to {} are missing", top + 1, id - 1);
    else if (id == before)
      what = fmt::format("job {} is there twice", id);
    else
      what = fmt::format("job {} stands behind job {}", id, before);
    Anomaly anomaly{type, "I1", "", {}, call.indices(), {{"after", before}, {"job", id}}};
    anomaly.summary = fmt::format("in the jobs that {} has applied, {} (asked at {})",
                                  node_of(history, call), what, time_of(history, call.done));
    findings.add(std::move(anomaly));
  }
}

// Every acknowledged write that the node's list covers stands in it under its own id, and none that
// it does not cover stands in it under another.
void check_keys(const CheckInput& input, const Acks& acks, const std::string& node,
                const Call& call, const std::vector<JobRow>& rows, Findings& findings) {
  const auto& history = input.history;
  std::unordered_map<std::string, std::int64_t> id_of_key;
  std::unordered_map<std::int64_t, const JobRow*> by_id;
  for (const auto& row : rows) {
    if (!row.key.empty()) id_of_key.emplace(row.key, row.id);
    by_id.emplace(row.id, &row);
  }
  if (id_of_key.empty()) return;  // a node that keeps no keys says nothing about them
  for (const auto& ack : acks.all) {
    const auto at = by_id.find(ack.job);
    if (at != by_id.end() && at->second->key == ack.key) continue;
    const auto elsewhere = id_of_key.find(ack.key);
    const bool lost = elsewhere == id_of_key.end();
    const bool covered = ack.job >= rows.front().id && ack.job <= rows.back().id;
    if (lost && !covered) continue;
    if (lost && at != by_id.end() && at->second->key.empty()) continue;  // it may be that write
    Anomaly anomaly{lost ? "lost-job" : "wrong-job",
                    "I1",
                    "",
                    {},
                    ack.call.indices(),
                    {{"node", node}, {"job", ack.job}, {"key", ack.key}}};
    const std::string other = !covered                  ? "not among its jobs"
                              : at == by_id.end()       ? "a gap"
                              : at->second->key.empty() ? "a job without a key"
                                                        : at->second->key;
    anomaly.summary =
        fmt::format("{} was acknowledged as job {} at {}, but on {} job {} is {}{}",
                    name_call(history, ack.call), ack.job, time_of(history, ack.call.done), node,
                    ack.job, other,
                    lost ? " and the write is nowhere among its jobs"
                         : fmt::format(" and the write stands at job {}", elsewhere->second));
    anomaly.explanation = {
        fmt::format(
            "It was acknowledged {}.",
            faults_at(faults_of(input), history.time(static_cast<std::size_t>(ack.call.done)))),
        fmt::format("{} answered at {} with jobs {} to {}.", node, time_of(history, call.done),
                    rows.front().id, rows.back().id)};
    for (const auto index : call.indices()) anomaly.ops.push_back(index);
    findings.add(std::move(anomaly));
  }
}

// What a node has applied at the end.
struct FinalList {
  std::string node;
  Call call;
  std::unordered_set<std::string> keys;
  std::int64_t last = 0;  // the highest id; 0 for an empty list
};

// The ends of the final lists: an acknowledged job that a list does not reach is lost there, unless
// the node may lag. It does not if the cluster had come to rest before it was asked, if the node had
// said that it had applied as much, or if all logs end below the job.
class Ends {
 public:
  Ends(const CheckInput& input, std::vector<FinalList> lists)
      : input_(input), progress_(input), settled_(settled_at(input)), lists_(std::move(lists)) {}

  void check(const Acks& acks, Findings& findings) {
    for (const auto& ack : acks.all) check_ack(ack, findings);
    if (beyond_.empty()) return;
    const auto lowest = *std::min_element(beyond_.begin(), beyond_.end());
    findings.unknown(fmt::format(
        "{} acknowledged, but no list reaches so far, and no node is known to have applied as much",
        beyond_.size() == 1 ? fmt::format("job {} was", lowest)
                            : fmt::format("{} jobs from job {} on were", beyond_.size(), lowest)));
  }

 private:
  void check_ack(const Ack& ack, Findings& findings) {
    std::vector<const FinalList*> lost;
    bool reached = false, behind = false;
    for (const auto& list : lists_) {
      if (!ack.call.done_before(list.call.invoke)) continue;
      if (ack.job <= list.last || list.keys.contains(ack.key))  // check_keys judges the id
        reached = true;
      else if (!why_not_lag(ack, list).empty())
        lost.push_back(&list);
      else
        behind = true;
    }
    if (!lost.empty()) return findings.full() ? findings.count_only() : report(ack, lost, findings);
    if (!reached && behind) beyond_.push_back(ack.job);
  }

  std::string why_not_lag(const Ack& ack, const FinalList& list) const {
    const auto done = static_cast<std::size_t>(ack.call.done);
    if (settled_ && done < *settled_ && *settled_ < list.call.invoke)
      return fmt::format("all nodes had come to rest at {}",
                         seconds(input_.history.time(*settled_)));
    const auto applied = progress_.before(list.node, list.call);
    if (applied && *applied >= ack.job)
      return fmt::format("it had said before that it had applied job {}", *applied);
    const auto quiet = progress_.quiet_at(done);
    if (quiet && *quiet < ack.job) return fmt::format("the logs of all nodes end at job {}", *quiet);
    return {};
  }

  void report(const Ack& ack, const std::vector<const FinalList*>& lost, Findings& findings) const {
    const auto& history = input_.history;
    std::vector<std::string> nodes, ends;
    Anomaly anomaly{"lost-job", "I1", "", {}, ack.call.indices(), {}};
    anomaly.explanation.push_back(fmt::format(
        "It was acknowledged {}.",
        faults_at(faults_of(input_), history.time(static_cast<std::size_t>(ack.call.done)))));
    for (const FinalList* list : lost) {
      nodes.push_back(list->node);
      ends.push_back(list->last == 0
                         ? fmt::format("{} has no jobs at all", list->node)
                         : fmt::format("the jobs of {} end at {}", list->node, list->last));
      anomaly.explanation.push_back(fmt::format("{} answered at {}, and {}.", list->node,
                                                time_of(history, list->call.done),
                                                why_not_lag(ack, *list)));
      for (const auto index : list->call.indices()) anomaly.ops.push_back(index);
    }
    anomaly.summary =
        fmt::format("{} was acknowledged as job {} at {}, but {}", name_call(history, ack.call),
                    ack.job, time_of(history, ack.call.done), join_names(ends));
    anomaly.detail = {{"missing-on", nodes}, {"job", ack.job}, {"key", ack.key}};
    findings.add(std::move(anomaly));
  }

  const CheckInput& input_;
  const AppliedProgress progress_;
  const std::optional<std::size_t> settled_;
  const std::vector<FinalList> lists_;
  std::vector<std::int64_t> beyond_;  // jobs that no list reaches and no node is known to have had
};

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto& history = input.history;
  const Acks acks = acknowledged(history);
  for (const auto& reason : acks.malformed) findings.unknown(reason);
  check_acks(input, acks, findings);

  const auto finals = final_reads(input, "jobs");
  std::vector<FinalList> ends;
  std::size_t lists = 0;
  for (const auto& call : calls_of(history, {"jobs"})) {
    if (!call.ok()) continue;
    auto rows = parse_jobs(answer(history, call));
    const auto& node = node_of(history, call);
    if (!rows) {
      findings.unknown(fmt::format("{} answered jobs at {} with something that is no list of jobs",
                                   node, time_of(history, call.done)));
      continue;
    }
    ++lists;
    check_list(history, call, *rows, findings);
    const auto final = finals.find(node);
    if (final == finals.end() || final->second.invoke != call.invoke) continue;
    if (!rows->empty()) check_keys(input, acks, node, call, *rows, findings);
    FinalList& end = ends.emplace_back(FinalList{node, call, {}, 0});
    for (auto& row : *rows) {
      end.last = std::max(end.last, row.id);
      end.keys.insert(std::move(row.key));
    }
  }
  Ends(input, std::move(ends)).check(acks, findings);
  if (history.has_f("jobs"))
    for (const auto& node : without_final(input, finals))
      findings.unknown(fmt::format("{} gave no final list of jobs", node));
  findings.stats = {{"acknowledged", acks.all.size()}, {"lists", lists}};
  return std::move(findings).result(fmt::format(
      "{} acknowledged job ids are unique, and {} lists of jobs have no gap and hold them as far as "
      "they reach",
      acks.all.size(), lists));
}

}  // namespace
}  // namespace job_sequence

const Checker& job_sequence_checker() {
  static const FunctionChecker checker(
      "job-sequence", "job ids have no gap, are never reused, and hold what was acknowledged (I1)",
      job_sequence::fits, job_sequence::check, true);
  return checker;
}

}  // namespace gameday
