#include "checkers/txn/anomalies.h"

#include <algorithm>

namespace gameday::txn {

void Anomalies::add(std::string_view type, const std::function<Anomaly()>& word) {
  const auto found = types_.find(type);
  Type& kept = found != types_.end() ? found->second : types_[std::string(type)];
  ++kept.count;
  if (kept.worded.size() >= kWorded) return;
  kept.worded.push_back(word());
  kept.worded.back().type = type;
}

void Anomalies::unknown(std::string reason, std::string type) {
  if (std::find(unknowns_.begin(), unknowns_.end(), reason) != unknowns_.end()) return;
  unknowns_.push_back(std::move(reason));
  if (!type.empty()) unknown_types_.push_back(std::move(type));
}

void Anomalies::merge(Anomalies&& later) {
  for (auto& [name, type] : later.types_) {
    Type& kept = types_[name];
    kept.count += type.count;
    for (Anomaly& anomaly : type.worded)
      if (kept.worded.size() < kWorded) kept.worded.push_back(std::move(anomaly));
  }
  for (auto& reason : later.unknowns_) unknown(std::move(reason));
  for (auto& type : later.unknown_types_) unknown_types_.push_back(std::move(type));
}

}  // namespace gameday::txn
