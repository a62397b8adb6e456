#include "checkers/txn/conclude.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace gameday::txn {

Wanted::Wanted(const ModelOptions& options)
    : models_(options.consistency), prohibited_(anomalies_prohibited_by(options.consistency)) {
  prohibited_.merge(anomalies_implying(Names(options.anomalies.begin(), options.anomalies.end())));
  for (const std::string& model : models_)
    if (anomalies_prohibited_by({model}).empty()) unjudged_.push_back(model);
  const auto about = [&](std::string_view suffix) {
    return std::any_of(prohibited_.begin(), prohibited_.end(),
                       [&](const std::string& anomaly) { return anomaly.ends_with(suffix); });
  };
  order_ = about("-realtime") ? Order::realtime : about("-process") ? Order::process : Order::none;
}

namespace {

constexpr std::string_view kExists = "-cycle-exists";

// That some cycle exists says nothing new where the others rule out the same model.
bool redundant(std::string_view type, const Names& ruled_out) {
  if (!type.ends_with(kExists)) return false;
  return ruled_out.contains(canonical_model(type.substr(0, type.size() - kExists.size())));
}

}  // namespace

CheckResult conclude(Anomalies&& anomalies, const Wanted& wanted, std::string valid_summary) {
  CheckResult result;
  for (const std::string& model : wanted.unjudged())
    anomalies.unknown(fmt::format(
        "{} cannot be judged from such histories; serializable and strong-session-serializable can",
        model));
  Names found, shown_names;
  for (const auto& [name, type] : anomalies.types()) {
    found.insert(name);
    if (wanted.prohibits(name) && !name.ends_with(kExists)) shown_names.insert(name);
  }
  const Names ruled_out = models_ruled_out_by(shown_names);
  std::vector<Anomalies::Type*> shown;
  for (auto& [name, type] : anomalies.types()) {
    if (!wanted.prohibits(name) || redundant(name, ruled_out)) continue;
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
  const std::string types = fmt::format("{}", fmt::join(result.anomaly_types, ", "));
  for (const auto& type : anomalies.unknown_types()) result.anomaly_types.push_back(type);
  std::sort(result.anomaly_types.begin(), result.anomaly_types.end());
  if (result.anomaly_count == 0 && unknowns.empty()) {
    result.verdict = Verdict::valid;
    result.summary = std::move(valid_summary);
    return result;
  }
  Boundary edge = boundary(found);
  result.not_models.assign(edge.not_models.begin(), edge.not_models.end());
  result.also_not.assign(edge.also_not.begin(), edge.also_not.end());
  if (result.anomaly_count == 0) {
    result.verdict = Verdict::unknown;
    result.summary = fmt::format("{}", fmt::join(unknowns, "; "));
    return result;
  }
  result.verdict = Verdict::invalid;
  result.summary = result.not_models.empty()
                       ? types
                       : fmt::format("not {}: {}", fmt::join(result.not_models, ", not "), types);
  if (!unknowns.empty())
    result.summary += fmt::format(" (not judged: {})", fmt::join(unknowns, "; "));
  return result;
}

}  // namespace gameday::txn
