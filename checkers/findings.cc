#include "checkers/findings.h"

#include <fmt/format.h>

namespace gameday {

void Findings::add(Anomaly anomaly) {
  ++count_;
  if (!full()) anomalies_.push_back(std::move(anomaly));
}

void Findings::unknown(std::string reason) {
  if (seen_reasons_.insert(reason).second) reasons_.push_back(std::move(reason));
}

CheckResult Findings::result(std::string valid_summary) && {
  constexpr std::size_t kReasonLimit = 5;
  CheckResult result;
  std::string reasons;
  for (std::size_t i = 0; i < reasons_.size() && i < kReasonLimit; ++i)
    reasons += (i == 0 ? "" : "; ") + reasons_[i];
  if (reasons_.size() > kReasonLimit)
    reasons += fmt::format("; and {} more reasons", reasons_.size() - kReasonLimit);
  if (count_ > 0) {
    result.verdict = Verdict::invalid;
    result.summary = fmt::format("{} {}; the first: {}", count_,
                                 count_ == 1 ? "anomaly" : "anomalies", anomalies_[0].summary);
    if (!reasons.empty()) result.summary += fmt::format(" (not judged: {})", reasons);
  } else if (!reasons.empty()) {
    result.verdict = Verdict::unknown;
    result.summary = std::move(reasons);
  } else {
    result.verdict = Verdict::valid;
    result.summary = std::move(valid_summary);
  }
  result.anomalies = std::move(anomalies_);
  result.anomaly_count = count_;
  result.stats = std::move(stats);
  return result;
}

}  // namespace gameday
