// From anomalies and what was asked for to a verdict.
#pragma once

#include "checkers/txn/anomalies.h"
#include "checkers/txn/consistency.h"

namespace gameday::txn {

// What `--consistency` and `--anomalies` ask for.
class Wanted {
 public:
  // Throws std::invalid_argument, with the known names, for a model that there is not.
  explicit Wanted(const ModelOptions& options);

  const Names& prohibited() const { return prohibited_; }
  bool prohibits(std::string_view anomaly) const { return prohibited_.contains(anomaly); }
  // The order of transactions that the prohibited anomalies are about: realtime if any is, else
  // process if any is.
  Order order() const { return order_; }
  const std::vector<std::string>& models() const { return models_; }
  // Models that rule out no anomaly that is known: nothing found does not mean that they hold.
  const std::vector<std::string>& unjudged() const { return unjudged_; }

 private:
  std::vector<std::string> models_, unjudged_;
  Names prohibited_;
  Order order_ = Order::none;
};

// INVALID if a prohibited anomaly was found; else UNKNOWN if something could not be judged; else
// VALID. Lists prohibited anomalies only; not_models and also_not follow from all that were found,
// and are empty where none of them is prohibited (as Elle does).
CheckResult conclude(Anomalies&& anomalies, const Wanted& wanted, std::string valid_summary);

}  // namespace gameday::txn
