// A run whose faults did nothing proves nothing, nor does a kind of fault that never came about.
#include <fmt/format.h>

#include <map>

#include "checkers/calls.h"
#include "checkers/checkers.h"
#include "checkers/findings.h"

namespace gameday {
namespace faults_proven {
namespace {

// The number of faults that the test had planned; 0 for a bare history.
std::size_t planned(const CheckInput& input) {
  if (!input.test.is_object()) return 0;
  const auto schedule = input.test.find("schedule");
  return schedule != input.test.end() && schedule->is_array() ? schedule->size() : 0;
}

bool fits(const CheckInput& input) { return !input.faults.empty() || planned(input) > 0; }

// The faults of one kind.
struct Kind {
  std::size_t all = 0, requested = 0, injected = 0, bit = 0;
  std::string error;  // the first
  std::string words(const std::string& name) const {
    return fmt::format("{} {} of {}", name, bit, all);
  }
};

// What the journal says of an error begins with `what` already; other records may say the reason only.
std::string with_reason(std::string_view what, const std::string& error) {
  return error.starts_with(what) ? error : fmt::format("{}: {}", what, error);
}

void check_healed(const FaultRecord& fault, Findings& findings) {
  if (fault.in_force < 0) return;
  const std::string name = fmt::format("{} {}", fault.fault, fault.id);
  if (!fault.error.empty())
    findings.unknown(name + " " + with_reason("could not be healed", fault.error));
  else if (fault.healed < 0)
    findings.unknown(name + " was not healed: it is in force where its record ends");
}

void check_injected(const std::string& name, const Kind& kind, Findings& findings) {
  if (kind.injected > 0) return;
  const std::string which =
      kind.all == 1 ? fmt::format("the only {} fault", name)
                    : fmt::format("each of {} {} faults", kind.all, name);
  if (kind.requested == 0) return findings.unknown(which + ": " + kind.error);
  findings.unknown(kind.error.empty()
                       ? which + " was asked for, but never came into force"
                       : which + " " + with_reason("could not be injected", kind.error));
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  std::map<std::string, Kind> kinds;
  std::size_t bit = 0;
  for (const auto& fault : input.faults) {
    Kind& kind = kinds[fault.fault];
    ++kind.all;
    if (fault.requested >= 0) ++kind.requested;
    if (fault.in_force >= 0) ++kind.injected;
    if (kind.error.empty()) kind.error = fault.error;
    if (fault.proof.effective) {
      ++kind.bit;
      ++bit;
    }
    check_healed(fault, findings);
  }
  std::vector<std::string> words, vacuous;
  Json by_kind = Json::object();
  for (const auto& [name, kind] : kinds) {
    check_injected(name, kind, findings);
    words.push_back(kind.words(name));
    if (kind.injected > 0 && kind.bit == 0) vacuous.push_back(kind.words(name));
    by_kind[name] = {{"effective", kind.bit}, {"injected", kind.injected}, {"all", kind.all}};
  }
  if (input.faults.empty()) {
    findings.unknown(fmt::format("none of the {} faults of the schedule was injected, or their journal "
                                 "is lost", planned(input)));
  } else if (bit == 0) {
    findings.unknown(fmt::format("none of {} faults had any effect ({})", input.faults.size(),
                                 join_names(words)));
  }
  findings.stats = {{"faults", input.faults.size()}, {"effective", bit}, {"by-kind", by_kind}};
  std::string summary = fmt::format("{} of {} faults had an effect: {}", bit, input.faults.size(),
                                    join_names(words));
  if (!vacuous.empty()) summary += fmt::format("; vacuous: {} had an effect", join_names(vacuous));
  return std::move(findings).result(std::move(summary));
}

}  // namespace
}  // namespace faults_proven

const Checker& faults_proven_checker() {
  static const FunctionChecker checker(
      "faults-proven", "the faults of the run had an effect and were healed",
      faults_proven::fits, faults_proven::check);
  return checker;
}

}  // namespace gameday
