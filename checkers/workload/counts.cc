// Jepsen's unique-ids and stats (jepsen.checker).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {

CheckResult check_unique_ids(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  const Name generate = events.find_name("generate");
  if (generate == Events::kNoName) return unfit(input, ":generate");
  struct Id {
    std::int64_t row = -1;
    std::size_t count = 0;
  };
  Dense ids(report.values);
  std::vector<Id> all;
  std::size_t attempted = 0, acknowledged = 0;
  Value low, high;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (report.expired()) break;
    if (events.f(i) != generate) continue;
    attempted += events.type(i) == OpType::invoke;
    if (events.type(i) != OpType::ok) continue;
    ++acknowledged;
    const Value v = events.value(i);
    const auto row = static_cast<std::int64_t>(i);
    const auto at = static_cast<std::size_t>(ids.id(v));
    if (at >= all.size()) all.resize(at + 1);
    if (v.is_integer()) {
      if (!low.is_integer() || v.as_integer() < low.as_integer()) low = v;
      if (!high.is_integer() || v.as_integer() > high.as_integer()) high = v;
    }
    Id& id = all[at];
    if (++id.count == 1) id.row = row;
    if (id.count != 2) continue;
    if (Anomaly* a = report.add("duplicated", {id.row, row})) {
      a->summary = fmt::format("{} was handed out twice,{} and{}", report.show(v),
                               report.when(id.row), report.when(row));
      a->explanation = {
          fmt::format("{} and {} got the same id", report.call(id.row), report.call(row))};
      a->detail["id"] = report.values.json(v);
    }
  }
  Json duplicated = Json::object();
  for (std::size_t id = 0; id < all.size() && duplicated.size() < 48; ++id)
    if (all[id].count > 1)
      duplicated[report.values.edn(ids.value(static_cast<std::int32_t>(id)))] = all[id].count;
  report.stats["attempted-count"] = attempted;
  report.stats["acknowledged-count"] = acknowledged;
  report.stats["duplicated-count"] = report.count();
  report.stats["duplicated"] = std::move(duplicated);
  report.stats["range"] = {report.values.json(low), report.values.json(high)};
  return std::move(report).result(fmt::format("{} ids, all distinct", acknowledged));
}

CheckResult check_stats(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  struct Counts {
    std::array<std::size_t, 4> of{};
    std::int64_t example = -1;
  };
  std::vector<Counts> by_f(events.name_count());
  Counts all;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!events.is_client(i) || events.type(i) == OpType::invoke) continue;
    Counts& counts = by_f[events.f(i)];
    counts.example = static_cast<std::int64_t>(i);
    ++counts.of[static_cast<std::size_t>(events.type(i))];
    ++all.of[static_cast<std::size_t>(events.type(i))];
  }
  const auto figures = [](const Counts& counts) {
    const auto of = [&](OpType type) { return counts.of[static_cast<std::size_t>(type)]; };
    return Json{{"valid?", of(OpType::ok) > 0},
                {"count", of(OpType::ok) + of(OpType::fail) + of(OpType::info)},
                {"ok-count", of(OpType::ok)},
                {"fail-count", of(OpType::fail)},
                {"info-count", of(OpType::info)}};
  };
  report.stats = figures(all);
  report.stats.erase("valid?");
  report.stats["by-f"] = Json::object();
  for (std::size_t f = 0; f < by_f.size(); ++f) {
    const Counts& counts = by_f[f];
    if (counts.example < 0) continue;
    report.stats["by-f"][events.name_text(static_cast<Name>(f))] = figures(counts);
    if (counts.of[static_cast<std::size_t>(OpType::ok)] > 0) continue;
    if (Anomaly* a = report.add("never-ok", {counts.example}))
      a->summary = fmt::format("no :{} was ever :ok: {} :fail, {} :info",
                               events.name_text(static_cast<Name>(f)),
                               counts.of[static_cast<std::size_t>(OpType::fail)],
                               counts.of[static_cast<std::size_t>(OpType::info)]);
  }
  if (report.stats["count"] == 0) report.unknown("no op of a client ever completed");
  return std::move(report).result("every function was :ok at least once");
}

}  // namespace gameday::workload
