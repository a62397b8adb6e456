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

void Anomalies::unknown(std::string reason) {
  if (std::find(unknowns_.begin(), unknowns_.end(), reason) == unknowns_.end())
    unknowns_.push_back(std::move(reason));
}

}  // namespace gameday::txn
