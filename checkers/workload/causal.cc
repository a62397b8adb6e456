// Jepsen's causal register (jepsen.tests.causal) and Adya's G2 (jepsen.tests.adya).
#include <fmt/format.h>

#include <algorithm>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {

// A register that counts: the n-th write writes n, a read shows the last write, and each op's :link
// is the :position of the op before it, or :init. The first contradiction ends the check, as in
// Jepsen: after it the register's state is not known.
CheckResult check_causal(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  const Values& values = report.values;
  std::int64_t value = 0, last_row = -1;
  std::size_t ops = 0;
  Value last_position;
  for (std::size_t i = 0; i < events.size() && report.count() == 0; ++i) {
    if (report.expired()) break;
    const std::string& f = events.name_text(events.f(i));
    if (!events.is_client(i) || events.type(i) != OpType::ok) continue;
    if (f != "read" && f != "read-init" && f != "write") continue;
    ++ops;
    const auto row = static_cast<std::int64_t>(i);
    const Value v = events.value(i), link = values.get(events.extra(i), "link");
    const auto wrong = [&](const char* type, std::string why) {
      if (Anomaly* a = report.add(type, {last_row, row})) {
        a->summary = std::move(why);
        a->explanation = {fmt::format("{} shows {}", report.call(row), report.show(v))};
      }
    };
    const bool is_value = v.is_integer() && v.as_integer() == value;
    if (!values.says(link, "init") && !values.equal(link, last_position)) {
      wrong("broken-link",
            fmt::format("an op{} links to position {}, and the one before it is at {}",
                        report.when(row), report.show(link), report.show(last_position)));
    } else if (f == "write") {
      if (v.is_integer() && v.as_integer() == value + 1) {
        ++value;
      } else {
        wrong("unexpected-write", fmt::format("{} is written{} where {} comes next", report.show(v),
                                              report.when(row), value + 1));
      }
    } else if (f == "read-init" && value == 0 && !is_value) {
      wrong("not-initial", fmt::format("a read{} of the new register shows {} instead of 0",
                                       report.when(row), report.show(v)));
    } else if (!v.is_nil() && !is_value) {
      wrong("wrong-read", fmt::format("a read{} shows {}, and causally the register is {}",
                                      report.when(row), report.show(v), value));
    }
    last_position = values.get(events.extra(i), "position");
    last_row = row;
  }
  if (ops == 0) return unfit(input, ":read-init, :read and :write (of each key: --independent)");
  report.stats["op-count"] = ops;
  return std::move(report).result(fmt::format("{} ops in causal order", ops));
}

// G2 by predicates: two transactions of a key each insert only if they see no row of the other, so
// at most one may commit.
CheckResult check_adya(const ModelInput& input) {
  Report report(input);
  const Events& events = input.events;
  const Name insert = events.find_name("insert");
  if (insert == Events::kNoName) return unfit(input, ":insert of [key [a-id b-id]]");
  struct Key {
    std::int64_t first = -1;
    std::size_t count = 0;
  };
  Dense ids(report.values);
  std::vector<Key> keys;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (report.expired()) break;
    if (events.f(i) != insert) continue;
    const auto parts = elements(report.values, events.value(i));
    if (parts.empty()) continue;
    const auto id = static_cast<std::size_t>(ids.id(parts[0]));
    if (id >= keys.size()) keys.resize(id + 1);
    if (events.type(i) != OpType::ok) continue;
    const auto row = static_cast<std::int64_t>(i);
    Key& key = keys[id];
    if (++key.count == 1) key.first = row;
    if (key.count != 2) continue;
    if (Anomaly* a = report.add("G2", {key.first, row})) {
      a->summary =
          fmt::format("two inserts of key {} committed, though each must have seen the other's row",
                      report.show(parts[0]));
      a->explanation = {
          fmt::format("{} saw no row of the key and inserted one", report.call(key.first)),
          fmt::format(
              "{} saw no row of the key and inserted another: whichever came second must have "
              "seen the first (write skew)",
              report.call(row))};
      a->detail["key"] = report.values.json(parts[0]);
    }
  }
  std::size_t inserted = 0;
  for (const Key& key : keys) inserted += key.count > 0;
  report.stats["key-count"] = keys.size();
  report.stats["legal-count"] = inserted - report.count();
  report.stats["illegal-count"] = report.count();
  return std::move(report).result(
      fmt::format("of {} keys none has two committed inserts", keys.size()));
}

}  // namespace gameday::workload
