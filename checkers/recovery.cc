// What became of the cluster itself: no server may end without a fault's doing, and after everything
// was healed the cluster should come to rest with all nodes at the same job (I7). Reads the events
// that the run notes in its history: "node-exit" {"node", "what"} and "settled" {"ok", "seconds"}.
#include <fmt/format.h>

#include "checkers/checkers.h"
#include "checkers/findings.h"

namespace gameday {
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
  each_event(input, "node-exit", [&](std::size_t i, const Json& value) {
    Anomaly anomaly;
    anomaly.type = "node-exit";
    anomaly.summary = text(value, "what") + ", and no fault had asked for that";
    anomaly.explanation = {fmt::format("nodes/{}/log ends with what the server said last.",
                                       text(value, "node"))};
    anomaly.ops = {static_cast<std::int64_t>(i)};
    anomaly.detail = value;
    findings.add(std::move(anomaly));
  });
  std::string rest = "no server ended by itself";
  each_event(input, "settled", [&](std::size_t, const Json& value) {
    const auto seconds = value.find("seconds");
    const double waited =
        seconds != value.end() && seconds->is_number() ? seconds->get<double>() : 0;
    findings.stats["settled-after-seconds"] = waited;
    const auto ok = value.find("ok");
    if (ok != value.end() && *ok == true) {
      rest += fmt::format(", and all nodes had applied the same {:.2f} s after the heal", waited);
    } else {
      findings.unknown(fmt::format(
          "the cluster did not come to rest within {:.1f} s after everything was healed", waited));
    }
  });
  return std::move(findings).result(rest);
}

}  // namespace

const Checker& recovery_checker() {
  static const FunctionChecker checker(
      "recovery", "no server ends by itself, and the healed cluster comes to rest (I7)", fits, check);
  return checker;
}

}  // namespace gameday
