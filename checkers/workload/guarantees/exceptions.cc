// Exceptions that a client did not handle, by class: operations of unknown outcome that carry an
// :exception, as Jepsen's unhandled-exceptions groups them (by the :type of the first :via). Where
// there is none, what :error begins with stands for the class. As there, the verdict is always
// VALID: an exception makes an outcome unknown, it contradicts nothing.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"

namespace gameday::guarantees {
namespace {

struct Class {
  std::size_t count = 0;
  std::size_t example = 0;  // row
};

Value first_item(const Values& values, Value v) {
  return v.is_sequence() && !values.items(v).empty() ? values.items(v)[0] : v;
}

// nil: this row has no exception.
Value exception_class(const Values& values, Value extra) {
  const Value exception = values.get(extra, "exception");
  if (exception.is_nil()) return first_item(values, values.get(extra, "error"));
  const Value type = values.get(first_item(values, values.get(exception, "via")), "type");
  if (!type.is_nil()) return type;
  const Value own = values.get(exception, "type");
  return own.is_nil() ? exception : own;
}

}  // namespace

CheckResult check_unhandled_exceptions(const ModelInput& input) {
  const Events& events = input.events;
  const Values& values = events.values();
  Dense names(values);
  std::vector<Class> classes;
  std::size_t total = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events.type(i) != OpType::info) continue;
    const Value name = exception_class(values, events.extra(i));
    if (name.is_nil()) continue;
    const auto id = static_cast<std::size_t>(names.id(name));
    if (id == classes.size()) classes.push_back({0, i});
    ++classes[id].count;
    ++total;
  }
  std::vector<std::size_t> order(classes.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return classes[a].count > classes[b].count;
  });
  Findings findings;
  Json list = Json::array();
  constexpr std::size_t kShown = 64;
  for (std::size_t i = 0; i < order.size() && i < kShown; ++i) {
    const Class& of = classes[order[i]];
    list.push_back({{"class", values.edn(names.value(static_cast<std::int32_t>(order[i])))},
                    {"count", of.count},
                    {"index", events.index(of.example)},
                    {"example", events.describe(of.example)}});
  }
  findings.stats = {{"exceptions", std::move(list)}, {"count", total}, {"classes", classes.size()}};
  return std::move(findings).result(
      total == 0 ? "no operation carries an exception"
                 : fmt::format("{} operations carry an exception of {} classes, most of them {}",
                               total, classes.size(),
                               values.edn(names.value(static_cast<std::int32_t>(order[0])))));
}

}  // namespace gameday::guarantees
