// A run whose faults did nothing proves nothing.
#include <fmt/format.h>

#include <map>

#include "checkers/calls.h"
#include "checkers/checkers.h"
#include "checkers/findings.h"

namespace gameday {
namespace {

// The number of faults that the test had planned; 0 for a bare history.
std::size_t planned(const CheckInput& input) {
  if (!input.test.is_object()) return 0;
  const auto schedule = input.test.find("schedule");
  return schedule != input.test.end() && schedule->is_array() ? schedule->size() : 0;
}

bool fits(const CheckInput& input) { return !input.faults.empty() || planned(input) > 0; }

CheckResult check(const CheckInput& input) {
  Findings findings;
  struct Count {
    std::size_t bit = 0, all = 0;
  };
  std::map<std::string, Count> kinds;
  std::size_t bit = 0;
  for (const auto& fault : input.faults) {
    Count& count = kinds[fault.fault];
    ++count.all;
    if (fault.proof.effective) {
      ++count.bit;
      ++bit;
    }
    if (!fault.error.empty() && fault.in_force >= 0)
      findings.unknown(
          fmt::format("{} {} could not be healed: {}", fault.fault, fault.id, fault.error));
  }
  std::vector<std::string> words;
  Json by_kind = Json::object();
  for (const auto& [kind, count] : kinds) {
    words.push_back(fmt::format("{} {} of {}", kind, count.bit, count.all));
    by_kind[kind] = {{"effective", count.bit}, {"all", count.all}};
  }
  if (input.faults.empty()) {
    findings.unknown(fmt::format("none of the {} faults of the schedule was injected, or their journal "
                                 "is lost", planned(input)));
  } else if (bit == 0) {
    findings.unknown(fmt::format("none of {} faults had any effect ({})", input.faults.size(),
                                 join_names(words)));
  }
  findings.stats = {{"faults", input.faults.size()}, {"effective", bit}, {"by-kind", by_kind}};
  return std::move(findings).result(fmt::format("{} of {} faults had an effect: {}", bit,
                                                input.faults.size(), join_names(words)));
}

}  // namespace

const Checker& faults_proven_checker() {
  static const FunctionChecker checker(
      "faults-proven", "the faults of the run had an effect and were healed", fits, check);
  return checker;
}

}  // namespace gameday
