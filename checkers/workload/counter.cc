// Jepsen's `counter`: each read lies between the least and the greatest value that the counter can
// have had while it ran (jepsen.checker/counter). Increments count for the lower bound once they
// are acknowledged and for the upper bound once they begin; decrements, which Jepsen does not
// allow, the other way round.
#include <fmt/format.h>

#include <algorithm>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct OpenRead {
  std::int64_t invoke, lower, upper;
};

class Counter {
 public:
  explicit Counter(const ModelInput& input) : report_(input), events_(input.events) {}

  CheckResult run() {
    const Name add = events_.find_name("add"), read = events_.find_name("read");
    if (add == Events::kNoName && read == Events::kNoName)
      return unfit(report_.input, ":add and :read");
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (report_.expired()) break;
      if (!events_.is_client(i)) continue;
      if (events_.f(i) == add && !on_add(i)) break;
      if (events_.f(i) == read) on_read(static_cast<std::int64_t>(i));
    }
    report_.stats["add-count"] = adds_;
    report_.stats["read-count"] = reads_;
    report_.stats["error-count"] = report_.count();
    report_.stats["errors"] = std::move(errors_);
    report_.stats["final-bounds"] = {lower_, upper_};
    return std::move(report_).result(fmt::format(
        "each of {} reads lies between what was acknowledged and what was attempted", reads_));
  }

 private:
  OpType outcome(std::size_t invoke) const {
    const auto done = events_.other(invoke);
    return done < 0 ? OpType::info : events_.type(static_cast<std::size_t>(done));
  }

  bool on_add(std::size_t i) {
    const OpType type = events_.type(i);
    if (type != OpType::invoke && type != OpType::ok) return true;
    if (type == OpType::invoke && outcome(i) == OpType::fail) return true;
    // What an acknowledgement says of the amount is what was asked for, if it says nothing.
    Value v = events_.value(i);
    if (v.is_nil() && events_.other(i) >= 0)
      v = events_.value(static_cast<std::size_t>(events_.other(i)));
    const auto amount = integer(v);
    const bool begins = type == OpType::invoke;
    if (!amount) {
      report_.unknown(fmt::format("{} adds {}, which is no integer",
                                  report_.call(static_cast<std::int64_t>(i)), report_.show(v)));
      return false;
    }
    adds_ += begins;
    std::int64_t& bound = begins == (*amount >= 0) ? upper_ : lower_;
    if (__builtin_add_overflow(bound, *amount, &bound)) {
      report_.unknown("the sum of the adds does not fit into 64 bits");
      return false;
    }
    for (OpenRead& r : open_) {
      r.lower = std::min(r.lower, lower_);
      r.upper = std::max(r.upper, upper_);
    }
    return true;
  }

  void on_read(std::int64_t row) {
    const auto i = static_cast<std::size_t>(row);
    if (events_.type(i) == OpType::invoke) {
      if (outcome(i) == OpType::ok) open_.push_back({row, lower_, upper_});
      return;
    }
    if (events_.type(i) != OpType::ok) return;
    const auto it = std::find_if(open_.begin(), open_.end(),
                                 [&](const OpenRead& r) { return r.invoke == events_.other(i); });
    if (it == open_.end()) return;
    const OpenRead read = *it;
    *it = open_.back();
    open_.pop_back();
    ++reads_;
    const auto value = integer(events_.value(i));
    if (!value) {
      report_.unknown(fmt::format("{} shows {}, which is no integer", report_.call(row),
                                  report_.show(events_.value(i))));
    } else if (*value < read.lower || *value > read.upper) {
      wrong(read, row, *value);
    }
  }

  void wrong(const OpenRead& read, std::int64_t row, std::int64_t value) {
    if (errors_.size() < kListLimit) errors_.push_back({read.lower, value, read.upper});
    const bool low = value < read.lower;
    Anomaly* a = report_.add(low ? "read-below-bounds" : "read-above-bounds", {read.invoke, row});
    if (a == nullptr) return;
    a->summary =
        low ? fmt::format("a read{} shows {}, but {} had been acknowledged before it began",
                          report_.when(row), value, read.lower)
            : fmt::format(
                  "a read{} shows {}, but no more than {} had been asked for until it ended",
                  report_.when(row), value, read.upper);
    a->explanation = {
        fmt::format("{} shows {}", report_.call(row), value),
        fmt::format(
            "while it ran the counter was at least {} (acknowledged) and at most {} (attempted)",
            read.lower, read.upper)};
    a->detail = {{"lower", read.lower}, {"value", value}, {"upper", read.upper}};
  }

  Report report_;
  const Events& events_;
  std::int64_t lower_ = 0, upper_ = 0;
  std::size_t adds_ = 0, reads_ = 0;
  std::vector<OpenRead> open_;
  Json errors_ = Json::array();
};

}  // namespace

CheckResult check_counter(const ModelInput& input) { return Counter(input).run(); }

}  // namespace gameday::workload
