// How old reads are: a read of a register with unique written values is stale by the writes that
// were acknowledged before it began and that began after the write it shows was acknowledged. Those
// are newer for certain, so both figures are lower bounds.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Write {
  std::int64_t invoke, done;
};

struct Read {
  Value content;
  std::int64_t invoke, done;
};

struct Register {
  std::vector<Write> acked;  // by invocation
  std::unordered_map<std::int32_t, Write> by_content;
  std::vector<Read> reads;
};

// For every place of `writes`, by invocation: the first acknowledgement from there on.
std::vector<std::int64_t> earliest_ends(const std::vector<Write>& writes) {
  std::vector<std::int64_t> ends(writes.size() + 1, INT64_MAX);
  for (std::size_t i = writes.size(); i-- > 0;) ends[i] = std::min(ends[i + 1], writes[i].done);
  return ends;
}

class Staleness {
 public:
  explicit Staleness(const ModelInput& input)
      : report_(input), keys_(input.events.values()), contents_(input.events.values()) {}

  CheckResult run() {
    const Events& events = report_.events;
    const Name read = events.find_name("read"), write = events.find_name("write");
    if (read == Events::kNoName || write == Events::kNoName)
      return unfit(report_.input, ":read and :write");
    for (const Pair& pair : events.pairs()) {
      if (report_.expired()) break;
      if (events.f(pair.invoke) == read && pair.outcome == OpType::ok) {
        const auto [key, content] = parts(events.value(static_cast<std::size_t>(pair.done)));
        at(key).reads.push_back({content, pair.invoke, pair.done});
      } else if (events.f(pair.invoke) == write && pair.outcome != OpType::fail) {
        on_write(pair);
      }
    }
    for (const Register& r : registers_) judge(r);
    std::sort(ages_.begin(), ages_.end());
    report_.stats["read-count"] = reads_;
    report_.stats["stale-count"] = ages_.size();
    report_.stats["max-staleness-versions"] = versions_;
    report_.stats["max-staleness-ms"] =
        ages_.empty() ? 0.0 : static_cast<double>(ages_.back()) / 1e6;
    return std::move(report_).result(fmt::format("{} of {} reads are stale, by {} versions at most",
                                                 ages_.size(), reads_, versions_));
  }

 private:
  std::pair<Value, Value> parts(Value v) const {
    const auto items = elements(report_.values, v);
    return v.is_sequence() && items.size() == 2 ? std::pair{items[0], items[1]}
                                                : std::pair{Value(), v};
  }

  Register& at(Value key) {
    const auto k = static_cast<std::size_t>(keys_.id(key));
    if (k >= registers_.size()) registers_.resize(k + 1);
    return registers_[k];
  }

  void on_write(const Pair& pair) {
    const auto [key, content] = parts(report_.events.value(pair.invoke));
    Register& r = at(key);
    const Write w{pair.invoke, pair.outcome == OpType::ok ? std::int64_t{pair.done} : INT64_MAX};
    if (!r.by_content.try_emplace(contents_.id(content), w).second)
      report_.unknown(
          fmt::format("{} is written more than once: which write a read shows is not known",
                      report_.show(content)));
    if (pair.outcome == OpType::ok) r.acked.push_back(w);
  }

  void judge(const Register& r) {
    const auto ends = earliest_ends(r.acked);
    for (const Read& read : r.reads) {
      if (report_.expired()) return;
      ++reads_;
      Write shown{-1, -1};  // nil: what was before every write
      if (!read.content.is_nil()) {
        const auto it = r.by_content.find(contents_.find(read.content));
        if (it == r.by_content.end()) continue;
        shown = it->second;
      }
      const auto first =
          std::upper_bound(r.acked.begin(), r.acked.end(), shown.done,
                           [](std::int64_t done, const Write& w) { return done < w.invoke; });
      const auto from = static_cast<std::size_t>(first - r.acked.begin());
      if (ends[from] < read.invoke) stale(r, read, from, ends[from]);
    }
  }

  void stale(const Register& r, const Read& read, std::size_t from, std::int64_t superseded) {
    std::int64_t versions = 0;
    for (std::size_t i = from; i < r.acked.size() && r.acked[i].invoke < read.invoke; ++i)
      versions += r.acked[i].done < read.invoke;
    const auto time = [&](std::int64_t row) {
      return report_.events.time(static_cast<std::size_t>(row));
    };
    const auto age = std::max<std::int64_t>(time(read.invoke) - time(superseded), 0);
    ages_.push_back(age);
    versions_ = std::max(versions_, versions);
    const auto& options = report_.input.options;
    const double ms = static_cast<double>(age) / 1e6;
    const bool old = options.max_staleness_ms && ms > *options.max_staleness_ms;
    const bool behind =
        options.max_staleness_versions && versions > *options.max_staleness_versions;
    if (!old && !behind) return;
    if (Anomaly* a = report_.add("stale-read", {superseded, read.invoke, read.done})) {
      a->summary = fmt::format("a read{} shows {}, which is {} versions and {:.3f} ms old",
                               report_.when(read.invoke), report_.show(read.content), versions, ms);
      a->explanation = {fmt::format("{} overwrote it", report_.call(superseded)),
                        fmt::format("{} began after that and shows it", report_.call(read.invoke))};
      a->detail = {{"versions", versions}, {"ms", ms}};
    }
  }

  Report report_;
  Dense keys_, contents_;
  std::vector<Register> registers_;
  std::size_t reads_ = 0;
  std::int64_t versions_ = 0;
  std::vector<std::int64_t> ages_;
};

}  // namespace

CheckResult check_staleness(const ModelInput& input) { return Staleness(input).run(); }

}  // namespace gameday::workload
