// The four session guarantees (Terry et al., PDIS 1994) of registers with unique written values: a
// client is a session. Which version of a key is the newer one is not recorded, so each guarantee
// is taken as a demand on the order of versions: a read after a write or a read of one session is
// of that version or a newer one, a write after a write or a read makes a newer one. If the demands
// of a key form a cycle, no order meets them, whatever the database did inside.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

enum Kind : std::uint8_t { kReadYourWrites, kMonotonicReads, kMonotonicWrites, kWritesFollowReads };
constexpr std::array<const char*, 4> kNames = {"read-your-writes", "monotonic-reads",
                                               "monotonic-writes", "writes-follow-reads"};

struct Edge {
  std::int32_t from, to;
  std::int64_t first, second;  // rows of the session that demand it
  Kind kind;
};

struct Session {                       // of one client and key
  std::int32_t read = -1, write = -1;  // the last versions
  std::int64_t read_row = -1, write_row = -1;
};

class Sessions {
 public:
  // wanted: the guarantees to judge, a bit each. What a session writes is in the order in which it
  // writes it, and who looks at writes does not go back: so the premises.
  Sessions(const ModelInput& input, unsigned wanted)
      : report_(input),
        keys_(input.events.values()),
        contents_(input.events.values()),
        wanted_(wanted) {
    used_ = wanted | 1U << kMonotonicWrites;
    if (wanted == 1U << kMonotonicWrites) used_ |= 1U << kMonotonicReads;
  }

  CheckResult run() {
    for (const Pair& pair : report_.events.pairs()) {
      if (report_.expired()) return std::move(report_).result("");
      if (pair.outcome != OpType::fail) on_call(pair);
    }
    if (ops_ == 0)
      return unfit(report_.input,
                   ":read and :write of [key value], or transactions [[:r k v] [:w k v]]");
    report_.stats["op-count"] = ops_;
    report_.stats["version-count"] = versions_.size();
    cycles();
    report_.stats["session-count"] = sessions_.size();
    return std::move(report_).result(fmt::format(
        "{} reads and writes: an order of versions meets what every session saw and did", ops_));
  }

 private:
  void on_call(const Pair& pair) {
    const Events& events = report_.events;
    const std::string& f = events.name_text(events.f(pair.invoke));
    const bool ok = pair.outcome == OpType::ok;
    const auto row = ok ? std::int64_t{pair.done} : std::int64_t{pair.invoke};
    const Value v = events.value(static_cast<std::size_t>(row));
    const auto process = events.process(pair.invoke);
    const auto items = elements(report_.values, v);
    if (f == "read" || f == "write") {
      const bool keyed = items.size() == 2 && v.is_sequence();
      const Value key = keyed ? items[0] : Value(), content = keyed ? items[1] : v;
      if (f == "write") on_write(process, key, content, row);
      if (f == "read" && ok) on_read(process, key, content, row);
      return;
    }
    for (const Value mop : items) {
      const auto parts = elements(report_.values, mop);
      if (parts.size() != 3) continue;
      if (report_.values.says(parts[0], "w")) on_write(process, parts[1], parts[2], row);
      if (report_.values.says(parts[0], "r") && ok) on_read(process, parts[1], parts[2], row);
    }
  }

  void on_write(std::int32_t process, Value key, Value content, std::int64_t row) {
    ++ops_;
    const auto to = version(key, content);
    std::int64_t& writer = writers_[static_cast<std::size_t>(to)];
    if (writer >= 0)
      report_.unknown(fmt::format("{} is written to key {} more than once, by {} and {}",
                                  report_.show(content), report_.show(key), report_.call(writer),
                                  report_.call(row)));
    writer = row;
    Session& s = session(process, key);
    demand(s.write, to, s.write_row, row, kMonotonicWrites);
    demand(s.read, to, s.read_row, row, kWritesFollowReads);
    s.write = to;
    s.write_row = row;
  }

  void on_read(std::int32_t process, Value key, Value content, std::int64_t row) {
    ++ops_;
    Session& s = session(process, key);
    if (content.is_nil()) {
      back_to_nothing(key, s.write_row, row, kReadYourWrites);
      back_to_nothing(key, s.read_row, row, kMonotonicReads);
      return;
    }
    const auto to = version(key, content);
    demand(s.write, to, s.write_row, row, kReadYourWrites);
    demand(s.read, to, s.read_row, row, kMonotonicReads);
    s.read = to;
    s.read_row = row;
  }

  void demand(std::int32_t from, std::int32_t to, std::int64_t first, std::int64_t second,
              Kind kind) {
    if (from >= 0 && from != to && (used_ >> kind & 1) != 0)
      edges_.push_back({from, to, first, second, kind});
  }

  void back_to_nothing(Value key, std::int64_t before, std::int64_t row, Kind kind) {
    if (before < 0 || (wanted_ >> kind & 1) == 0) return;
    Anomaly* a = report_.add(kNames[kind], {before, row});
    if (a == nullptr) return;
    const bool wrote = kind == kReadYourWrites;
    a->summary = fmt::format("a read{} finds key {} empty, after the same client had {} it{}",
                             report_.when(row), report_.show(key), wrote ? "written" : "read",
                             report_.when(before));
    a->explanation = {
        fmt::format("{} {} {}", report_.call(before), wrote ? "wrote" : "showed", shown(before)),
        fmt::format("{} of the same client came after it and shows nil, as before every write",
                    report_.call(row))};
  }

  std::string shown(std::int64_t row) const {
    return report_.show(report_.events.value(static_cast<std::size_t>(row)));
  }

  std::int32_t version(Value key, Value content) {
    const auto at = static_cast<std::uint64_t>(keys_.id(key)) << 32 |
                    static_cast<std::uint64_t>(contents_.id(content));
    const auto [it, added] = versions_.try_emplace(at, static_cast<std::int32_t>(versions_.size()));
    if (added) {
      writers_.push_back(-1);
      named_.push_back({key, content});
    }
    return it->second;
  }

  Session& session(std::int32_t process, Value key) {
    return sessions_[static_cast<std::uint64_t>(process) << 32 |
                     static_cast<std::uint64_t>(keys_.id(key))];
  }

  // Takes away, again and again, versions that nothing is older or nothing is newer than; what is
  // left has cycles, and from each of its edges that is wanted one is looked for.
  void cycles() {
    const std::size_t n = writers_.size();
    std::sort(edges_.begin(), edges_.end(),
              [](const Edge& a, const Edge& b) { return a.from < b.from; });
    std::vector<std::size_t> begin(n + 1, 0);
    std::vector<std::int32_t> older(n, 0);
    for (const Edge& e : edges_) {
      ++begin[static_cast<std::size_t>(e.from) + 1];
      ++older[static_cast<std::size_t>(e.to)];
    }
    for (std::size_t v = 0; v < n; ++v) begin[v + 1] += begin[v];
    std::vector<std::int32_t> ready;
    for (std::size_t v = 0; v < n; ++v)
      if (older[v] == 0) ready.push_back(static_cast<std::int32_t>(v));
    while (!ready.empty()) {
      const auto v = static_cast<std::size_t>(ready.back());
      ready.pop_back();
      for (std::size_t e = begin[v]; e < begin[v + 1]; ++e)
        if (--older[static_cast<std::size_t>(edges_[e].to)] == 0) ready.push_back(edges_[e].to);
    }
    std::vector<char> done(n, 0);
    for (const Edge& e : edges_) {
      if (report_.input.limits.expired() != nullptr) {
        report_.unknown(report_.input.limits.expired());
        return;
      }
      const auto from = static_cast<std::size_t>(e.from), to = static_cast<std::size_t>(e.to);
      if ((wanted_ >> e.kind & 1) == 0 || older[from] == 0 || older[to] == 0 || done[from] ||
          done[to])
        continue;
      const auto path = way(begin, older, e.to, e.from);
      if (path.empty()) continue;
      for (const auto at : path) done[static_cast<std::size_t>(edges_[at].from)] = 1;
      done[from] = 1;
      cycle(e, path);
    }
  }

  // The shortest way along edges between versions that are left; empty: none.
  std::vector<std::size_t> way(const std::vector<std::size_t>& begin,
                               const std::vector<std::int32_t>& older, std::int32_t from,
                               std::int32_t to) {
    std::unordered_map<std::int32_t, std::size_t> by{{from, 0}};
    std::vector<std::int32_t> queue{from};
    for (std::size_t head = 0; head < queue.size() && !by.contains(to); ++head) {
      const auto v = static_cast<std::size_t>(queue[head]);
      for (std::size_t e = begin[v]; e < begin[v + 1]; ++e)
        if (older[static_cast<std::size_t>(edges_[e].to)] > 0 &&
            by.try_emplace(edges_[e].to, e).second)
          queue.push_back(edges_[e].to);
    }
    std::vector<std::size_t> path;
    if (!by.contains(to)) return path;
    for (auto v = to; v != from; v = edges_[by[v]].from) path.push_back(by[v]);
    std::reverse(path.begin(), path.end());
    return path;
  }

  void cycle(const Edge& closing, const std::vector<std::size_t>& path) {
    Anomaly* a = report_.add(kNames[closing.kind], {closing.first, closing.second});
    if (a == nullptr) return;
    const auto& [key, older] = named_[static_cast<std::size_t>(closing.from)];
    const Value newer = named_[static_cast<std::size_t>(closing.to)].second;
    a->summary = fmt::format(
        "{} demands that {} of key {} is newer than {}, and others that it is older",
        kNames[closing.kind], report_.show(newer), report_.show(key), report_.show(older));
    explain(*a, closing);
    for (const auto at : path) explain(*a, edges_[at]);
    a->explanation.push_back("contradiction: no order of these versions meets all of this");
  }

  void explain(Anomaly& a, const Edge& e) const {
    a.explanation.push_back(fmt::format("{} < {} by {}: {} {}, then {} {}", name(e.from),
                                        name(e.to), kNames[e.kind], report_.call(e.first),
                                        shown(e.first), report_.call(e.second), shown(e.second)));
    for (const auto row : {e.first, e.second}) {
      const auto index = report_.events.index(static_cast<std::size_t>(row));
      if (std::find(a.ops.begin(), a.ops.end(), index) == a.ops.end()) a.ops.push_back(index);
    }
  }

  std::string name(std::int32_t v) const {
    return report_.show(named_[static_cast<std::size_t>(v)].second);
  }

  Report report_;
  Dense keys_, contents_;
  unsigned wanted_, used_;
  std::size_t ops_ = 0;
  std::unordered_map<std::uint64_t, std::int32_t> versions_;
  std::unordered_map<std::uint64_t, Session> sessions_;
  std::vector<std::int64_t> writers_;
  std::vector<std::pair<Value, Value>> named_;
  std::vector<Edge> edges_;
};

}  // namespace

CheckResult check_session(const ModelInput& input) { return Sessions(input, 15).run(); }
CheckResult check_read_your_writes(const ModelInput& input) {
  return Sessions(input, 1U << kReadYourWrites).run();
}
CheckResult check_monotonic_reads(const ModelInput& input) {
  return Sessions(input, 1U << kMonotonicReads).run();
}
CheckResult check_monotonic_writes(const ModelInput& input) {
  return Sessions(input, 1U << kMonotonicWrites).run();
}
CheckResult check_writes_follow_reads(const ModelInput& input) {
  return Sessions(input, 1U << kWritesFollowReads).run();
}

}  // namespace gameday::workload
