// What the clients did, in numbers. A run whose clients did nothing proves nothing: UNKNOWN.
#include "checkers/stats.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "checkers/calls.h"
#include "checkers/checkers.h"
#include "checkers/findings.h"

namespace gameday {

double percentile_ms(std::vector<std::int64_t>& nanoseconds, double p) {
  if (nanoseconds.empty()) return 0;
  const auto count = static_cast<double>(nanoseconds.size());
  const auto rank = static_cast<std::int64_t>(std::ceil(p / 100 * count)) - 1;
  const auto at = nanoseconds.begin() + std::max<std::int64_t>(rank, 0);
  std::nth_element(nanoseconds.begin(), at, nanoseconds.end());
  return std::round(static_cast<double>(*at) * 1e-3) * 1e-3;
}

Json latency_summary(std::vector<std::int64_t> nanoseconds) {
  Json summary = Json::object();
  for (const auto& [name, p] :
       {std::pair{"p50", 50.0}, {"p95", 95.0}, {"p99", 99.0}, {"max", 100.0}})
    summary[name] = percentile_ms(nanoseconds, p);
  return summary;
}

namespace stats {
namespace {

struct Count {
  std::size_t ok = 0, fail = 0, info = 0;
  std::vector<std::int64_t> latencies;  // of ok
  std::map<std::string, std::size_t> errors;
};

// " (12 times: cannot connect)", of the most frequent one.
std::string most_frequent(const std::map<std::string, std::size_t>& errors) {
  const auto most = std::max_element(errors.begin(), errors.end(),
                                     [](auto& a, auto& b) { return a.second < b.second; });
  if (most == errors.end()) return "";
  return fmt::format(" ({} time{}: {})", most->second, most->second == 1 ? "" : "s", most->first);
}

std::map<std::string, Count> count_by_f(const History& history) {
  std::map<std::string, Count> counts;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (!history.is_client(i) || history.type(i) != OpType::invoke) continue;
    Count& count = counts[history.name(history.f(i))];
    if (history.pair(i) < 0) {
      ++count.info;
      continue;
    }
    const auto done = static_cast<std::size_t>(history.pair(i));
    if (const std::string& error = history.error(done); !error.empty()) ++count.errors[error];
    switch (history.type(done)) {
      case OpType::ok:
        ++count.ok;
        count.latencies.push_back(time_ns(history, done) - time_ns(history, i));
        break;
      case OpType::fail:
        ++count.fail;
        break;
      default:
        ++count.info;
    }
  }
  return counts;
}

// Probes and final reads are made by the run itself: they are no evidence that clients did anything.
bool is_evidence(const std::string& f) {
  static const std::set<std::string> kOfTheRun{"status", "final-status", "jobs", "lists", "read-set"};
  return !kOfTheRun.contains(f);
}

// Servers that ended by themselves, as the run noted them: "n1 exited with code 5".
std::vector<std::string> exits(const History& history) {
  std::vector<std::string> found;
  const auto f = history.find_name("node-exit");
  for (std::size_t i = 0; f != History::kNoName && i < history.size(); ++i) {
    if (history.is_client(i) || history.f(i) != f) continue;
    const Json& value = history.value(i);
    if (value.is_object() && value.value("what", Json()).is_string()) found.push_back(value["what"]);
  }
  return found;
}

bool fits(const CheckInput&) { return true; }

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto& history = input.history;
  std::size_t ok = 0, succeeded = 0, all = 0;
  Json by_f = Json::object();
  for (auto& [f, count] : count_by_f(history)) {
    const std::size_t sum = count.ok + count.fail + count.info;
    ok += is_evidence(f) ? count.ok : 0;
    succeeded += count.ok;
    all += sum;
    by_f[f] = {{"count", sum},
               {"ok", count.ok},
               {"fail", count.fail},
               {"info", count.info},
               {"latency-ms", latency_summary(std::move(count.latencies))}};
    if (count.ok == 0) findings.unknown(fmt::format("none of {} {} operations succeeded{}", sum, f,
                                                        most_frequent(count.errors)));
  }
  if (ok == 0) findings.unknown("no operation of a client succeeded");
  const auto times =
      history.empty() ? 0 : time_ns(history, history.size() - 1) - time_ns(history, 0);
  const double duration = static_cast<double>(times) * 1e-9;
  findings.stats = {{"operations", all},
                    {"ok", succeeded},
                    {"seconds", duration},
                    {"rate", duration > 0 ? static_cast<double>(all) / duration : 0.0},
                    {"by-f", by_f}};
  std::string also;
  if (const auto ended = exits(history); !ended.empty()) {
    findings.stats["node-exits"] = ended;
    also = fmt::format("; servers ended by themselves: {}", fmt::join(ended, ", "));
  }
  return std::move(findings).result(
      fmt::format("{} of {} operations succeeded in {:.1f} s{}", succeeded, all, duration, also));
}

}  // namespace
}  // namespace stats

const Checker& stats_checker() {
  static const FunctionChecker checker(
      "stats", "counts, rates and latencies; UNKNOWN when a kind of operation never succeeded",
      stats::fits, stats::check);
  return checker;
}

}  // namespace gameday
