// Convergence: once the last write is over, all readers must come to say the same. A reader is a
// node where rows name one (:node), else a process; what counts of each is its last completed read
// of a key that began after every write of that key was over. A write that never completed may come
// at any time, so then a later difference proves nothing.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"

namespace gameday::guarantees {
namespace {

struct Final {
  std::uint32_t pair = 0;
  Value value;
};

struct Key {
  std::int64_t last_write = -1;         // row at which the last write was over
  std::optional<std::uint32_t> open;    // a write that may still come
  std::map<std::int32_t, Final> reads;  // by reader
};

class Convergence {
 public:
  explicit Convergence(const ModelInput& input)
      : input_(input),
        events_(input.events),
        values_(events_.values()),
        keys_(values_),
        readers_(values_) {}

  CheckResult check() && {
    sort_names();
    keyed_ = all_keyed();
    for (const bool writes : {true, false})  // the last write first
      for (std::size_t i = 0; i < events_.pairs().size(); ++i) {
        if (i % 4096 == 0)
          if (const char* reason = input_.limits.expired()) return stopped(reason);
        take(static_cast<std::uint32_t>(i), writes);
      }
    for (std::size_t k = 0; k < columns_.size(); ++k) judge(k);
    if (judged_ == 0)
      findings_.unknown(
          "no key was read by two readers after its last write, so there is nothing to compare");
    findings_.stats = {
        {"keys", columns_.size()}, {"keys-compared", judged_}, {"final-reads", finals_}};
    return std::move(findings_).result(
        fmt::format("{} final reads of {} keys agree", finals_, judged_));
  }

 private:
  CheckResult stopped(const char* reason) {
    findings_.unknown(reason);
    return std::move(findings_).result("");
  }

  void sort_names() {
    reads_.resize(events_.name_count());
    for (std::size_t f = 0; f < reads_.size(); ++f) {
      const std::string& name = events_.name_text(static_cast<Events::Name>(f));
      reads_[f] = name == "read" || name == "r" || name == "get" || name == "final-read";
    }
  }
  bool is_read(const Pair& p) const { return reads_[events_.f(p.invoke)]; }

  bool pair_value(Value v) const { return v.is_sequence() && values_.items(v).size() == 2; }

  // [k v]: when every call has such a value, a read that was only invoked as [k nil] too.
  bool all_keyed() const {
    bool any = false;
    for (const Pair& p : events_.pairs()) {
      if (!pair_value(events_.value(p.invoke))) return false;
      if (is_read(p)) {
        if (!values_.items(events_.value(p.invoke))[1].is_nil()) return false;
        if (p.outcome == OpType::ok && !pair_value(events_.result(p))) return false;
      }
      any = true;
    }
    return any;
  }

  Key& column(Value v) {
    const auto id = static_cast<std::size_t>(keys_.id(keyed_ ? values_.items(v)[0] : Value()));
    if (id >= columns_.size()) columns_.resize(id + 1);
    return columns_[id];
  }

  std::int32_t reader(const Pair& p) {
    Value node = values_.get(events_.extra(static_cast<std::size_t>(p.done)), "node");
    if (node.is_nil()) node = values_.get(events_.extra(p.invoke), "node");
    if (node.is_nil()) node = Value::integer(events_.process(p.invoke));
    return readers_.id(node);
  }

  void take(std::uint32_t i, bool writes) {
    const Pair& p = events_.pairs()[i];
    if (is_read(p) == writes || p.outcome == OpType::fail) return;
    Key& key = column(events_.value(p.invoke));
    if (writes) {
      if (p.outcome == OpType::ok)
        key.last_write = std::max<std::int64_t>(key.last_write, p.done);
      else if (!key.open)
        key.open = i;
    } else if (p.outcome == OpType::ok && p.invoke > key.last_write) {
      const Value v = events_.result(p);
      key.reads[reader(p)] = {i, keyed_ ? values_.items(v)[1] : v};
    }
  }

  void judge(std::size_t k) {
    const Key& key = columns_[k];
    if (key.reads.size() < 2) return;
    const Final* first = nullptr;
    const Final* other = nullptr;
    for (const auto& [who, read] : key.reads) {
      if (first == nullptr)
        first = &read;
      else if (other == nullptr && !values_.equal(first->value, read.value))
        other = &read;
    }
    if (other != nullptr && key.open) {
      findings_.unknown(fmt::format("final reads differ, but {} may have happened between them",
                                    events_.describe(events_.pairs()[*key.open].invoke)));
      return;
    }
    ++judged_;
    finals_ += key.reads.size();
    if (other != nullptr) report(k, key, *first, *other);
  }

  void report(std::size_t k, const Key& key, const Final& first, const Final& other) {
    if (findings_.full()) return findings_.count_only();
    const std::string of =
        keyed_ ? fmt::format(" of key {}", values_.edn(keys_.value(static_cast<std::int32_t>(k))))
               : "";
    Anomaly anomaly;
    anomaly.type = "diverged";
    anomaly.summary = fmt::format("final reads{} do not agree: one says {}, another {}", of,
                                  values_.edn(first.value), values_.edn(other.value));
    Json says = Json::object();
    for (const auto& [who, read] : key.reads) {
      const std::string name = values_.edn(readers_.value(who));
      says[name] = values_.json(read.value);
      const auto done = static_cast<std::size_t>(events_.pairs()[read.pair].done);
      if (anomaly.explanation.size() < 8)
        anomaly.explanation.push_back(fmt::format("{} last read {}: {}.", name,
                                                  values_.edn(read.value), events_.describe(done)));
    }
    for (const Final* read : {&first, &other})
      anomaly.ops.push_back(
          events_.index(static_cast<std::size_t>(events_.pairs()[read->pair].done)));
    anomaly.detail = {{"says", std::move(says)}};
    if (keyed_) anomaly.detail["key"] = values_.json(keys_.value(static_cast<std::int32_t>(k)));
    findings_.add(std::move(anomaly));
  }

  const ModelInput& input_;
  const Events& events_;
  const Values& values_;
  Dense keys_, readers_;
  std::vector<Key> columns_;
  std::vector<bool> reads_;  // by name
  bool keyed_ = false;
  std::size_t judged_ = 0, finals_ = 0;
  Findings findings_;
};

}  // namespace

CheckResult check_convergence(const ModelInput& input) { return Convergence(input).check(); }

}  // namespace gameday::guarantees
