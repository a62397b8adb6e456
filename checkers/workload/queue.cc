// Jepsen's `queue` (each dequeue came from somewhere) and `total-queue` (what goes in must come
// out), of jepsen.checker. A :drain is a dequeue of each of its elements.
#include <fmt/format.h>

#include <algorithm>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Item {
  std::int64_t attempts = 0, enqueues = 0, dequeues = 0;
  std::int64_t invoke = -1, ok = -1, out = -1;  // rows of the first of each; of the last dequeue
};

class Queue {
 public:
  explicit Queue(const ModelInput& input) : report_(input), ids_(input.events.values()) {}

  CheckResult each() {
    each_ = true;
    if (!collect()) return unfit(report_.input, ":enqueue and :dequeue");
    report_.stats["attempt-count"] = attempts_;
    report_.stats["dequeue-count"] = dequeues_;
    return std::move(report_).result(
        fmt::format("each of {} dequeued elements had been enqueued", dequeues_));
  }

  CheckResult total() {
    if (!collect()) return unfit(report_.input, ":enqueue, :dequeue and :drain");
    std::int64_t acknowledged = 0, ok = 0;
    for (std::size_t id = 0; id < all_.size(); ++id) {
      const Item& item = all_[id];
      acknowledged += item.enqueues;
      ok += std::min(item.dequeues, item.attempts);
      judge(item, ids_.value(static_cast<std::int32_t>(id)));
    }
    Json& s = report_.stats;
    s["attempt-count"] = attempts_;
    s["acknowledged-count"] = acknowledged;
    s["ok-count"] = ok;
    for (const auto& [name, group] :
         {std::pair{"lost", &lost_}, std::pair{"unexpected", &unexpected_},
          std::pair{"duplicated", &duplicated_}, std::pair{"recovered", &recovered_}}) {
      s[std::string(name) + "-count"] = group->size();
      s[name] = list(report_.values, *group);
    }
    return std::move(report_).result(fmt::format(
        "all {} acknowledged elements came out, and no other than were enqueued", acknowledged));
  }

 private:
  bool collect() {
    const Events& events = report_.events;
    const Name enqueue = events.find_name("enqueue"), dequeue = events.find_name("dequeue"),
               drain = events.find_name("drain");
    if (enqueue == Events::kNoName && dequeue == Events::kNoName && drain == Events::kNoName)
      return false;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (report_.expired()) break;
      const auto row = static_cast<std::int64_t>(i);
      const OpType type = events.type(i);
      if (events.f(i) == enqueue) {
        on_enqueue(row, type);
      } else if (events.f(i) == dequeue) {
        if (type == OpType::ok) on_dequeue(row, events.value(i));
      } else if (events.f(i) == drain) {
        if (type == OpType::info) {
          drained_unknown_ = true;
          report_.unknown(
              fmt::format("{} is :info: which elements it took is not known", report_.call(row)));
        }
        if (type == OpType::ok)
          for (const Value v : elements(report_.values, events.value(i))) on_dequeue(row, v);
      }
    }
    return true;
  }

  void on_enqueue(std::int64_t row, OpType type) {
    if (type != OpType::invoke && type != OpType::ok) return;
    Value v = report_.events.value(static_cast<std::size_t>(row));
    const auto other = report_.events.other(static_cast<std::size_t>(row));
    if (type == OpType::ok && v.is_nil() && other >= 0)
      v = report_.events.value(static_cast<std::size_t>(other));
    Item& item = at(v);
    if (type == OpType::invoke) {
      ++item.attempts;
      ++attempts_;
      if (item.invoke < 0) item.invoke = row;
    } else {
      ++item.enqueues;
      if (item.ok < 0) item.ok = row;
    }
  }

  void on_dequeue(std::int64_t row, Value v) {
    Item& item = at(v);
    ++dequeues_;
    const std::int64_t before = item.out;
    item.out = row;
    ++item.dequeues;
    if (!each_ || item.dequeues <= item.attempts) return;
    // One that was too much is not counted again if the element is enqueued later, as in Jepsen's
    // model.
    if (item.attempts == 0) {
      nowhere(v, item, row, "nobody had tried to enqueue it before");
    } else if (Anomaly* a = report_.add("duplicated", {item.invoke, before, row})) {
      a->summary = fmt::format("{} is dequeued{} once more than it had been enqueued",
                               report_.show(v), report_.when(row));
      a->explanation = {
          fmt::format("{} dequeued it already", report_.call(before)),
          fmt::format("{} dequeues it again; until then it had been enqueued {} times",
                      report_.call(row), item.attempts)};
      a->detail["element"] = report_.values.json(v);
    }
  }

  void nowhere(Value v, const Item& item, std::int64_t row, const char* why) {
    if (Anomaly* a = report_.add("unexpected", {item.invoke, row})) {
      a->summary = fmt::format("{} is dequeued{}, and {}", report_.show(v), report_.when(row), why);
      a->explanation = {fmt::format("{} shows {}", report_.call(row), report_.show(v))};
      a->detail["element"] = report_.values.json(v);
    }
  }

  void judge(const Item& item, Value v) {
    for (auto n = item.dequeues; item.attempts == 0 && n > 0; --n) unexpected_.push_back(v);
    for (auto n = item.dequeues - item.attempts; item.attempts > 0 && n > 0; --n)
      duplicated_.push_back(v);
    for (auto n = std::min(item.dequeues, item.attempts) - item.enqueues; n > 0; --n)
      recovered_.push_back(v);
    if (item.dequeues > 0 && item.attempts == 0)
      nowhere(v, item, item.out, "nobody tried to enqueue it");
    // A drain of unknown outcome may have taken what did not come out elsewhere.
    if (drained_unknown_ || item.enqueues <= item.dequeues) return;
    for (auto n = item.enqueues - item.dequeues; n > 0; --n) lost_.push_back(v);
    if (Anomaly* a = report_.add("lost", {item.invoke, item.ok, item.out})) {
      a->summary = fmt::format("{} was enqueued and acknowledged{}, and never came out",
                               report_.show(v), report_.when(item.ok));
      a->explanation = {fmt::format("{} was :ok, {} of {} acknowledged enqueues of it came out",
                                    report_.call(item.ok), item.dequeues, item.enqueues)};
      a->detail["element"] = report_.values.json(v);
    }
  }

  Item& at(Value v) {
    const auto id = static_cast<std::size_t>(ids_.id(v));
    if (id >= all_.size()) all_.resize(id + 1);
    return all_[id];
  }

  Report report_;
  Dense ids_;
  bool each_ = false, drained_unknown_ = false;  // a drain is :info
  std::vector<Item> all_;
  std::int64_t attempts_ = 0, dequeues_ = 0;
  std::vector<Value> lost_, unexpected_, duplicated_, recovered_;
};

}  // namespace

CheckResult check_queue(const ModelInput& input) { return Queue(input).each(); }
CheckResult check_total_queue(const ModelInput& input) { return Queue(input).total(); }

}  // namespace gameday::workload
