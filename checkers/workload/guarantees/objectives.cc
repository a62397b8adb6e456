// Availability and latency objectives: the share of calls that were answered, and how long the
// answered ones took. Calls without an answer (info) count against availability, not in latency:
// how long they took is what nobody knows.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"

namespace gameday::guarantees {
namespace {

struct Latency {
  std::int64_t ns = 0;
  std::uint32_t pair = 0;
};

struct OfFunction {
  std::size_t ok = 0, fail = 0, info = 0;
  std::vector<Latency> latencies;  // of the ok calls
  std::size_t calls() const { return ok + fail + info; }
  double availability() const {
    return calls() == 0 ? 1 : static_cast<double>(ok) / static_cast<double>(calls());
  }
};

double ms(std::int64_t ns) { return static_cast<double>(ns) / 1e6; }

// The smallest latency that at least the share q of them does not exceed ("nearest rank").
Latency quantile(std::vector<Latency>& latencies, double q) {
  const auto n = static_cast<double>(latencies.size());
  const auto rank = static_cast<std::size_t>(std::clamp(std::ceil(q * n), 1.0, n)) - 1;
  const auto at = latencies.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(latencies.begin(), at, latencies.end(), [](const Latency& a, const Latency& b) {
    return a.ns != b.ns ? a.ns < b.ns : a.pair < b.pair;
  });
  return *at;
}

Json figures(OfFunction& of) {
  Json json = {{"count", of.calls()},
               {"ok", of.ok},
               {"fail", of.fail},
               {"info", of.info},
               {"availability", of.availability()}};
  if (of.latencies.empty()) return json;
  Json& quantiles = json["latency-ms"] = Json::object();
  for (const double q : {0.5, 0.9, 0.99, 0.999, 1.0})
    quantiles[fmt::format("{}", q)] = ms(quantile(of.latencies, q).ns);
  return json;
}

class Objectives {
 public:
  explicit Objectives(const ModelInput& input)
      : events_(input.events), options_(input.options), by_f_(events_.name_count()) {}

  CheckResult check() && {
    collect();
    Json by_f = Json::object();
    for (std::size_t f = 0; f < by_f_.size(); ++f) {
      if (by_f_[f].calls() == 0) continue;
      const std::string& name = events_.name_text(static_cast<Events::Name>(f));
      by_f[name] = figures(by_f_[f]);
      judge_availability(by_f_[f], fmt::format("of {}", name), name);
      judge_latency(by_f_[f], fmt::format("of {}", name), name);
    }
    findings_.stats = figures(all_);
    findings_.stats["by-f"] = std::move(by_f);
    judge_availability(all_, "of the whole run", "");
    judge_latency(all_, "of the whole run", "");
    if (options_.max_latency_ms && !events_.has_times())
      findings_.unknown("the history has no times, so no latency objective can be judged");
    if (all_.calls() == 0 && asked()) findings_.unknown("there is no client operation to judge");
    return std::move(findings_).result(
        fmt::format("{} of {} calls were answered ({:.3f} %){}", all_.ok, all_.calls(),
                    all_.availability() * 100,
                    asked() ? ", every objective is met" : "; no objective was asked for"));
  }

 private:
  bool asked() const { return options_.min_availability || options_.max_latency_ms; }

  void collect() {
    for (std::size_t i = 0; i < events_.pairs().size(); ++i) {
      const Pair& pair = events_.pairs()[i];
      OfFunction& of = by_f_[events_.f(pair.invoke)];
      for (OfFunction* to : {&of, &all_})
        ++(pair.outcome == OpType::ok     ? to->ok
           : pair.outcome == OpType::fail ? to->fail
                                          : to->info);
      if (pair.outcome != OpType::ok) continue;
      const std::int64_t begin = events_.time(pair.invoke);
      const std::int64_t end = events_.time(static_cast<std::size_t>(pair.done));
      if (begin < 0 || end < begin) continue;
      of.latencies.push_back({end - begin, static_cast<std::uint32_t>(i)});
      all_.latencies.push_back(of.latencies.back());
    }
  }

  void judge_availability(const OfFunction& of, const std::string& whose, const std::string& f) {
    if (!options_.min_availability || of.calls() == 0) return;
    if (of.availability() >= *options_.min_availability) return;
    Anomaly anomaly;
    anomaly.type = "availability-missed";
    anomaly.summary = fmt::format("the availability {} is {:.6g}, less than {:.6g}", whose,
                                  of.availability(), *options_.min_availability);
    anomaly.explanation = {
        fmt::format("{} of {} calls were ok, {} failed and {} had no certain answer.", of.ok,
                    of.calls(), of.fail, of.info)};
    anomaly.ops = unanswered(f);
    anomaly.detail = {{"f", f.empty() ? Json() : Json(f)},
                      {"availability", of.availability()},
                      {"min-availability", *options_.min_availability}};
    findings_.add(std::move(anomaly));
  }

  // The first calls that were not ok: examples.
  std::vector<std::int64_t> unanswered(const std::string& f) const {
    std::vector<std::int64_t> ops;
    for (const Pair& pair : events_.pairs()) {
      if (ops.size() == 4) break;
      if (pair.outcome == OpType::ok) continue;
      if (f.empty() || events_.name_text(events_.f(pair.invoke)) == f)
        ops.push_back(events_.index(pair.invoke));
    }
    return ops;
  }

  void judge_latency(OfFunction& of, const std::string& whose, const std::string& f) {
    if (!options_.max_latency_ms || of.latencies.empty()) return;
    const double q = options_.latency_quantile;
    const Latency at = quantile(of.latencies, q);
    if (ms(at.ns) <= *options_.max_latency_ms) return;
    const Pair& pair = events_.pairs()[at.pair];
    Anomaly anomaly;
    anomaly.type = "latency-missed";
    anomaly.summary =
        fmt::format("the {} quantile of the latency {} is {:.3f} ms, more than {:.3f} ms", q, whose,
                    ms(at.ns), *options_.max_latency_ms);
    anomaly.explanation = {fmt::format("The call at that quantile: {}, answered by {}.",
                                       events_.describe(pair.invoke),
                                       events_.describe(static_cast<std::size_t>(pair.done)))};
    anomaly.ops = {events_.index(pair.invoke), events_.index(static_cast<std::size_t>(pair.done))};
    anomaly.detail = {{"f", f.empty() ? Json() : Json(f)},
                      {"quantile", q},
                      {"latency-ms", ms(at.ns)},
                      {"max-latency-ms", *options_.max_latency_ms}};
    findings_.add(std::move(anomaly));
  }

  const Events& events_;
  const ModelOptions& options_;
  std::vector<OfFunction> by_f_;
  OfFunction all_;
  Findings findings_;
};

}  // namespace

CheckResult check_objectives(const ModelInput& input) { return Objectives(input).check(); }

}  // namespace gameday::guarantees
