#include "checkers/txn/conclude.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace gameday::txn {

Wanted::Wanted(const ModelOptions& options)
    : models_(options.consistency), prohibited_(anomalies_prohibited_by(options.consistency)) {
  prohibited_.merge(anomalies_implying(Names(options.anomalies.begin(), options.anomalies.end())));
  const auto about = [&](std::string_view suffix) {
    return std::any_of(prohibited_.begin(), prohibited_.end(),
                       [&](const std::string& anomaly) { return anomaly.ends_with(suffix); });
  };
  order_ = about("-realtime") ? Order::realtime : about("-process") ? Order::process : Order::none;
}

CheckResult conclude(Anomalies&& anomalies, const Wanted& wanted, std::string valid_summary) {
  CheckResult result;
  Names found;
  std::vector<Anomalies::Type*> shown;
  for (auto& [name, type] : anomalies.types()) {
    found.insert(name);
    if (!wanted.prohibits(name)) continue;
    result.anomaly_types.push_back(name);
    result.anomaly_count += type.count;
    shown.push_back(&type);
  }
  // A few of every type rather than many of the first.
  for (std::size_t i = 0; i < Anomalies::kWorded; ++i)
    for (Anomalies::Type* type : shown)
      if (i < type->worded.size() && result.anomalies.size() < kAnomalyLimit)
        result.anomalies.push_back(std::move(type->worded[i]));
  const auto& unknowns = anomalies.unknowns();
  if (result.anomaly_count > 0) {
    Boundary edge = boundary(found);
    result.not_models.assign(edge.not_models.begin(), edge.not_models.end());
    result.also_not.assign(edge.also_not.begin(), edge.also_not.end());
    result.verdict = Verdict::invalid;
    result.summary = fmt::format("{}", fmt::join(result.anomaly_types, ", "));
    if (!result.not_models.empty())
      result.summary = fmt::format("not {}: {}", fmt::join(result.not_models, ", not "), result.summary);
    if (!unknowns.empty()) result.summary += fmt::format(" (not judged: {})", fmt::join(unknowns, "; "));
  } else if (!unknowns.empty()) {
    result.verdict = Verdict::unknown;
    result.summary = fmt::format("{}", fmt::join(unknowns, "; "));
  } else {
    result.verdict = Verdict::valid;
    result.summary = std::move(valid_summary);
  }
  return result;
}

}  // namespace gameday::txn
