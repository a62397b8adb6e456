// The smallest k for which each key is k-atomic; see k_atomic.h. Exact for k = 1 and 2, and beyond
// as far as a bounded search decides; else the bounds that are certain.
#include <fmt/format.h>

#include <algorithm>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"
#include "checkers/workload/guarantees/k_atomic.h"
#include "checkers/workload/guarantees/zones.h"

namespace gameday::guarantees {
namespace {

struct Bounds {
  std::int64_t lower = 1, upper = 1;
  Stale witness;           // of the lower bound, where it has one
  bool by_search = false;  // the lower bound is what no order can do better than
};

class KAtomicity {
 public:
  explicit KAtomicity(const ModelInput& input)
      : options_(input.options),
        limits_(input.limits),
        registers_(input),
        zones_(zones(registers_)),
        times_(registers_.keys.size()),
        bounds_(registers_.keys.size()) {}

  CheckResult check() && {
    for (const std::string& reason : registers_.unknown) findings_.unknown(reason);
    future_reads();
    collect();
    for (const Stale& stale : staleness(registers_, zones_)) {
      Bounds& of = bounds_[key(registers_.accesses[stale.read])];
      if (stale.versions + 1 <= of.lower) continue;
      of.lower = stale.versions + 1;
      of.witness = stale;
    }
    std::int64_t lower = 1, upper = 1;
    for (std::size_t k = 0; k < bounds_.size(); ++k) {
      decide(bounds_[k], times_[k]);
      lower = std::max(lower, bounds_[k].lower);
      upper = std::max(upper, bounds_[k].upper);
      judge(k);
    }
    findings_.stats["keys"] = bounds_.size();
    findings_.stats["k-at-least"] = lower;
    findings_.stats["k-at-most"] = upper;
    findings_.stats["k"] = lower == upper ? Json(lower) : Json();
    const bool within =
        options_.max_staleness_versions && upper <= *options_.max_staleness_versions + 1;
    if (lower < upper && !within)
      findings_.unknown(fmt::format("the smallest k is between {} and {}", lower, upper));
    return std::move(findings_).result(
        lower == upper
            ? fmt::format("every key is {}-atomic, and k cannot be smaller", upper)
            : fmt::format("every key is {}-atomic; the smallest k is at least {}", upper, lower));
  }

 private:
  std::size_t key(const Access& a) const {
    return static_cast<std::size_t>(registers_.versions[static_cast<std::size_t>(a.version)].key);
  }

  // A read that ended before the write of its value began: no k allows that.
  void future_reads() {
    for (const Access& a : registers_.accesses) {
      const Version& version = registers_.versions[static_cast<std::size_t>(a.version)];
      if (a.write || version.writer < 0) continue;
      const Access& write = registers_.accesses[static_cast<std::size_t>(version.writer)];
      if (finished(registers_, a) >= invoked(registers_, write)) continue;
      if (findings_.full()) {
        findings_.count_only();
        continue;
      }
      Anomaly anomaly;
      anomaly.type = "future-read";
      anomaly.summary =
          fmt::format("{} was read before its write began", registers_.describe(a.version));
      anomaly.explanation = {fmt::format("The read: {}.", registers_.words(a)),
                             fmt::format("The write: {}.", registers_.words(write))};
      anomaly.ops = {registers_.op(a), registers_.op(write)};
      findings_.add(std::move(anomaly));
    }
  }

  // What nobody read and nobody acknowledged may be left out: nothing is any worse for that.
  void collect() {
    std::vector<std::int64_t> last_read(registers_.versions.size(), -1);
    for (const Access& a : registers_.accesses)
      if (!a.write) {
        std::int64_t& last = last_read[static_cast<std::size_t>(a.version)];
        last = std::max(last, invoked(registers_, a));
      }
    for (std::size_t k = 0; k < times_.size(); ++k) times_[k].push_back({-2, -1, last_read[k]});
    for (std::size_t v = times_.size(); v < zones_.size(); ++v) {
      const Version& version = registers_.versions[v];
      if (version.writer < 0 || zones_[v].finish == kNever) continue;
      const Access& write = registers_.accesses[static_cast<std::size_t>(version.writer)];
      times_[static_cast<std::size_t>(version.key)].push_back(
          {invoked(registers_, write), zones_[v].finish, last_read[v]});
    }
  }

  void decide(Bounds& of, const std::vector<VersionTimes>& times) const {
    of.upper = std::max(of.lower, k_of_order_by_written(times));
    auto steps = static_cast<std::int64_t>(times.size()) * 64 + 100'000;
    while (of.lower < of.upper && limits_.expired() == nullptr) {
      const std::optional<bool> possible = is_k_atomic(times, of.lower, steps);
      if (!possible) return;
      if (*possible) {
        of.upper = of.lower;
      } else {
        ++of.lower;
        of.by_search = true;
      }
    }
  }

  void judge(std::size_t k) {
    const Bounds& of = bounds_[k];
    if (!options_.max_staleness_versions || of.lower <= *options_.max_staleness_versions + 1)
      return;
    if (findings_.full()) return findings_.count_only();
    Anomaly anomaly;
    anomaly.type = "not-k-atomic";
    const Value name = registers_.keys.value(static_cast<std::int32_t>(k));
    anomaly.summary = fmt::format("{} is not {}-atomic; the smallest k is {}{}",
                                  name.is_nil() && registers_.keys.size() == 1
                                      ? "the register"
                                      : fmt::format("key {}", registers_.events.values().edn(name)),
                                  *options_.max_staleness_versions + 1,
                                  of.lower == of.upper ? "" : "at least ", of.lower);
    if (of.witness.overwriter >= 0) {
      const Access& read = registers_.accesses[of.witness.read];
      const Access& over = registers_.accesses[static_cast<std::size_t>(of.witness.overwriter)];
      anomaly.explanation.push_back(
          fmt::format("A read of {} has {} acknowledged writes between that value and its own "
                      "begin: {}. The first "
                      "of them to end: {}.",
                      registers_.describe(read.version), of.witness.versions,
                      registers_.words(read), registers_.words(over)));
      anomaly.ops = {registers_.op(over), registers_.op(read)};
    }
    if (of.by_search)
      anomaly.explanation.push_back(fmt::format(
          "No order of the writes that real time allows keeps every read within {} writes.",
          of.lower - 1));
    anomaly.detail = {{"key", registers_.events.values().json(name)},
                      {"k-at-least", of.lower},
                      {"k-at-most", of.upper}};
    findings_.add(std::move(anomaly));
  }

  const ModelOptions& options_;
  const Limits& limits_;
  Registers registers_;
  std::vector<Zone> zones_;
  std::vector<std::vector<VersionTimes>> times_;  // by key
  std::vector<Bounds> bounds_;
  Findings findings_;
};

}  // namespace

CheckResult check_k_atomicity(const ModelInput& input) { return KAtomicity(input).check(); }

}  // namespace gameday::guarantees
