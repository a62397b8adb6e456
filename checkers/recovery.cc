// What became of the cluster itself: no server may end without a reason, and after everything was healed
// the cluster should come to rest with all nodes at the same job (I7). A reason is a fault that leaves a
// correct server no choice: after a write that failed, or with a log that is damaged, going on would be
// wrong. Reads the events that the run notes in its history: "node-exit" {"node", "what", "time"} and
// "settled" {"ok", "seconds", "without"}: without these nodes, which did not run.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "checkers/calls.h"
#include "checkers/checkers.h"
#include "checkers/fault_windows.h"
#include "checkers/findings.h"

namespace gameday {
namespace recovery {
namespace {

template <typename Visit>
void each_event(const CheckInput& input, std::string_view f, Visit visit) {
  const History& history = input.history;
  const History::Name name = history.find_name(f);
  for (std::size_t i = 0; i < history.size(); ++i)
    if (!history.is_client(i) && history.f(i) == name && history.value(i).is_object())
      visit(i, history.value(i));
}

std::string text(const Json& value, const char* field) {
  const auto found = value.find(field);
  return found != value.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool fits(const CheckInput& input) {
  return input.history.find_name("settled") != History::kNoName ||
         input.history.find_name("node-exit") != History::kNoName;
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto faults = faults_of(input);
  std::vector<std::string> with_reason;
  each_event(input, "node-exit", [&](std::size_t i, const Json& value) {
    const auto time = integer(value, "time").value_or(std::numeric_limits<std::int64_t>::max());
    const auto reason =
        std::find_if(faults.begin(), faults.end(), [&](const FaultRecord& fault) {
          return may_end_server(fault, text(value, "node"), time);
        });
    if (reason != faults.end()) {
      with_reason.push_back(fmt::format("{} under {}", text(value, "what"), reason->fault));
      return;
    }
    Anomaly anomaly;
    anomaly.type = "node-exit";
    anomaly.summary = text(value, "what") + ", and no fault had asked for that";
    anomaly.explanation = {fmt::format("nodes/{}/log ends with what the server said last.",
                                       text(value, "node"))};
    anomaly.ops = {static_cast<std::int64_t>(i)};
    anomaly.detail = value;
    findings.add(std::move(anomaly));
  });
  std::sort(with_reason.begin(), with_reason.end());
  with_reason.erase(std::unique(with_reason.begin(), with_reason.end()), with_reason.end());
  std::string rest = with_reason.empty()
                         ? "no server ended by itself"
                         : fmt::format("no server ended without a reason ({})", join_names(with_reason));
  each_event(input, "settled", [&](std::size_t, const Json& value) {
    const auto seconds = value.find("seconds");
    const double waited =
        seconds != value.end() && seconds->is_number() ? seconds->get<double>() : 0;
    findings.stats["settled-after-seconds"] = waited;
    const auto ok = value.find("ok");
    if (ok != value.end() && *ok == true) {
      rest += fmt::format(", and all nodes{} had applied the same {:.2f} s after the heal",
                          value.contains("without") ? " that ran" : "", waited);
    } else if (value.value("running", Json()) == 0) {
      findings.unknown("after everything was healed no node would run");
    } else {
      findings.unknown(fmt::format(
          "the cluster did not come to rest within {:.1f} s after everything was healed", waited));
    }
  });
  return std::move(findings).result(rest);
}

}  // namespace
}  // namespace recovery

const Checker& recovery_checker() {
  static const FunctionChecker checker(
      "recovery", "no server ends by itself, and the healed cluster comes to rest (I7)",
      recovery::fits, recovery::check);
  return checker;
}

}  // namespace gameday
