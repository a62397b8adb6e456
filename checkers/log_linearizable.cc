// The log is a linearizable append-only list (I20). The job id of an acknowledgement is a place in
// one total order, so no search is needed: that order is the only candidate, and it must respect
// real time. One walk over the history with a running maximum decides it.
#include <fmt/format.h>

#include <unordered_map>

#include "checkers/checkers.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"

namespace gameday {
namespace log_linearizable {
namespace {

bool fits(const CheckInput& input) {
  return input.history.has_f("append") || input.history.has_f("add");
}

Anomaly explain(const History& history, const Ack& earlier, const Ack& later) {
  Anomaly anomaly{"job-against-real-time",
                  "I20",
                  "",
                  {},
                  earlier.call.indices(),
                  {{"earlier-job", earlier.job}, {"later-job", later.job}}};
  anomaly.summary = fmt::format(
      "{} was acknowledged as job {} at {}, before {} began at {}, but the later write got job {}",
      name_call(history, earlier.call), earlier.job, time_of(history, earlier.call.done),
      name_call(history, later.call), seconds(history.time(later.call.invoke)), later.job);
  anomaly.explanation = {
      fmt::format("First: {}, job {}.", tell_call(history, earlier.call), earlier.job),
      fmt::format("Then: {}, job {}.", tell_call(history, later.call), later.job),
      "An acknowledgement names the write's place in one list that only grows at its end, so a "
      "write that begins after another was acknowledged must stand behind it."};
  for (const auto index : later.call.indices()) anomaly.ops.push_back(index);
  return anomaly;
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto& history = input.history;
  const Acks acks = acknowledged(history);
  for (const auto& reason : acks.malformed) findings.unknown(reason);
  std::unordered_map<std::size_t, const Ack*> at;  // by index of invocation and of completion
  for (const auto& ack : acks.all)
    for (const auto index : ack.call.indices()) at[static_cast<std::size_t>(index)] = &ack;

  const Ack* highest = nullptr;                               // of all that are acknowledged so far
  std::unordered_map<const Ack*, const Ack*> highest_before;  // ... when this one began
  for (std::size_t i = 0; i < history.size(); ++i) {
    const auto found = at.find(i);
    if (found == at.end()) continue;
    const Ack* ack = found->second;
    if (ack->call.invoke == i) {
      highest_before[ack] = highest;
      continue;
    }
    const Ack* before = highest_before.at(ack);
    if (before != nullptr && before->job >= ack->job) {
      if (findings.full())
        findings.count_only();
      else
        findings.add(explain(history, *before, *ack));
    }
    if (highest == nullptr || ack->job > highest->job) highest = ack;
  }
  findings.stats = {{"acknowledged", acks.all.size()}};
  return std::move(findings).result(
      fmt::format("the job ids of {} acknowledged writes respect real time", acks.all.size()));
}

}  // namespace
}  // namespace log_linearizable

const Checker& log_linearizable_checker() {
  static const FunctionChecker checker(
      "log-linearizable",
      "a write that began after another was acknowledged has a higher job (I20)",
      log_linearizable::fits, log_linearizable::check, true);
  return checker;
}

}  // namespace gameday
