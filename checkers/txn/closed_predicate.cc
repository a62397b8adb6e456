#include "checkers/txn/closed_predicate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "checkers/txn/conclude.h"
#include "checkers/txn/state_order.h"
#include "checkers/txn/table_reads.h"

namespace gameday::txn {
namespace {

class ClosedPredicate {
 public:
  ClosedPredicate(const ModelInput& input, const Table& table, const Transactions& transactions,
                  const std::vector<Selected>& selected, Anomalies& anomalies)
      : input_(input),
        table_(table),
        transactions_(transactions),
        selected_(selected),
        order_(table, selected, input, anomalies),
        nodes_(transactions.size(), kNone) {
    for (Node t = 0; t < table.size(); ++t)
      if (!table.failed(t)) nodes_[transactions.of_pair(table.pair_index(t))] = t;
    first_.assign(table.size() + 1, 0);
    for (const Selected& s : selected) ++first_[s.t + 1];
    for (std::size_t t = 1; t < first_.size(); ++t) first_[t] += first_[t - 1];
  }

  // False: there are more than memory may hold.
  bool find_edges() {
    for (std::uint32_t v = 0; v < table_.states(); ++v)
      for (const std::uint32_t later : order_.after(v))
        add(table_.state(v).writer, writer(later), kWw);
    for (Node t = 0; t < table_.size(); ++t) {
      const std::size_t from = edges_.size();
      for (const Selected& s : selections(t)) {
        add(writer(s.state), t, s.by_predicate ? kWrp : kWr);
        for (const std::uint32_t later : order_.after(s.state))
          add(t, writer(later), s.by_predicate ? kRwp : kRw);
      }
      drop_repeated(from);
      if (edges_.size() * 3 * sizeof(RawEdge) > input_.limits.memory_bytes) return false;
    }
    return true;
  }

  std::vector<RawEdge> take_edges() { return std::move(edges_); }

  // Two transactions that read the same state of a key by the key and then wrote it.
  void find_lost_updates(Anomalies& anomalies) const {
    std::vector<std::pair<std::uint32_t, Node>> all;
    for (const Selected& s : selected_) {
      if (s.by_predicate) continue;
      const auto mops = table_.mops(s.t);
      if (std::any_of(mops.begin() + s.mop, mops.end(), [&](const Table::Mop& m) {
            return m.changes() && m.target == table_.state(s.state).key;
          }))
        all.emplace_back(s.state, s.t);
    }
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0, next = 0; i < all.size(); i = next) {
      while (next < all.size() && all[next].first == all[i].first) ++next;
      if (next - i > 1) lost_update(std::span(all).subspan(i, next - i), anomalies);
    }
  }

  Reason why(Node from, Node to, Relations one, const std::string& a, const std::string& b) const {
    const Node first = nodes_[from], second = nodes_[to];
    if (one == kWr || one == kWrp) {
      for (const Selected& s : selections(second))
        if (s.by_predicate == (one == kWrp) && writer(s.state) == first)
          return selected_of(s, a, b);
    } else if (one == kRw || one == kRwp) {
      for (const Selected& s : selections(first))
        if (s.by_predicate == (one == kRwp))
          for (const std::uint32_t later : order_.after(s.state))
            if (writer(later) == second) return overtaken(s, later, a, b);
    } else {
      for (const Table::Mop& m : table_.mops(first))
        if (m.changes())
          for (const std::uint32_t later : order_.after(m.version))
            if (writer(later) == second) return overwrote(m.version, later, a, b);
    }
    return {};
  }

 private:
  Node writer(std::uint32_t state) const { return table_.state(state).writer; }
  std::span<const Selected> selections(Node t) const {
    return std::span(selected_).subspan(first_[t], first_[t + 1] - first_[t]);
  }

  void add(Node from, Node to, Relations relation) {
    if (from == kNone || to == kNone || from == to) return;
    edges_.push_back({transactions_.of_pair(table_.pair_index(from)),
                      transactions_.of_pair(table_.pair_index(to)), relation});
  }

  // A predicate read depends on the same transaction by many keys.
  void drop_repeated(std::size_t from) {
    const auto first = edges_.begin() + static_cast<std::ptrdiff_t>(from);
    const auto fields = [](const RawEdge& e) { return std::tuple(e.from, e.to, e.relation); };
    std::sort(first, edges_.end(),
              [&](const RawEdge& x, const RawEdge& y) { return fields(x) < fields(y); });
    edges_.erase(
        std::unique(first, edges_.end(),
                    [&](const RawEdge& x, const RawEdge& y) { return fields(x) == fields(y); }),
        edges_.end());
  }

  Json data(std::uint32_t state, const Selected* s) const {
    Json json = {{"key", table_.key_json(table_.state(state).key)},
                 {"value", table_.state_json(state)}};
    if (s != nullptr && s->by_predicate) json["predicate-read"] = table_.mop_text(mop(*s));
    return json;
  }
  const Table::Mop& mop(const Selected& s) const { return table_.mops(s.t)[s.mop]; }
  std::string key_text(std::uint32_t state) const {
    return table_.key_text(table_.state(state).key);
  }

  // What a selection says of the key, after "T1 read ... ".
  std::string sight(const Selected& s, const std::string& reader) const {
    const std::string key = key_text(s.state), state = table_.state_text(s.state);
    if (!s.by_predicate) return fmt::format("{} read key {} as {}", reader, key, state);
    const auto rows = table_.rows(mop(s));
    const bool returned = std::any_of(rows.begin(), rows.end(), [&](const Table::Row& row) {
      return row.key == table_.state(s.state).key;
    });
    if (returned)
      return fmt::format("{}'s predicate read {} found key {} as {}", reader,
                         table_.mop_text(mop(s)), key, state);
    return fmt::format(
        "{}'s predicate read {} left out key {}, which must have been {} then, the only "
        "state of it that does not match",
        reader, table_.mop_text(mop(s)), key, state);
  }
  Reason selected_of(const Selected& s, const std::string& a, const std::string& b) const {
    return {fmt::format("{}, and {} made it so", sight(s, b), a), data(s.state, &s)};
  }
  Reason overtaken(const Selected& s, std::uint32_t later, const std::string& a,
                   const std::string& b) const {
    Reason reason = {fmt::format("{}, and {} changed it to {} after that state", sight(s, a), b,
                                 table_.state_text(later)),
                     data(s.state, &s)};
    reason.data["value'"] = table_.state_json(later);
    return reason;
  }
  Reason overwrote(std::uint32_t early, std::uint32_t later, const std::string& a,
                   const std::string& b) const {
    Reason reason = {
        fmt::format("{} left key {} as {}, and {} changed it to {} after that state", a,
                    key_text(early), table_.state_text(early), b, table_.state_text(later)),
        data(early, nullptr)};
    reason.data["value'"] = table_.state_json(later);
    return reason;
  }

  void lost_update(std::span<const std::pair<std::uint32_t, Node>> all,
                   Anomalies& anomalies) const {
    anomalies.add("lost-update", [&] {
      Anomaly a;
      const std::uint32_t state = all.front().first;
      for (const auto& [same, t] : all) {
        a.ops.push_back(table_.op(t));
        if (a.explanation.size() < 16)
          a.explanation.push_back(table_.events().describe(table_.row(t)));
      }
      a.summary = fmt::format("ops {} each read key {} as {} and changed it",
                              fmt::join(a.ops, ", "), key_text(state), table_.state_text(state));
      a.detail = data(state, nullptr);
      return a;
    });
  }

  const ModelInput& input_;
  const Table& table_;
  const Transactions& transactions_;
  const std::vector<Selected>& selected_;
  const StateOrder order_;
  std::vector<Node> nodes_;  // of the table, by those of transactions_
  std::vector<std::size_t> first_;
  std::vector<RawEdge> edges_;
};

}  // namespace

CheckResult check_closed_predicate(const ModelInput& input) {
  const Wanted wanted(input.options);
  Anomalies anomalies;
  const Table table(input.events, input.limits);
  const auto selected = judge_reads(table, input.limits, anomalies);
  std::vector<bool> taken(input.events.pairs().size(), false);
  for (Node t = 0; t < table.size(); ++t) taken[table.pair_index(t)] = !table.failed(t);
  const Pair* const first = input.events.pairs().data();
  const Transactions transactions(
      input.events, [&](const Pair& p) { return taken[static_cast<std::size_t>(&p - first)]; });
  ClosedPredicate check(input, table, transactions, selected, anomalies);
  check.find_lost_updates(anomalies);
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
    find_cycles(
        transactions, graph, wanted.order(),
        [&](Node from, Node to, Relations one, const std::string& a, const std::string& b) {
          return check.why(from, to, one, a, b);
        },
        input.limits, anomalies);
  }
  CheckResult result =
      conclude(std::move(anomalies), wanted,
               fmt::format("{} transactions over {} keys, nothing that {} rules out",
                           transactions.size(), table.keys(), fmt::join(wanted.models(), " and ")));
  result.stats = {{"transactions", transactions.size()},
                  {"keys", table.keys()},
                  {"micro-operations", table.mop_count()},
                  {"dependencies", edges}};
  return result;
}

}  // namespace gameday::txn
