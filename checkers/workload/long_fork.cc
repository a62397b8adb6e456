// Jepsen's long fork, the anomaly of parallel snapshot isolation: of two independent writes one
// read sees the first only and another the second only (jepsen.tests.long-fork; Sovran et al., SOSP
// 2011). Each key is written once, so the reads of a group of keys must form a chain by what they
// see, and they do if each is contained in the next when they are in the order of how much they
// see.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Mop {
  bool read = false;
  Value key, value;
};

struct Seen {
  std::int64_t row;
  std::vector<std::int32_t> keys;  // those that the read does not show as nil, sorted
};

class LongFork {
 public:
  explicit LongFork(const ModelInput& input) : report_(input), keys_(input.events.values()) {}

  CheckResult run() {
    const Events& events = report_.events;
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (report_.expired()) return std::move(report_).result("");
      if (!events.is_client(i) || !mops(events.value(i))) continue;
      const auto row = static_cast<std::int64_t>(i);
      if (events.type(i) == OpType::invoke && mops_.size() == 1 && !mops_[0].read && !on_write(row))
        return std::move(report_).result("");
      if (events.type(i) == OpType::ok &&
          std::all_of(mops_.begin(), mops_.end(), [](const Mop& m) { return m.read; }) &&
          !on_read(row))
        return std::move(report_).result("");
    }
    if (reads_ == 0 && writes_ == 0)
      return unfit(report_.input, "transactions of reads [:r k v] and writes [:w k v]");
    for (auto& group : groups_) judge(group.second);
    report_.stats["reads-count"] = reads_;
    report_.stats["early-read-count"] = early_;
    report_.stats["late-read-count"] = late_;
    report_.stats["fork-count"] = report_.count();
    return std::move(report_).result(fmt::format(
        "{} reads of {} groups of keys see the writes in one order", reads_, groups_.size()));
  }

 private:
  bool mops(Value v) {
    mops_.clear();
    if (!v.is_sequence()) return false;
    for (const Value m : report_.values.items(v)) {
      if (!m.is_sequence()) return false;
      const auto parts = report_.values.items(m);
      if (parts.size() < 2) return false;
      const bool read = report_.values.says(parts[0], "r");
      if (!read && !report_.values.says(parts[0], "w")) return false;
      mops_.push_back({read, parts[1], parts.size() > 2 ? parts[2] : Value()});
    }
    return !mops_.empty();
  }

  bool on_write(std::int64_t row) {
    ++writes_;
    std::int64_t& writer = row_of(writers_, keys_.id(mops_[0].key));
    if (writer < 0) {
      writer = row;
      return true;
    }
    report_.unknown(fmt::format(
        "key {} is written more than once, by {} and {}: which write a read saw is not known",
        report_.show(mops_[0].key), report_.call(writer), report_.call(row)));
    return false;
  }

  std::int64_t& row_of(std::vector<std::int64_t>& rows, std::int32_t key) {
    const auto k = static_cast<std::size_t>(key);
    if (k >= rows.size()) rows.resize(k + 1, -1);
    return rows[k];
  }

  bool on_read(std::int64_t row) {
    std::vector<std::int32_t> all;
    Seen seen{row, {}};
    for (const Mop& m : mops_) {
      const auto key = keys_.id(m.key);
      all.push_back(key);
      if (m.value.is_nil()) continue;
      seen.keys.push_back(key);
      const auto k = static_cast<std::size_t>(key);
      if (k >= first_.size()) first_.resize(k + 1);
      if (first_[k].is_nil()) first_[k] = m.value;
      if (report_.values.equal(first_[k], m.value)) continue;
      report_.unknown(fmt::format(
          "reads show two values of key {}, {} and {}: this model judges keys written once",
          report_.show(m.key), report_.show(first_[k]), report_.show(m.value)));
      return false;
    }
    for (auto* keys : {&all, &seen.keys}) {
      std::sort(keys->begin(), keys->end());
      keys->erase(std::unique(keys->begin(), keys->end()), keys->end());
    }
    const auto size = report_.input.options.group_size.value_or(0);
    if (size > 0 && static_cast<std::size_t>(size) != all.size()) {
      report_.unknown(fmt::format("{} reads {} keys, and a group has {} (--group-size)",
                                  report_.call(row), all.size(), size));
      return false;
    }
    ++reads_;
    early_ += seen.keys.empty();
    late_ += seen.keys.size() == all.size();
    groups_[std::string(reinterpret_cast<const char*>(all.data()), all.size() * sizeof(all[0]))]
        .push_back(std::move(seen));
    return true;
  }

  void judge(std::vector<Seen>& reads) {
    std::stable_sort(reads.begin(), reads.end(),
                     [](const Seen& a, const Seen& b) { return a.keys.size() < b.keys.size(); });
    for (std::size_t i = 1; i < reads.size(); ++i) {
      const Seen &a = reads[i - 1], &b = reads[i];
      if (!std::includes(b.keys.begin(), b.keys.end(), a.keys.begin(), a.keys.end())) fork(a, b);
    }
  }

  // A key that the first sees and the second does not.
  Value difference(const Seen& a, const Seen& b) const {
    for (const auto key : a.keys)
      if (!std::binary_search(b.keys.begin(), b.keys.end(), key)) return keys_.value(key);
    return {};
  }

  void fork(const Seen& a, const Seen& b) {
    const Value x = difference(a, b), y = difference(b, a);
    Anomaly* anomaly = report_.add("long-fork", {a.row, b.row});
    if (anomaly == nullptr) return;
    anomaly->summary = fmt::format(
        "one read{} sees the write of {} without that of {}, another{} that of {} without {}",
        report_.when(a.row), report_.show(x), report_.show(y), report_.when(b.row), report_.show(y),
        report_.show(x));
    anomaly->explanation = {
        fmt::format("{} shows {}: {} was written before {}", report_.call(a.row), value(a.row),
                    report_.show(x), report_.show(y)),
        fmt::format("{} shows {}: {} was written before {}; contradiction", report_.call(b.row),
                    value(b.row), report_.show(y), report_.show(x))};
    anomaly->detail["keys"] = {report_.values.json(x), report_.values.json(y)};
  }

  std::string value(std::int64_t row) const {
    return report_.show(report_.events.value(static_cast<std::size_t>(row)));
  }

  Report report_;
  Dense keys_;
  std::vector<Mop> mops_;
  std::vector<std::int64_t> writers_;                          // by key
  std::vector<Value> first_;                                   // by key: the value that reads show
  std::unordered_map<std::string, std::vector<Seen>> groups_;  // by the numbers of their keys
  std::size_t reads_ = 0, writes_ = 0, early_ = 0, late_ = 0;
};

}  // namespace

CheckResult check_long_fork(const ModelInput& input) { return LongFork(input).run(); }

}  // namespace gameday::workload
