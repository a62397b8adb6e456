#include "harness/core/checker.h"

#include <exception>
#include <new>

namespace gameday {

Json to_json(const Anomaly& anomaly) {
  Json j = {{"type", anomaly.type}};
  if (!anomaly.invariant.empty()) j["invariant"] = anomaly.invariant;
  j["summary"] = anomaly.summary;
  j["explanation"] = anomaly.explanation;
  j["ops"] = anomaly.ops;
  if (!anomaly.detail.empty()) j["detail"] = anomaly.detail;
  return j;
}

Json to_json(const CheckResult& result) {
  Json anomalies = Json::array();
  std::vector<std::string> types = result.anomaly_types;
  for (const auto& anomaly : result.anomalies) {
    anomalies.push_back(to_json(anomaly));
    if (std::ranges::find(types, anomaly.type) == types.end()) types.push_back(anomaly.type);
  }
  return {{"checker", result.checker},
          {"verdict", to_string(result.verdict)},
          {"summary", result.summary},
          {"anomaly-count", result.anomaly_count},
          {"anomaly-types", std::move(types)},
          {"anomalies", std::move(anomalies)},
          {"stats", result.stats},
          {"seconds", result.seconds}};
}

CheckResult check_safely(const Checker& checker, const CheckInput& input) {
  const auto begin = std::chrono::steady_clock::now();
  CheckResult result;
  try {
    result = checker.check(input);
  } catch (const std::bad_alloc&) {
    result = {};
    result.summary = "the checker ran out of memory";
  } catch (const std::exception& e) {
    result = {};
    result.summary = std::string("the checker failed: ") + e.what();
  }
  result.checker = checker.name();
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace gameday
