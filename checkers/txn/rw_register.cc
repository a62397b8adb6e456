#include "checkers/txn/rw_register.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "checkers/txn/conclude.h"
#include "checkers/txn/reads.h"
#include "checkers/txn/version_order.h"
#include "checkers/txn/weak/check.h"

namespace gameday::txn {
namespace {

// Who externally read each version; nil of a key is a version of its own, behind the others.
class Readers {
 public:
  Readers(const Registers& r, const Externals& x) : versions_(r.versions()) {
    firsts_.assign(versions_ + r.keys() + 1, 0);
    for (Node t = 0; t < r.size(); ++t)
      for (const External& e : x.of(t))
        if (e.reads) ++firsts_[index(e.key, e.read) + 1];
    for (std::size_t i = 1; i < firsts_.size(); ++i) firsts_[i] += firsts_[i - 1];
    readers_.resize(firsts_.back());
    auto next = firsts_;
    for (Node t = 0; t < r.size(); ++t)
      for (const External& e : x.of(t))
        if (e.reads) readers_[next[index(e.key, e.read)]++] = t;
  }
  std::span<const Node> of(std::uint32_t key, Version v) const {
    const std::size_t i = index(key, v);
    return std::span(readers_).subspan(firsts_[i], firsts_[i + 1] - firsts_[i]);
  }

 private:
  std::size_t index(std::uint32_t key, Version v) const {
    return v == kInitial ? versions_ + key : static_cast<std::size_t>(v);
  }
  std::size_t versions_;
  std::vector<std::uint64_t> firsts_;
  std::vector<Node> readers_;
};

class RwRegister {
 public:
  RwRegister(const ModelInput& input, const Registers& registers, const Transactions& transactions,
             Anomalies& anomalies)
      : input_(input),
        r_(registers),
        transactions_(transactions),
        anomalies_(anomalies),
        x_(registers),
        readers_(registers, x_) {}

  void find_lost_updates() {
    for (Version v = 0; v < static_cast<Version>(r_.versions()); ++v) lost_update(r_.key_of(v), v);
    for (std::uint32_t k = 0; k < r_.keys(); ++k) lost_update(k, kInitial);
  }

  // False: there are more than memory may hold.
  bool find_edges() {
    const auto order = order_versions(r_, x_, input_.options, input_.limits, anomalies_);
    successors_first_.assign(r_.versions() + 1, 0);
    for (const VersionEdge& e : order) ++successors_first_[static_cast<std::size_t>(e.from) + 1];
    for (std::size_t i = 1; i < successors_first_.size(); ++i)
      successors_first_[i] += successors_first_[i - 1];
    successors_.resize(order.size());
    auto next = successors_first_;
    for (const VersionEdge& e : order) successors_[next[static_cast<std::size_t>(e.from)]++] = e.to;
    for (Version v = 0; v < static_cast<Version>(r_.versions()); ++v) {
      const Node writer = visible_writer(v);
      const auto readers = readers_.of(r_.key_of(v), v);
      if (writer != kNone)
        for (const Node t : readers) add(writer, t, kWr);
      for (const Version later : successors(v)) {
        const Node over = visible_writer(later);
        if (over == kNone) continue;
        if (writer != kNone) add(writer, over, kWw);
        for (const Node t : readers) add(t, over, kRw);
      }
      if (too_many()) return false;
    }
    return add_initial(order);
  }

  std::vector<RawEdge> take_edges() { return std::move(edges_); }

  Reason why(Node from, Node to, Relations one, const std::string& a, const std::string& b) const {
    for (const External& later : x_.of(registers_node(to))) {
      const External* early = x_.find(registers_node(from), later.key);
      if (early == nullptr) continue;
      const std::string key = r_.key_text(later.key);
      const auto data = [&](Version u, Version v) {
        return Json{{"key", r_.key_json(later.key)},
                    {"value", r_.value_json(u)},
                    {"value'", r_.value_json(v)}};
      };
      if (one == kWr && early->writes && later.reads && early->write == later.read)
        return {fmt::format("{} wrote {} = {}, which was read by {}", a, key,
                            r_.value_text(later.read), b),
                {{"key", r_.key_json(later.key)}, {"value", r_.value_json(later.read)}}};
      if (one == kWw && early->writes && later.writes && precedes(early->write, later.write))
        return {fmt::format("{} set key {} to {}, and {} set it to {}, which came later in the version "
                            "order",
                            a, key, r_.value_text(early->write), b, r_.value_text(later.write)),
                data(early->write, later.write)};
      if (one == kRw && early->reads && later.writes && precedes(early->read, later.write))
        return {fmt::format("{} read key {} = {}, and {} set it to {}, which came later in the version "
                            "order",
                            a, key, r_.value_text(early->read), b, r_.value_text(later.write)),
                data(early->read, later.write)};
    }
    return {};
  }

 private:
  std::span<const Version> successors(Version v) const {
    const auto i = static_cast<std::size_t>(v);
    return {successors_.data() + successors_first_[i], successors_.data() + successors_first_[i + 1]};
  }
  bool precedes(Version u, Version v) const {
    if (u == kInitial) return v != kInitial;
    const auto after = successors(u);
    return std::find(after.begin(), after.end(), v) != after.end();
  }

  // Who installed a version, if that is known to have happened: completed, or read by another.
  Node visible_writer(Version v) const {
    if (r_.never_written(v) || r_.ambiguous(v) || r_.intermediate(v)) return kNone;
    const Node t = r_.writer(v);
    if (r_.ok(t)) return t;
    return r_.failed(t) || readers_.of(r_.key_of(v), v).empty() ? kNone : t;
  }

  void add(Node from, Node to, Relations relation) {
    if (from == to) return;
    edges_.push_back({transactions_.of_pair(r_.pair_index(from)), transactions_.of_pair(r_.pair_index(to)),
                      relation});
  }
  bool too_many() const { return edges_.size() * 3 * sizeof(RawEdge) > input_.limits.memory_bytes; }

  Node registers_node(Node n) const { return nodes_[n]; }

  // Whoever read nil comes before all writers of the key. Those whose version comes after another's of
  // the key follow by that one's edge: the same kind of cycle, with one more ww.
  bool add_initial(const std::vector<VersionEdge>& order) {
    std::vector<bool> follows(r_.versions(), false);
    for (const VersionEdge& e : order)
      if (visible_writer(e.from) != kNone) follows[static_cast<std::size_t>(e.to)] = true;
    for (Version v = 0; v < static_cast<Version>(r_.versions()); ++v) {
      const Node writer = visible_writer(v);
      if (writer == kNone || follows[static_cast<std::size_t>(v)]) continue;
      for (const Node t : readers_.of(r_.key_of(v), kInitial)) add(t, writer, kRw);
      if (too_many()) return false;
    }
    return true;
  }

  void lost_update(std::uint32_t key, Version v) {
    std::vector<Node> writers;
    for (const Node t : readers_.of(key, v))
      if (x_.find(t, key)->writes) writers.push_back(t);
    if (writers.size() < 2) return;
    anomalies_.add("lost-update", [&] {
      Anomaly a;
      for (const Node t : writers) {
        a.ops.push_back(r_.op(t));
        if (a.explanation.size() < 16) a.explanation.push_back(r_.events().describe(r_.row(t)));
      }
      a.summary = fmt::format("ops {} each read {} = {} and wrote it", fmt::join(a.ops, ", "),
                              r_.key_text(key), r_.value_text(v));
      a.detail = {{"key", r_.key_json(key)}, {"value", r_.value_json(v)}};
      return a;
    });
  }

 public:
  void index_nodes() {
    nodes_.assign(transactions_.size(), kNone);
    for (Node t = 0; t < r_.size(); ++t)
      if (!r_.failed(t)) nodes_[transactions_.of_pair(r_.pair_index(t))] = t;
  }

 private:
  const ModelInput& input_;
  const Registers& r_;
  const Transactions& transactions_;
  Anomalies& anomalies_;
  Externals x_;
  Readers readers_;
  std::vector<std::uint64_t> successors_first_;
  std::vector<Version> successors_;
  std::vector<RawEdge> edges_;
  std::vector<Node> nodes_;  // of Registers, by those of Transactions
};

// Read atomic and causal consistency have exact checks, without and with clients' orders (Cerone et
// al., CONCUR 2015, knows none).
void check_exactly(const Registers& registers, const Wanted& wanted, const Limits& limits,
                   Anomalies& anomalies) {
  // Cerone, Bernardi and Gotsman (CONCUR 2015, figure 1): prefix and parallel snapshot isolation are
  // causal, update atomic is read atomic.
  for (const std::string& model : wanted.models()) {
    if (model == "read-atomic" || model == "update-atomic" || model == "ROLA")
      weak::check_commit_order(registers, weak::Level::read_atomic, false, limits, anomalies);
    if (model == "causal-cerone" || model == "prefix" || model == "parallel-snapshot-isolation")
      weak::check_commit_order(registers, weak::Level::causal, false, limits, anomalies);
  }
}

}  // namespace

CheckResult check_rw_register(const ModelInput& input) {
  // Sessions and causal order have an exact check. What implies causal falls with it.
  const auto& models = input.options.consistency;
  if (models.size() == 1 && input.options.anomalies.empty() &&
      (models[0] == "causal" || models[0] == "sequential" || models[0] == "linearizable")) {
    CheckResult result = weak::check_causal(input);
    if (models[0] == "causal" || result.verdict == Verdict::invalid) return result;
  }
  ModelOptions options = input.options;
  options.anomalies.emplace_back(weak::kCommitOrderCycle);
  const Wanted wanted(options);
  Anomalies anomalies;
  const Registers registers(input.events, input.limits);
  check_reads(registers, Repeatable::yes, input.limits, anomalies);
  check_exactly(registers, wanted, input.limits, anomalies);
  std::vector<bool> taken(input.events.pairs().size(), false);
  for (Node t = 0; t < registers.size(); ++t) taken[registers.pair_index(t)] = !registers.failed(t);
  const Pair* const first = input.events.pairs().data();
  const Transactions transactions(input.events, [&](const Pair& p) {
    return taken[static_cast<std::size_t>(&p - first)];
  });
  RwRegister check(input, registers, transactions, anomalies);
  check.index_nodes();
  check.find_lost_updates();
  std::size_t edges = 0;
  if (!check.find_edges()) {
    anomalies.unknown("the limit of memory is reached");
  } else {
    std::vector<std::vector<RawEdge>> parts;
    parts.push_back(check.take_edges());
    const Graph graph(transactions.size(), std::move(parts));
    edges = graph.edges();
    if (edges == 0 && !transactions.orders_any(wanted.order()))
      anomalies.unknown("no transaction depends on another, so nothing could be seen to go wrong",
                        "empty-transaction-graph");
    find_cycles(transactions, graph, wanted.order(),
                [&](Node from, Node to, Relations one, const std::string& a, const std::string& b) {
                  return check.why(from, to, one, a, b);
                },
                input.limits, anomalies);
  }
  CheckResult result = conclude(
      std::move(anomalies), wanted,
      fmt::format("{} transactions over {} keys, nothing that {} rules out", transactions.size(),
                  registers.keys(), fmt::join(wanted.models(), " and ")));
  result.stats = {{"transactions", transactions.size()},
                  {"keys", registers.keys()},
                  {"micro-operations", registers.mop_count()},
                  {"dependencies", edges}};
  return result;
}

}  // namespace gameday::txn
