// What a checker has found so far, and the result that follows from it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "harness/core/checker.h"

namespace gameday {

class Findings {
 public:
  // Keeps the first kAnomalyLimit and counts all.
  void add(Anomaly anomaly);
  // The next anomaly would only be counted: no need to word it.
  bool full() const { return anomalies_.size() >= kAnomalyLimit; }
  void count_only() { ++count_; }
  // Something that could not be judged, in a sentence. The same sentence counts once.
  void unknown(std::string reason);

  Json stats = Json::object();

  // INVALID if there is an anomaly, else UNKNOWN if something could not be judged, else VALID with
  // this summary.
  CheckResult result(std::string valid_summary) &&;

 private:
  std::vector<Anomaly> anomalies_;
  std::size_t count_ = 0;
  std::vector<std::string> reasons_;
  std::set<std::string> seen_reasons_;
};

// A checker made of two functions; checkers hold no state.
class FunctionChecker final : public Checker {
 public:
  using Fits = bool (*)(const CheckInput&);
  using Check = CheckResult (*)(const CheckInput&);

  constexpr FunctionChecker(std::string_view name, std::string_view summary, Fits fits_function,
                            Check check_function, bool early = false)
      : name_(name), summary_(summary), fits_(fits_function), check_(check_function), early_(early) {}

  std::string_view name() const override { return name_; }
  std::string_view summary() const override { return summary_; }
  bool fits(const CheckInput& input) const override { return fits_(input); }
  CheckResult check(const CheckInput& input) const override { return check_(input); }
  bool early() const override { return early_; }

 private:
  std::string_view name_, summary_;
  Fits fits_;
  Check check_;
  bool early_;
};

}  // namespace gameday
