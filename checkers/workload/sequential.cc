// elle-cli's `sequential` (Jepsen's CockroachDB, TiDB and Dgraph tests): a client inserts the
// subkeys k_0, k_1, ... of a key one after another; another reads them in reverse, so from the
// first one that it finds on it must find all.
#include <fmt/format.h>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

std::string text_of(const Values& values, Value v) {
  return v.is_text() ? std::string(values.text(v)) : values.edn(v);
}

bool complete(const Values& values, Value key, std::span<const Value> read, std::int64_t count) {
  if (read.size() != static_cast<std::size_t>(count)) return false;
  const std::string prefix = text_of(values, key) + "_";
  for (std::size_t i = 0; i < read.size(); ++i)
    if (text_of(values, read[i]) != prefix + std::to_string(read.size() - 1 - i)) return false;
  return true;
}

}  // namespace

CheckResult check_sequential(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  const Name read = events.find_name("read");
  if (read == Events::kNoName) return unfit(input, ":read of [key [subkey ...]]");
  constexpr std::int64_t kSubkeys = 4;  // elle-cli's
  std::size_t all = 0, some = 0, none = 0, bad = 0, reads = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (report.expired()) break;
    if (events.f(i) != read || events.type(i) != OpType::ok) continue;
    const auto row = static_cast<std::int64_t>(i);
    const auto parts = elements(report.values, events.value(i));
    if (parts.size() != 2 || !(parts[1].is_nil() || parts[1].is_sequence())) {
      report.unknown(fmt::format("{} shows {}, not [key [subkey ...]]", report.call(row),
                                 report.show(events.value(i))));
      continue;
    }
    ++reads;
    const auto found = elements(report.values, parts[1]);
    std::size_t first = 0, nils = 0;
    while (first < found.size() && found[first].is_nil()) ++first;
    for (const Value v : found) nils += v.is_nil();
    none += nils == found.size();
    some += nils > 0;
    all += complete(report.values, parts[0], found, input.options.key_count.value_or(kSubkeys));
    if (nils == first) continue;
    ++bad;
    if (Anomaly* a = report.add("trailing-nil", {events.other(i), row})) {
      std::size_t gap = first;
      while (!found[gap].is_nil()) ++gap;
      a->summary = fmt::format("a read{} of key {} finds {} and not the subkey inserted before {}",
                               report.when(row), report.show(parts[0]), report.show(found[first]),
                               report.show(found[gap - 1]));
      a->explanation = {
          fmt::format("{} read the subkeys from the last one to the first and found {}",
                      report.call(row), report.show(parts[1])),
          "each subkey is inserted after the one before it is acknowledged, so who finds one must "
          "find all before it"};
      a->detail = {{"key", report.values.json(parts[0])}, {"read", report.values.json(parts[1])}};
    }
  }
  if (reads == 0)
    report.unknown("no :read is :ok, so nothing shows in which order inserts became visible");
  report.stats = {
      {"all-count", all}, {"some-count", some}, {"none-count", none}, {"bad-count", bad}};
  return std::move(report).result(
      fmt::format("none of {} reads finds a subkey without those inserted before", reads));
}

}  // namespace gameday::workload
