// Jepsen's `set`: what the last read shows, against what was added (jepsen.checker/set).
#include <fmt/format.h>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Element {
  std::int64_t invoke = -1;  // row of the first add
  std::int64_t ok = -1;      // row of the first acknowledged add
  bool read = false;
};

}  // namespace

CheckResult check_set(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  const Name add = events.find_name("add"), read = events.find_name("read");
  if (add == Events::kNoName && read == Events::kNoName) return unfit(input, ":add and :read");
  Dense ids(report.values);
  std::vector<Element> all;
  const auto element = [&](Value v) -> Element& {
    const auto id = static_cast<std::size_t>(ids.id(v));
    if (id >= all.size()) all.resize(id + 1);
    return all[id];
  };
  std::int64_t last = -1;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (report.expired()) return std::move(report).result("");
    const auto row = static_cast<std::int64_t>(i);
    if (events.f(i) == add && events.is_client(i)) {
      Element& e = element(events.value(i));
      if (events.type(i) == OpType::invoke && e.invoke < 0) e.invoke = row;
      if (events.type(i) == OpType::ok && e.ok < 0) e.ok = row;
    } else if (events.f(i) == read && events.type(i) == OpType::ok) {
      last = row;
    }
  }
  if (last < 0 || events.value(static_cast<std::size_t>(last)).is_nil()) {
    report.unknown("the set was never read: no :read is :ok, so nothing shows what was lost");
    return std::move(report).result("");
  }
  for (const Value v : elements(report.values, events.value(static_cast<std::size_t>(last))))
    element(v).read = true;

  std::vector<Value> lost, unexpected, recovered;
  std::size_t attempts = 0, acknowledged = 0, found = 0;
  for (std::size_t id = 0; id < all.size(); ++id) {
    const Element& e = all[id];
    const Value v = ids.value(static_cast<std::int32_t>(id));
    attempts += e.invoke >= 0;
    acknowledged += e.ok >= 0;
    found += e.read && e.invoke >= 0;
    if (e.read && e.invoke >= 0 && e.ok < 0) recovered.push_back(v);
    if (e.ok >= 0 && !e.read) {
      lost.push_back(v);
      if (Anomaly* a = report.add("lost", {e.invoke, e.ok, last})) {
        a->summary = fmt::format("{} was acknowledged{} and is not in the last read{}",
                                 report.show(v), report.when(e.ok), report.when(last));
        a->explanation = {
            fmt::format(
                "{} was :ok: the element is in the set from then on, and nothing removes it",
                report.call(e.ok)),
            fmt::format("{} shows the set without it", report.call(last))};
        a->detail["element"] = report.values.json(v);
      }
    }
    if (e.read && e.invoke < 0) {
      unexpected.push_back(v);
      if (Anomaly* a = report.add("unexpected", {last})) {
        a->summary = fmt::format("{} is in the last read{}, and nobody tried to add it",
                                 report.show(v), report.when(last));
        a->detail["element"] = report.values.json(v);
      }
    }
  }
  report.stats["attempt-count"] = attempts;
  report.stats["acknowledged-count"] = acknowledged;
  report.stats["ok-count"] = found;
  report.stats["lost-count"] = lost.size();
  report.stats["recovered-count"] = recovered.size();
  report.stats["unexpected-count"] = unexpected.size();
  report.stats["lost"] = list(report.values, lost);
  report.stats["unexpected"] = list(report.values, unexpected);
  report.stats["recovered"] = list(report.values, recovered);
  return std::move(report).result(
      fmt::format("all {} acknowledged elements are in the last read, and no other than were added",
                  acknowledged));
}

}  // namespace gameday::workload
