// Why each inference holds wherever its assumption does, and in every strictly serializable
// execution, whose transactions take effect one at a time, each between its invocation and its
// completion. Let a key's installed versions be the last writes of the transactions that committed, in
// that order, nil first, values written once. A transaction *enters* with the version before its
// effect (its external read shows it) and *leaves* the one after it (its last write, or else the same).
// - wfr: a transaction that reads u and leaves v != u installs v itself, after u.
// - sequential, linearizable: if T1 comes before T2, what T1 leaves is installed no later than what
//   T2 enters with, and earlier than what T2 writes. So exit(T1) < entry(T2) where they differ; entry
//   is the read where there is one, also one of nil, and else the last write, for a transaction that
//   does not read does not show what it found.
// Writes inside a transaction are no versions and order nothing; a transaction of unknown outcome has
// no completion, so that nothing follows it in real time; if it never committed, its write is entered
// by nobody, and an edge into it says nothing about others. Overlapping transactions give no edge.
#include "checkers/txn/version_order.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "checkers/txn/components.h"

namespace gameday::txn {

Externals::Externals(const Registers& registers) {
  std::vector<Node> stamp(registers.keys(), kNone);
  std::vector<std::uint32_t> at(registers.keys());
  firsts_.reserve(registers.size() + 1);
  all_.reserve(registers.mop_count());
  for (Node t = 0; t < registers.size(); ++t) {
    firsts_.push_back(all_.size());
    if (registers.failed(t)) continue;
    for (const RwMop& m : registers.mops(t)) {
      if (stamp[m.key] != t) {
        stamp[m.key] = t;
        at[m.key] = static_cast<std::uint32_t>(all_.size() - firsts_.back());
        all_.push_back({m.key, m.is_read(), !m.is_read(), kInitial, kInitial});
        (m.is_read() ? all_.back().read : all_.back().write) = m.version;
      } else if (!m.is_read()) {
        External& e = all_[firsts_.back() + at[m.key]];
        e.writes = true;
        e.write = m.version;
      }
    }
  }
  firsts_.push_back(all_.size());
}

namespace {

// nil of a key is a version of its own here, behind the others.
class VersionOrder {
 public:
  VersionOrder(const Registers& r, const Externals& x, const Limits& limits, Anomalies& anomalies)
      : r_(r), x_(x), limits_(limits), anomalies_(anomalies) {}

  void infer_wfr() {
    for (Node t = 0; t < r_.size(); ++t)
      for (const External& e : x_.of(t))
        if (e.reads && e.writes) add(e.key, e.read, e.write, Source::wfr);
    accept();
  }

  // Of one client's transactions in a row; of unknown outcomes only the last one counts.
  void infer_sequential() {
    Dense processes(r_.events().values());
    std::vector<std::vector<Node>> of_process;
    for (Node t = 0; t < r_.size(); ++t) {
      const std::int32_t process = r_.events().process(r_.pair(t).invoke);
      const auto p = static_cast<std::size_t>(processes.id(Value::integer(process)));
      if (p == of_process.size()) of_process.emplace_back();
      of_process[p].push_back(t);
    }
    std::vector<std::uint32_t> stamp(r_.keys(), kNone);
    std::vector<Version> last(r_.keys());
    for (std::uint32_t p = 0; p < of_process.size(); ++p) {
      for (const Node t : of_process[p]) {
        for (const External& e : x_.of(t)) {
          if (stamp[e.key] == p) add(e.key, last[e.key], e.entry(), Source::sequential);
          if (!r_.ok(t)) continue;
          stamp[e.key] = p;
          last[e.key] = e.exit();
        }
      }
    }
    accept();
  }

  // u < v if some transaction that left u had completed before one that entered with v was invoked.
  // A version's first such completion and last such invocation are all that matters (the zones of
  // Gibbons and Korach, "Testing Shared Memories", SIAM J. Comput. 1997), so that the order of n
  // versions is found by sorting; only edges that no others imply are kept.
  void infer_linearizable() {
    find_zones();
    std::vector<std::uint64_t> firsts(r_.keys() + 1, 0);
    for (const Zone& z : zones_)
      if (z.key != kNone) ++firsts[z.key + 1];
    for (std::size_t k = 1; k < firsts.size(); ++k) firsts[k] += firsts[k - 1];
    std::vector<std::uint32_t> by_key(firsts.back());
    auto next = firsts;
    for (std::uint32_t v = 0; v < zones_.size(); ++v)
      if (zones_[v].key != kNone) by_key[next[zones_[v].key]++] = v;
    for (std::size_t k = 0; k + 1 < firsts.size(); ++k)
      join_zones(std::span(by_key).subspan(firsts[k], firsts[k + 1] - firsts[k]));
    accept();
  }

  std::vector<VersionEdge> take() { return std::move(edges_); }

 private:
  static constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  struct Zone {
    std::uint32_t key = kNone;
    std::int64_t left = kNever;  // row of the first completion of one that left it
    std::int64_t entered = -1;   // row of the last invocation of one that entered with it
  };

  std::uint32_t node(std::uint32_t key, Version v) const {
    return v == kInitial ? static_cast<std::uint32_t>(r_.versions()) + key : static_cast<std::uint32_t>(v);
  }

  void add(std::uint32_t key, Version from, Version to, Source source) {
    if (from == to || from == kInitial) return;
    if (to == kInitial) return circle({from}, key);
    edges_.push_back({from, to, source});
  }

  void find_zones() {
    zones_.assign(r_.versions() + r_.keys(), {});
    for (Node t = 0; t < r_.size(); ++t) {
      const Pair& pair = r_.pair(t);
      for (const External& e : x_.of(t)) {
        Zone& in = zones_[node(e.key, e.entry())];
        in.key = e.key;
        in.entered = std::max<std::int64_t>(in.entered, pair.invoke);
        Zone& out = zones_[node(e.key, e.exit())];
        out.key = e.key;
        if (r_.ok(t)) out.left = std::min<std::int64_t>(out.left, pair.done);
      }
    }
  }

  // Versions of a key. u < v iff left(u) < entered(v); the edge is implied if there is a w with
  // left(u) < entered(w) and left(w) < entered(v). With the w of the smallest left among those that
  // are after u, the edges that remain are those to versions entered before that one was left, and the
  // one to w itself unless another lies between. Each of the former was being written or read at that
  // moment: no more than there are clients.
  void join_zones(std::span<std::uint32_t> versions) {
    std::sort(versions.begin(), versions.end(), [&](std::uint32_t a, std::uint32_t b) {
      return zones_[a].entered < zones_[b].entered;
    });
    // The three versions of the smallest `left` from each place on: one may be u itself.
    const std::size_t n = versions.size();
    least_.assign(n + 1, {kNone, kNone, kNone});
    for (std::size_t i = n; i-- > 0;) {
      least_[i] = least_[i + 1];
      std::uint32_t v = versions[i];
      for (std::uint32_t& one : least_[i])
        if (left(v) < left(one)) std::swap(v, one);
    }
    for (const std::uint32_t u : versions) {
      if (left(u) == kNever) continue;
      const auto after = std::upper_bound(
          versions.begin(), versions.end(), left(u),
          [&](std::int64_t row, std::uint32_t v) { return row < zones_[v].entered; });
      const auto at = static_cast<std::size_t>(after - versions.begin());
      std::array<std::uint32_t, 3> least = least_[at];
      const auto rest = std::remove(least.begin(), least.end(), u);
      std::fill(rest, least.end(), kNone);
      link(u, versions, at, least[0], left(least[1]));
    }
  }

  std::int64_t left(std::uint32_t v) const { return v == kNone ? kNever : zones_[v].left; }

  void link(std::uint32_t u, std::span<const std::uint32_t> versions, std::size_t at, std::uint32_t w,
            std::int64_t second) {
    const std::int64_t bound = left(w);
    for (std::size_t i = at; i < versions.size() && zones_[versions[i]].entered <= bound; ++i)
      if (versions[i] != u && versions[i] != w) connect(u, versions[i]);
    if (w != kNone && zones_[w].entered <= second) connect(u, w);
    // In a circle, edges may all be implied by each other. Of its versions, the one of the smallest
    // `left` comes before each other one, so that each circle has two that come before one another.
    if (w != kNone && left(w) < zones_[u].entered) {
      connect(u, w);
      connect(w, u);
    }
  }

  void connect(std::uint32_t u, std::uint32_t v) {
    const auto as_version = [&](std::uint32_t n) {
      return n < r_.versions() ? static_cast<Version>(n) : kInitial;
    };
    add(zones_[u].key, as_version(u), as_version(v), Source::linearizable);
  }

  // Keeps what was added since the last time if there is no circle in it.
  void accept() {
    std::vector<std::uint64_t> starts(r_.versions() + 1, 0);
    for (const VersionEdge& e : edges_) ++starts[static_cast<std::size_t>(e.from) + 1];
    for (std::size_t i = 1; i < starts.size(); ++i) starts[i] += starts[i - 1];
    std::vector<Version> targets(edges_.size());
    auto next = starts;
    for (const VersionEdge& e : edges_) targets[next[static_cast<std::size_t>(e.from)]++] = e.to;
    struct Successors {
      const std::vector<std::uint64_t>& starts;
      const std::vector<Version>& targets;
      std::size_t size() const { return starts.size() - 1; }
      std::int64_t next(std::uint32_t v, std::uint64_t& position) const {
        return starts[v] + position < starts[v + 1] ? targets[starts[v] + position++] : -1;
      }
    };
    const bool finished = components(Successors{starts, targets}, limits_,
                                     [&](const std::uint32_t* first, const std::uint32_t* last) {
                                       if (last - first < 2) return;
                                       std::vector<Version> scc(first, last);
                                       std::sort(scc.begin(), scc.end());
                                       circle(scc, r_.key_of(scc[0]));
                                     });
    if (!finished) anomalies_.unknown("the order of versions could not be established in time");
    if (circular_ || !finished) edges_.resize(accepted_);
    circular_ = false;
    accepted_ = edges_.size();
  }

  // These versions of a key each come before the others; a single one comes before nil.
  void circle(const std::vector<Version>& versions, std::uint32_t key) {
    circular_ = true;
    anomalies_.add("cyclic-versions", [&] {
      Anomaly a;
      Json values = Json::array();
      std::string text;
      if (versions.size() == 1) text = "nil";
      if (versions.size() == 1) values.push_back(nullptr);
      for (std::size_t i = 0; i < versions.size() && i < 16; ++i) {
        values.push_back(r_.value_json(versions[i]));
        text += (text.empty() ? "" : ", ") + r_.value_text(versions[i]);
        if (const Node t = r_.writer(versions[i]); !r_.never_written(versions[i])) a.ops.push_back(r_.op(t));
      }
      a.summary = fmt::format("the values {} of key {} would each have to come before the others", text,
                              r_.key_text(key));
      a.detail = {{"key", r_.key_json(key)}, {"scc", values}};
      return a;
    });
  }

  const Registers& r_;
  const Externals& x_;
  const Limits& limits_;
  Anomalies& anomalies_;
  std::vector<VersionEdge> edges_;
  std::size_t accepted_ = 0;
  bool circular_ = false;
  std::vector<Zone> zones_;
  std::vector<std::array<std::uint32_t, 3>> least_;
};

}  // namespace

std::vector<VersionEdge> order_versions(const Registers& registers, const Externals& externals,
                                        const ModelOptions& options, const Limits& limits,
                                        Anomalies& anomalies) {
  VersionOrder order(registers, externals, limits, anomalies);
  if (options.wfr_keys) order.infer_wfr();
  if (options.sequential_keys) order.infer_sequential();
  if (options.linearizable_keys) order.infer_linearizable();
  return order.take();
}

}  // namespace gameday::txn
