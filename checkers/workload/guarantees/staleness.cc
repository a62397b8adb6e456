// How old reads are, for registers with unique written values: in versions, the number of
// acknowledged writes that began after the version read was certainly there and ended before the
// read began; in time, how long before the read began the first of them had ended. Both are lower
// bounds that hold in any order of the writes that real time allows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"
#include "checkers/workload/guarantees/zones.h"

namespace gameday::guarantees {
namespace {

template <typename Number>
Json quantiles(std::vector<Number>& of) {
  Json json = Json::object();
  const std::pair<const char*, double> all[] = {{"p50", 0.5}, {"p99", 0.99}, {"max", 1}};
  for (const auto& [name, q] : all) {
    const auto n = static_cast<double>(of.size());
    const auto rank = static_cast<std::ptrdiff_t>(std::max(1.0, std::ceil(q * n))) - 1;
    std::nth_element(of.begin(), of.begin() + rank, of.end());
    json[name] = of[static_cast<std::size_t>(rank)];
  }
  return json;
}

class Staleness {
 public:
  explicit Staleness(const ModelInput& input)
      : options_(input.options), limits_(input.limits), registers_(input) {}

  CheckResult check() && {
    for (const std::string& reason : registers_.unknown) findings_.unknown(reason);
    const std::vector<Zone> all = zones(registers_);
    if (const char* reason = limits_.expired()) {
      findings_.unknown(reason);
      return std::move(findings_).result("");
    }
    const bool times = registers_.events.has_times();
    for (const Stale& stale : staleness(registers_, all)) {
      versions_.push_back(stale.versions);
      const double late = stale.versions > 0 && times ? age_ms(stale) : 0;
      if (times) ms_.push_back(late);
      stale_ += stale.versions > 0 ? 1 : 0;
      judge(stale, late);
    }
    if (options_.max_staleness_ms && !times)
      findings_.unknown("the history has no times, so no bound in milliseconds can be judged");
    findings_.stats = {{"reads", versions_.size()}, {"stale-reads", stale_}};
    if (!versions_.empty()) findings_.stats["staleness-versions"] = quantiles(versions_);
    if (!ms_.empty()) findings_.stats["staleness-ms"] = quantiles(ms_);
    return std::move(findings_).result(summary());
  }

 private:
  std::string summary() const {
    const Json& stats = findings_.stats;
    if (stale_ == 0) return fmt::format("none of {} reads is certainly stale", versions_.size());
    std::string text =
        fmt::format("{} of {} reads are certainly stale, by {} versions at most", stale_,
                    versions_.size(), stats["staleness-versions"]["max"].dump());
    if (!ms_.empty())
      text += fmt::format(" and {:.3f} ms", stats["staleness-ms"]["max"].get<double>());
    return text;
  }

  const Access& access(std::int32_t i) const {
    return registers_.accesses[static_cast<std::size_t>(i)];
  }

  double age_ms(const Stale& stale) const {
    const Events& events = registers_.events;
    const std::int64_t read =
        events.time(events.pairs()[registers_.accesses[stale.read].pair].invoke);
    const std::int64_t over =
        events.time(static_cast<std::size_t>(finished(registers_, access(stale.overwriter))));
    return read < 0 || over < 0 ? 0
                                : static_cast<double>(std::max<std::int64_t>(0, read - over)) / 1e6;
  }

  void judge(const Stale& stale, double late) {
    const bool old =
        options_.max_staleness_versions && stale.versions > *options_.max_staleness_versions;
    const bool long_ago = options_.max_staleness_ms && late > *options_.max_staleness_ms;
    if (!old && !long_ago) return;
    if (findings_.full()) return findings_.count_only();
    const Access& read = registers_.accesses[stale.read];
    const Access& over = access(stale.overwriter);
    Anomaly anomaly;
    anomaly.type = "stale-read";
    anomaly.summary = fmt::format(
        "a read of {} is {} version{}{} old, more than {}", registers_.describe(read.version),
        stale.versions, stale.versions == 1 ? "" : "s",
        registers_.events.has_times() ? fmt::format(" and {:.3f} ms", late) : "",
        long_ago ? fmt::format("{:.3f} ms", *options_.max_staleness_ms)
                 : fmt::format("{} versions", *options_.max_staleness_versions));
    const std::int32_t writer = registers_.versions[static_cast<std::size_t>(read.version)].writer;
    if (writer >= 0) {
      anomaly.explanation.push_back(
          fmt::format("It was written by {}.", registers_.words(access(writer))));
      anomaly.ops.push_back(registers_.op(access(writer)));
    }
    anomaly.explanation.push_back(
        fmt::format("{} was written after that and acknowledged before the read began: {}.",
                    registers_.describe(over.version), registers_.words(over)));
    anomaly.explanation.push_back(fmt::format("The read: {}.", registers_.words(read)));
    anomaly.ops.push_back(registers_.op(over));
    anomaly.ops.push_back(registers_.op(read));
    anomaly.detail = {{"versions", stale.versions}};
    if (registers_.events.has_times()) anomaly.detail["ms"] = late;
    findings_.add(std::move(anomaly));
  }

  const ModelOptions& options_;
  const Limits& limits_;
  Registers registers_;
  std::vector<std::int64_t> versions_;
  std::vector<double> ms_;
  std::size_t stale_ = 0;
  Findings findings_;
};

}  // namespace

CheckResult check_staleness(const ModelInput& input) { return Staleness(input).check(); }

}  // namespace gameday::guarantees
