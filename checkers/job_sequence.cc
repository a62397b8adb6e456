// Job ids are sequential, without gap and never reused, and a job is on every node what was
// acknowledged under its id (I1).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "checkers/checkers.h"
#include "checkers/fault_windows.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"

namespace gameday {
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

// Every acknowledged write that the node's list covers stands in it under its own id.
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
    if (ack.job < rows.front().id || ack.job > rows.back().id) continue;
    const auto at = by_id.find(ack.job);
    if (at != by_id.end() && at->second->key == ack.key) continue;
    const auto elsewhere = id_of_key.find(ack.key);
    const bool lost = elsewhere == id_of_key.end();
    if (lost && at != by_id.end() && at->second->key.empty()) continue;  // it may be that write
    Anomaly anomaly{lost ? "lost-job" : "wrong-job",
                    "I1",
                    "",
                    {},
                    ack.call.indices(),
                    {{"node", node}, {"job", ack.job}, {"key", ack.key}}};
    const std::string other = at == by_id.end()         ? "a gap"
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

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto& history = input.history;
  const Acks acks = acknowledged(history);
  for (const auto& reason : acks.malformed) findings.unknown(reason);
  check_acks(input, acks, findings);

  const auto finals = final_reads(input, "jobs");
  std::size_t lists = 0;
  for (const auto& call : calls_of(history, {"jobs"})) {
    if (!call.ok()) continue;
    const auto rows = parse_jobs(answer(history, call));
    const auto& node = node_of(history, call);
    if (!rows) {
      findings.unknown(fmt::format("{} answered jobs at {} with something that is no list of jobs",
                                   node, time_of(history, call.done)));
      continue;
    }
    ++lists;
    check_list(history, call, *rows, findings);
    const auto final = finals.find(node);
    if (final != finals.end() && final->second.invoke == call.invoke && !rows->empty())
      check_keys(input, acks, node, call, *rows, findings);
  }
  if (history.has_f("jobs"))
    for (const auto& node : without_final(input, finals))
      findings.unknown(fmt::format("{} gave no final list of jobs", node));
  findings.stats = {{"acknowledged", acks.all.size()}, {"lists", lists}};
  return std::move(findings).result(
      fmt::format("{} acknowledged job ids are unique and stand in {} lists of jobs without gap",
                  acks.all.size(), lists));
}

}  // namespace

const Checker& job_sequence_checker() {
  static const FunctionChecker checker(
      "job-sequence", "job ids have no gap, are never reused, and hold what was acknowledged (I1)",
      fits, check);
  return checker;
}

}  // namespace gameday
