// Comments (Jepsen's CockroachDB test, elle-cli's `comments`) and causal-reverse
// (jepsen.tests.causal-reverse), which are one: a write that was acknowledged before another began
// must be visible wherever the other is. What must be visible with a write is all that was
// acknowledged before its invocation, so of a read only the write that began last matters.
#include <fmt/format.h>

#include <algorithm>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Written {
  std::int64_t invoke = -1;  // row of its last invocation
  std::int64_t rank = -1;    // its place among the acknowledgements
  std::int64_t read = -1;    // the last read that was looked at and shows it
};

class Comments {
 public:
  explicit Comments(const ModelInput& input) : report_(input), ids_(input.events.values()) {}

  CheckResult run() {
    const Events& events = report_.events;
    const Name write = events.find_name("write"), read = events.find_name("read");
    if (write == Events::kNoName && read == Events::kNoName)
      return unfit(report_.input, ":write and :read");
    std::size_t reads = 0;
    for (std::size_t i = 0; i < events.size(); ++i)
      if (events.f(i) == write) on_write(static_cast<std::int64_t>(i));
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (report_.expired()) break;
      if (events.f(i) != read || events.type(i) != OpType::ok) continue;
      ++reads;
      on_read(static_cast<std::int64_t>(i));
    }
    report_.stats["read-count"] = reads;
    report_.stats["write-count"] = all_.size();
    report_.stats["error-count"] = report_.count();
    if (reads == 0) report_.unknown("no :read is :ok, so nothing shows which writes are visible");
    return std::move(report_).result(fmt::format(
        "each of {} reads shows, with a write, all that were acknowledged before it began", reads));
  }

 private:
  void on_write(std::int64_t row) {
    const auto i = static_cast<std::size_t>(row);
    const auto id = static_cast<std::size_t>(ids_.id(report_.events.value(i)));
    if (id >= all_.size()) all_.resize(id + 1);
    if (report_.events.type(i) == OpType::invoke) all_[id].invoke = row;
    if (report_.events.type(i) == OpType::ok && all_[id].rank < 0) {
      all_[id].rank = static_cast<std::int64_t>(acknowledged_.size());
      acknowledged_.push_back({row, id});
    }
  }

  void on_read(std::int64_t row) {
    const auto seen = elements(report_.values, report_.events.value(static_cast<std::size_t>(row)));
    const Written* last = nullptr;
    for (const Value v : seen) {
      const auto id = ids_.find(v);
      if (id < 0) continue;
      Written& w = all_[static_cast<std::size_t>(id)];
      if (last == nullptr || w.invoke > last->invoke) last = &w;
    }
    if (last == nullptr) return;
    // How many were acknowledged before the last visible write began, and how many of them the read
    // shows.
    const auto due = std::lower_bound(acknowledged_.begin(), acknowledged_.end(), last->invoke,
                                      [](const auto& a, std::int64_t at) { return a.first < at; }) -
                     acknowledged_.begin();
    std::int64_t shown = 0;
    for (const Value v : seen) {
      const auto id = ids_.find(v);
      if (id < 0) continue;
      Written& w = all_[static_cast<std::size_t>(id)];
      if (w.read == row) continue;
      w.read = row;
      shown += w.rank >= 0 && w.rank < due;
    }
    if (shown < due) wrong(row, *last, due, due - shown);
  }

  void wrong(std::int64_t row, const Written& last, std::int64_t due, std::int64_t missing) {
    std::vector<Value> gone;
    const std::pair<std::int64_t, std::size_t>* first = nullptr;
    if (report_.count() < 2 * kAnomalyLimit)
      for (std::int64_t r = 0; r < due && gone.size() < kListLimit; ++r) {
        const auto& ack = acknowledged_[static_cast<std::size_t>(r)];
        if (all_[ack.second].read == row) continue;
        if (first == nullptr) first = &ack;
        gone.push_back(ids_.value(static_cast<std::int32_t>(ack.second)));
      }
    Anomaly* a = report_.add("missing-earlier-write",
                             {first == nullptr ? -1 : first->first, last.invoke, row});
    if (a == nullptr || first == nullptr) return;
    const Value later = report_.events.value(static_cast<std::size_t>(last.invoke));
    a->summary = fmt::format("a read{} shows {} without {}, which was acknowledged before {} began",
                             report_.when(row), report_.show(later), report_.show(gone[0]),
                             report_.show(later));
    a->explanation = {
        fmt::format("{} acknowledged {}", report_.call(first->first), report_.show(gone[0])),
        fmt::format("{} began to write {} after that", report_.call(last.invoke),
                    report_.show(later)),
        fmt::format("{} shows {} and not {}: it sees the later write without the earlier one",
                    report_.call(row), report_.show(later), report_.show(gone[0]))};
    a->detail = {{"missing", list(report_.values, gone)},
                 {"missing-count", missing},
                 {"expected-count", due}};
  }

  Report report_;
  Dense ids_;
  std::vector<Written> all_;
  std::vector<std::pair<std::int64_t, std::size_t>> acknowledged_;  // row, number of the value
};

}  // namespace

CheckResult check_comments(const ModelInput& input) { return Comments(input).run(); }

}  // namespace gameday::workload
