// What the whole run promises: objectives of availability and latency, replicas that agree at the
// end, and logs without a pattern (jepsen.checker/log-file-pattern).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <regex>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Calls {
  std::size_t ok = 0, all = 0;
  std::vector<std::pair<std::int64_t, std::int64_t>> latencies;  // ns, row of the invocation
};

void judge_calls(Report& report, const std::string& f, Calls& calls) {
  const ModelOptions& options = report.input.options;
  const double availability = static_cast<double>(calls.ok) / static_cast<double>(calls.all);
  Json& s = report.stats["by-f"][f];
  s = {{"count", calls.all}, {"ok-count", calls.ok}, {"availability", availability}};
  if (options.min_availability && availability < *options.min_availability)
    if (Anomaly* a = report.add("availability", {}))
      a->summary = fmt::format("{} of {} :{} were :ok, {:.4f} where at least {:.4f} is asked for",
                               calls.ok, calls.all, f, availability, *options.min_availability);
  if (calls.latencies.empty()) return;
  std::sort(calls.latencies.begin(), calls.latencies.end());
  const double q = std::clamp(options.latency_quantile, 0.0, 1.0);
  const auto n = calls.latencies.size();
  const auto at = std::min(n - 1, static_cast<std::size_t>(std::floor(static_cast<double>(n) * q)));
  const auto ms = [&](std::size_t i) {
    return static_cast<double>(calls.latencies[i].first) / 1e6;
  };
  s["latency-ms"] = {
      {"0.5", ms(n / 2)}, {"0.99", ms(std::min(n - 1, n * 99 / 100))}, {"1", ms(n - 1)}};
  if (!options.max_latency_ms || ms(at) <= *options.max_latency_ms) return;
  if (Anomaly* a =
          report.add("latency", {calls.latencies[at].second, calls.latencies[n - 1].second}))
    a->summary = fmt::format("the {} quantile of the latencies of :{} is {:.3f} ms, over {:.3f} ms",
                             q, f, ms(at), *options.max_latency_ms);
}

}  // namespace

CheckResult check_objectives(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  std::map<Name, Calls> by_f;
  for (const Pair& pair : events.pairs()) {
    if (report.expired()) break;
    Calls& calls = by_f[events.f(pair.invoke)];
    ++calls.all;
    if (pair.outcome != OpType::ok) continue;
    ++calls.ok;
    const auto begin = events.time(pair.invoke),
               end = events.time(static_cast<std::size_t>(pair.done));
    if (begin >= 0 && end >= begin) calls.latencies.push_back({end - begin, pair.invoke});
  }
  if (by_f.empty()) return unfit(input, "calls of clients");
  if (input.options.max_latency_ms && !events.has_times())
    report.unknown("the history has no :time, so no latency is known");
  for (auto& [f, calls] : by_f) judge_calls(report, events.name_text(f), calls);
  return std::move(report).result(
      fmt::format("the objectives hold for each of {} functions", by_f.size()));
}

// The last :ok read of each client (and, where the ops say it, node) after the last change.
CheckResult check_convergence(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  const Name read = events.find_name("read");
  if (read == Events::kNoName) return unfit(input, ":read");
  std::int64_t changed = -1;
  for (const Pair& pair : events.pairs()) {
    if (events.f(pair.invoke) == read || pair.outcome == OpType::fail) continue;
    changed = std::max(
        changed, pair.outcome == OpType::ok ? std::int64_t{pair.done} : std::int64_t{pair.invoke});
  }
  Dense readers(report.values);
  std::map<std::pair<std::int32_t, std::int32_t>, std::int64_t> last;  // by node or client
  for (const Pair& pair : events.pairs()) {
    if (report.expired()) break;
    if (events.f(pair.invoke) != read || pair.outcome != OpType::ok || pair.invoke < changed)
      continue;
    const Value node = report.values.get(events.extra(static_cast<std::size_t>(pair.done)), "node");
    const auto reader =
        node.is_nil() ? std::pair{0, events.process(pair.invoke)} : std::pair{1, readers.id(node)};
    last[reader] = pair.done;
  }
  report.stats["reader-count"] = last.size();
  if (last.size() < 2)
    report.unknown("fewer than two clients or nodes were read after the last change");
  std::int64_t first = -1;
  for (const auto& [reader, row] : last) {
    if (first < 0) first = row;
    const Value a = events.value(static_cast<std::size_t>(first)),
                b = events.value(static_cast<std::size_t>(row));
    if (report.values.equal(a, b)) continue;
    if (Anomaly* anomaly = report.add("diverged", {first, row})) {
      anomaly->summary =
          fmt::format("after the last change one read{} shows {} and another{} shows {}",
                      report.when(first), report.show(a), report.when(row), report.show(b));
      anomaly->explanation = {fmt::format("{} shows {}", report.call(first), report.show(a)),
                              fmt::format("{} shows {}", report.call(row), report.show(b))};
    }
  }
  return std::move(report).result(
      fmt::format("the final reads of {} clients or nodes agree", last.size()));
}

CheckResult check_log_file_pattern(const ModelInput& input) {
  Report report(input);
  constexpr std::size_t kLineLimit = 4096;  // std::regex recurses on the length of a line
  if (input.options.pattern.empty() || input.options.log_files.empty()) {
    report.unknown("a pattern (--pattern) and the files to look for it in (--log-file) are needed");
    return std::move(report).result("");
  }
  std::regex pattern;
  try {
    pattern.assign(input.options.pattern, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& e) {
    report.unknown(fmt::format("{} is no regular expression: {}", input.options.pattern, e.what()));
    return std::move(report).result("");
  }
  report.stats["matches"] = Json::array();
  for (const std::string& file : input.options.log_files) {
    std::ifstream in(file);
    if (!in) report.unknown(fmt::format("{} cannot be read", file));
    std::string line;
    for (std::size_t number = 1; std::getline(in, line) && !report.expired(); ++number) {
      if (line.size() > kLineLimit) line.resize(kLineLimit);
      if (!std::regex_search(line, pattern)) continue;
      Anomaly* a = report.add("log-match", {});
      if (a == nullptr) continue;
      a->summary = fmt::format("{}:{}: {}", file, number, line);
      a->detail = {{"file", file}, {"line-number", number}, {"line", line}};
      report.stats["matches"].push_back(a->detail);
    }
  }
  report.stats["count"] = report.count();
  return std::move(report).result(
      fmt::format("no line of {} files matches", input.options.log_files.size()));
}

}  // namespace gameday::workload
