// Jepsen's `set-full`: the fate of each element over all reads (jepsen.checker/set-full). An
// element is known once its add is acknowledged or a read shows it; stable if every read from some
// time on shows it; lost if, known, no read from some time on does. "Last" is by invocation, as in
// Jepsen. The reads are put in the order of their invocations, so that each element's last read
// with and last read without it are found in one pass over the contents of all reads.
#include <fmt/format.h>

#include <algorithm>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Read {
  std::int64_t invoke, done;  // rows
};

struct ElementLife {
  std::int64_t add = -1;      // row of the last add's invocation: an add anew begins anew
  std::int64_t ok = -1;       // row of its acknowledgement
  std::int64_t known = -1;    // row at which it was known to be in the set
  std::int32_t present = -1;  // last read that shows it and ended after the add began
  std::int32_t absent = -1;   // last read that does not show it
  std::int32_t seen_in = -1;  // for duplicates: the last read that was looked at
};

class SetFull {
 public:
  explicit SetFull(const ModelInput& input)
      : report_(input), events_(input.events), ids_(input.events.values()) {}

  CheckResult run() {
    const Name add = events_.find_name("add"), read = events_.find_name("read");
    if (add == Events::kNoName && read == Events::kNoName)
      return unfit(report_.input, ":add and :read");
    if (!collect(add, read) || !look_into_reads()) return std::move(report_).result("");
    std::size_t attempts = 0;
    for (std::size_t id = 0; id < all_.size(); ++id) {
      if (all_[id].add < 0) continue;
      ++attempts;
      judge(all_[id], ids_.value(static_cast<std::int32_t>(id)));
    }
    figures(attempts);
    if (report_.count() == 0 && stable_ == 0)
      report_.unknown(attempts == 0 ? "nothing was added"
                                    : "no element was ever read after it was added");
    return std::move(report_).result(
        fmt::format("{} of {} elements stable, none lost, {} stale for a while", stable_, attempts,
                    stale_.size()));
  }

 private:
  bool collect(Name add, Name read) {
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (report_.expired()) return false;
      if (!events_.is_client(i)) continue;
      const auto row = static_cast<std::int64_t>(i);
      const OpType type = events_.type(i);
      if (events_.f(i) == add) {
        ElementLife& e = element(events_.value(i));
        if (type == OpType::invoke) {
          e.add = row;
          e.ok = -1;
        } else if (type == OpType::ok && e.ok < 0) {
          e.ok = row;
        }
      } else if (events_.f(i) == read && type == OpType::invoke && events_.other(i) >= 0 &&
                 events_.type(static_cast<std::size_t>(events_.other(i))) == OpType::ok) {
        reads_.push_back({row, events_.other(i)});
      }
    }
    return true;
  }

  // From the last read to the first.
  bool look_into_reads() {
    const auto n = static_cast<std::int32_t>(reads_.size());
    for (ElementLife& e : all_) {
      e.known = e.ok;
      e.absent = n - 1;
    }
    latest_end_.assign(reads_.size() + 1, -1);
    for (std::int32_t r = n - 1; r >= 0; --r) {
      const Read& read = reads_[static_cast<std::size_t>(r)];
      latest_end_[static_cast<std::size_t>(r)] =
          std::max(latest_end_[static_cast<std::size_t>(r) + 1], read.done);
      for (const Value v :
           elements(report_.values, events_.value(static_cast<std::size_t>(read.done)))) {
        if (report_.expired()) return false;
        ElementLife& e = element(v);
        if (e.seen_in == r) {
          duplicate(v, read);
          continue;
        }
        e.seen_in = r;
        if (e.absent == r) --e.absent;
        if (e.add < 0 || read.done < e.add) continue;
        if (e.present < 0) e.present = r;
        if (e.known < 0 || read.done < e.known) e.known = read.done;
      }
    }
    return true;
  }

  void duplicate(Value v, const Read& read) {
    if (std::find(duplicated_.begin(), duplicated_.end(), v) == duplicated_.end() &&
        duplicated_.size() < kListLimit)
      duplicated_.push_back(v);
    if (Anomaly* a = report_.add("duplicated", {read.done})) {
      a->summary = fmt::format("one read{} shows {} more than once", report_.when(read.done),
                               report_.show(v));
      a->explanation = {
          fmt::format("a set holds an element once; {} lists it again", report_.call(read.done))};
      a->detail["element"] = report_.values.json(v);
    }
  }

  std::int64_t time(std::int64_t row) const { return events_.time(static_cast<std::size_t>(row)); }

  void judge(const ElementLife& e, Value v) {
    // A read after the last one with the element that ended after the add began is one without it.
    const bool stable =
        e.present >= 0 && latest_end_[static_cast<std::size_t>(e.present) + 1] < e.add;
    const bool lost = !stable && e.known >= 0 && !reads_.empty() && e.known < reads_.back().invoke;
    if (stable) {
      ++stable_;
      judge_stable(e, v);
    } else if (lost) {
      judge_lost(e, v);
    } else {
      never_read_.push_back(v);
    }
  }

  void judge_stable(const ElementLife& e, Value v) {
    const bool absent = e.absent >= 0 && reads_[static_cast<std::size_t>(e.absent)].done > e.add;
    const std::int64_t row = absent ? reads_[static_cast<std::size_t>(e.absent)].invoke : -1;
    const std::int64_t since = absent ? time(row) + 1 : 0;
    const std::int64_t latency = std::max<std::int64_t>(since - time(e.known), 0) / 1'000'000;
    stable_latencies_.push_back(latency);
    if (latency > 0) {
      stale_.push_back(v);
      worst_.push_back({latency, v});
    }
    if (!report_.input.options.set_linearizable || row < e.known) return;
    const Read& read = reads_[static_cast<std::size_t>(e.absent)];
    if (Anomaly* a = report_.add("stale", {e.known, read.invoke, read.done})) {
      a->summary =
          fmt::format("{} was known to be in the set{}, and a read that began{} does not show it",
                      report_.show(v), report_.when(e.known), report_.when(read.invoke));
      a->explanation = {
          fmt::format("{} shows that the element is in the set", report_.call(e.known)),
          fmt::format("{} began after that and does not show it; a later read does",
                      report_.call(read.invoke))};
      a->detail = {{"element", report_.values.json(v)}, {"stable-latency", latency}};
    }
  }

  void judge_lost(const ElementLife& e, Value v) {
    const Read& last = reads_.back();
    const std::int64_t seen =
        e.present >= 0 ? reads_[static_cast<std::size_t>(e.present)].invoke : -1;
    const std::int64_t since = seen >= 0 ? time(seen) + 1 : 0;
    const std::int64_t latency = std::max<std::int64_t>(since - time(e.known), 0) / 1'000'000;
    lost_latencies_.push_back(latency);
    lost_.push_back(v);
    if (Anomaly* a = report_.add("lost", {e.known, seen, last.done})) {
      a->summary = fmt::format("{} was in the set{} and is lost: the last read{} does not show it",
                               report_.show(v), report_.when(e.known), report_.when(last.invoke));
      a->explanation.push_back(
          fmt::format("{} shows that the element was in the set", report_.call(e.known)));
      a->explanation.push_back(
          seen >= 0 ? fmt::format("the last read to show it began{} (op {})", report_.when(seen),
                                  events_.index(static_cast<std::size_t>(seen)))
                    : std::string("no read ever showed it"));
      a->explanation.push_back(fmt::format("{} began later, and no read from then on shows it",
                                           report_.call(last.invoke)));
      a->detail = {{"element", report_.values.json(v)}, {"lost-latency", latency}};
    }
  }

  void figures(std::size_t attempts) {
    Json& s = report_.stats;
    s["attempt-count"] = attempts;
    s["stable-count"] = stable_;
    s["lost-count"] = lost_.size();
    s["never-read-count"] = never_read_.size();
    s["stale-count"] = stale_.size();
    s["duplicated-count"] = duplicated_.size();
    s["lost"] = list(report_.values, lost_);
    s["never-read"] = list(report_.values, never_read_);
    s["stale"] = list(report_.values, stale_);
    s["duplicated"] = list(report_.values, duplicated_);
    std::stable_sort(worst_.begin(), worst_.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    s["worst-stale"] = Json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(worst_.size(), 8); ++i)
      s["worst-stale"].push_back({{"element", report_.values.json(worst_[i].second)},
                                  {"stable-latency", worst_[i].first}});
    if (!stable_latencies_.empty()) s["stable-latencies"] = quantiles(std::move(stable_latencies_));
    if (!lost_latencies_.empty()) s["lost-latencies"] = quantiles(std::move(lost_latencies_));
  }

  ElementLife& element(Value v) {
    const auto id = static_cast<std::size_t>(ids_.id(v));
    if (id >= all_.size()) {
      all_.resize(id + 1);
    }
    return all_[id];
  }

  Report report_;
  const Events& events_;
  Dense ids_;
  std::vector<ElementLife> all_;
  std::vector<Read> reads_;               // by invocation
  std::vector<std::int64_t> latest_end_;  // of read r and all later ones
  std::size_t stable_ = 0;
  std::vector<Value> lost_, never_read_, stale_, duplicated_;
  std::vector<std::pair<std::int64_t, Value>> worst_;
  std::vector<std::int64_t> stable_latencies_, lost_latencies_;
};

}  // namespace

CheckResult check_set_full(const ModelInput& input) { return SetFull(input).run(); }

}  // namespace gameday::workload
