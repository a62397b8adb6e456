#include <fmt/format.h>

#include <algorithm>

#include "checkers/txn/components.h"
#include "checkers/txn/consistency.h"
#include "checkers/txn/search.h"

namespace gameday::txn {
namespace {

// Dependencies and the order of transactions together, without storing the order's edges. Nodes
// after the transactions are instants.
struct Ordered {
  const Transactions& transactions;
  const Graph& graph;
  Order order;

  std::size_t size() const {
    return graph.size() + (order == Order::realtime ? transactions.instants() : 0);
  }
  std::int64_t next(std::uint32_t node, std::uint64_t& position) const {
    if (node >= graph.size()) return next_of_instant(node, position);
    const std::size_t begin = graph.begin(node), degree = graph.end(node) - begin;
    if (position < degree) return graph.target(begin + position++);
    if (position++ > degree || node >= transactions.size()) return -1;
    if (order == Order::process && transactions.next_of_process(node) != kNone)
      return transactions.next_of_process(node);
    if (order == Order::realtime && transactions.completed(node) != kNone)
      return static_cast<std::int64_t>(graph.size()) + transactions.completed(node);
    return -1;
  }
  std::int64_t next_of_instant(std::uint32_t node, std::uint64_t& position) const {
    const auto instant = static_cast<std::uint32_t>(node - graph.size());
    if (position == 0) {
      ++position;
      if (instant + 1 < transactions.instants()) return node + 1;
    }
    const std::uint64_t begun = transactions.begins(instant) + (position - 1);
    if (begun >= transactions.begins(instant + 1)) return -1;
    ++position;
    return static_cast<std::int64_t>(begun);
  }
};

struct Kind {
  std::string name;
  Shape shape;
  bool ordered;        // a variant: steps of process or realtime count
  std::string exists;  // Elle's name where only the existence of such a cycle is certain
};

// In the order in which Elle looks for them: none is implied by a later one.
std::vector<Kind> make_kinds(Order order) {
  using Form = Shape::Form;
  constexpr Relations kWrites = kWw | kWwp, kReads = kWr | kWrp;
  const Kind plain[] = {
      {"G0", {Form::any, kWrites, 0, kWrites}, false, "PL-1"},
      {"G1c", {Form::any, kDependency, 0, kReads}, false, "PL-2"},
      {"G-single-item", {Form::single, kDependency, kRw, kRw}, false, "snapshot-isolation"},
      {"G-single", {Form::single, kDependency, kAntidependency, kRwp}, false, "snapshot-isolation"},
      {"G-nonadjacent-item",
       {Form::nonadjacent, kDependency, kRw, kRw},
       false,
       "snapshot-isolation"},
      {"G-nonadjacent",
       {Form::nonadjacent, kDependency, kAntidependency, kRwp},
       false,
       "snapshot-isolation"},
      {"G2-item", {Form::any, kDependency, kRw, kRw}, false, "serializable"},
      {"G2", {Form::any, kDependency, kAntidependency, kRwp}, false, "serializable"},
  };
  std::vector<Kind> all(std::begin(plain), std::end(plain));
  if (order == Order::none) return all;
  const bool realtime = order == Order::realtime;
  for (Kind kind : plain) {
    kind.name += realtime ? "-realtime" : "-process";
    kind.shape.others |= realtime ? kRealtime : kProcess;
    kind.ordered = true;
    const bool serializable = kind.exists == "serializable";
    kind.exists = (realtime && serializable ? "PL-SS"
                   : realtime               ? "strong-" + kind.exists
                                            : "strong-session-" + kind.exists) +
                  "-cycle-exists";
    all.push_back(std::move(kind));
  }
  return all;
}

const std::vector<Kind>& kinds(Order order) {
  static const std::vector<Kind> all[] = {make_kinds(Order::none), make_kinds(Order::process),
                                          make_kinds(Order::realtime)};
  return all[static_cast<std::size_t>(order)];
}

class Finder {
 public:
  Finder(const Transactions& transactions, const Graph& graph, Order order, const Explain& explain,
         const Limits& limits, Anomalies& anomalies)
      : transactions_(transactions),
        graph_(graph),
        order_(order),
        explain_(explain),
        limits_(limits),
        anomalies_(anomalies),
        kinds_(kinds(order)) {}

  void run() {
    std::vector<std::vector<Node>> tangled;
    const bool done = components(Ordered{transactions_, graph_, order_}, limits_,
                                 [&](const std::uint32_t* first, const std::uint32_t* last) {
                                   if (last - first < 2) return;
                                   auto& members = tangled.emplace_back();
                                   for (; first != last; ++first)
                                     if (*first < graph_.size()) members.push_back(*first);
                                 });
    if (!done) return give_up();
    for (auto& members : tangled) {
      search(Component(transactions_, graph_, order_, members));
      if (gave_up_) return give_up();
    }
  }

 private:
  void give_up() {
    const char* reason = limits_.expired();
    anomalies_.unknown(fmt::format("{} before all cycles were looked for",
                                   reason != nullptr ? reason : "a limit is reached"));
  }

  void search(const Component& component) {
    std::vector<std::string_view> found_kinds;
    for (const Kind& kind : kinds_) {
      if (std::any_of(found_kinds.begin(), found_kinds.end(),
                      [&](std::string_view found) { return implies(found, kind.name); }))
        continue;
      const auto judge = [&](const Cycle& cycle) {
        if (!fits(kind, cycle)) return Fit::no;
        return kind.ordered && masked(component, cycle) ? Fit::second_choice : Fit::yes;
      };
      const auto found = shortest_cycle(component, kind.shape, judge, limits_, gave_up_);
      if (found) {
        anomalies_.add(found->fit == Fit::yes ? kind.name : kind.exists,
                       [&] { return word(component, found->cycle, kind.name); });
        if (found->fit == Fit::yes) found_kinds.push_back(kind.name);
      }
      if (gave_up_) return;
    }
  }

  // Whether a cycle of the kind's shape is not one of an earlier kind after all.
  static bool fits(const Kind& kind, const Cycle& cycle) {
    if (kind.shape.anti == 0 || kind.shape.form == Shape::Form::single) return true;
    std::size_t count = 0;
    bool adjacent = false;
    Relations before = cycle.back().relation;
    for (const Step& step : cycle) {
      const bool anti = (step.relation & kAntidependency) != 0;
      count += anti;
      adjacent = adjacent || (anti && (before & kAntidependency) != 0);
      before = step.relation;
    }
    return count > 1 && adjacent == (kind.shape.form == Shape::Form::any);
  }

  bool depends(Node a, Node b) const {
    for (std::size_t e = graph_.begin(a); e < graph_.end(a); ++e) {
      const Node to = graph_.target(e);
      if (to == b || (to >= transactions_.size() && leads(to, b))) return true;
    }
    return false;
  }

  // Whether a chain of joints leads to the transaction.
  bool leads(Node joint, Node b) const {
    for (;;) {
      Node next = kNone;
      for (std::size_t e = graph_.begin(joint); e < graph_.end(joint); ++e) {
        if (graph_.target(e) == b) return true;
        if (graph_.target(e) >= transactions_.size()) next = graph_.target(e);
      }
      if (next == kNone) return false;
      joint = next;
    }
  }

  // Elle words a step between two transactions by their data if it can, and by the clock or the
  // process only if it must, so that a cycle that needs the clock where there is data as well
  // counts as one of data; of the cycle by the clock it then only says that one exists. Names of
  // anomalies are to agree with it; the words are about the cycle in either case.
  bool masked(const Component& component, const Cycle& cycle) const {
    for (const Step& step : cycle) {
      const Node a = component.txns[step.from], b = component.txns[step.to];
      if (step.relation == kProcess && depends(a, b)) return true;
      if (step.relation == kRealtime && masked_by_data(a, b)) return true;
    }
    return false;
  }

  // Elle's realtime edges go to the next transactions only: it passes those that lie between.
  bool masked_by_data(Node a, Node b) const {
    constexpr Node kLook = 64;
    const Node first = transactions_.begins(transactions_.completed(a));
    bool between = false;
    for (Node n = first; n < b && n - first < kLook; ++n) {
      if (!transactions_.before(n, b)) continue;
      between = true;
      if (!depends(a, n) && !depends(n, b)) return false;
    }
    return between || depends(a, b);
  }

  Reason reason(Node a, Node b, Relations relation, const std::string& from,
                const std::string& to) const {
    const Events& events = transactions_.events();
    if (relation == kProcess)
      return {fmt::format("process {} ran {} before {}", transactions_.process(a), from, to),
              {{"process", transactions_.process(a)}}};
    if (relation != kRealtime) return explain_(a, b, relation, from, to);
    const std::size_t end = transactions_.row(a), begin = transactions_.pair(b).invoke;
    const auto waited = events.time(begin) - events.time(end);
    const std::string gap =
        events.has_times() && events.time(end) >= 0 && waited > 0
            ? fmt::format(", {:.3f} ms earlier", static_cast<double>(waited) / 1e6)
            : "";
    return {fmt::format("{} had completed (op {}{}) when {} was invoked (op {})", from,
                        events.index(end), gap, to, events.index(begin)),
            {{"completed", events.index(end)}, {"invoked", events.index(begin)}}};
  }

  Anomaly word(const Component& component, const Cycle& cycle, const std::string& kind) const {
    const Events& events = transactions_.events();
    Anomaly anomaly;
    std::vector<std::string> names;
    std::string chain;
    Json ops = Json::array(), steps = Json::array();
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      names.push_back(fmt::format("T{}", i + 1));
      const Node n = component.txns[cycle[i].from];
      const std::size_t row = transactions_.row(n);
      anomaly.ops.push_back(events.index(row));
      anomaly.explanation.push_back(fmt::format("{} = {}", names[i], events.describe(row)));
      ops.push_back({{"index", events.index(row)},
                     {"process", transactions_.process(n)},
                     {"type", to_string(events.type(row))},
                     {"value", events.values().json(events.value(row))}});
      chain += names[i] + " < ";
    }
    for (std::size_t i = 0; i < cycle.size(); ++i) {
      const std::size_t next = (i + 1) % cycle.size();
      const Node a = component.txns[cycle[i].from], b = component.txns[cycle[i].to];
      Reason why = reason(a, b, cycle[i].relation, names[i], names[next]);
      const bool last = next == 0;
      anomaly.explanation.push_back(fmt::format("{}{} comes before {}, because {}{}",
                                                last ? "Yet " : "", names[i], names[next], why.text,
                                                last ? ": a contradiction" : ""));
      Json step = {{"type", relation_name(cycle[i].relation)},
                   {"from", events.index(transactions_.row(a))},
                   {"to", events.index(transactions_.row(b))},
                   {"reason", why.text}};
      if (why.data.is_object()) step.update(why.data);
      steps.push_back(std::move(step));
    }
    anomaly.summary =
        fmt::format("a cycle of {} transactions ({}): {}T1", cycle.size(), kind, chain);
    anomaly.detail = {{"type", kind}, {"cycle", std::move(ops)}, {"steps", std::move(steps)}};
    return anomaly;
  }

  const Transactions& transactions_;
  const Graph& graph_;
  const Order order_;
  const Explain& explain_;
  const Limits& limits_;
  Anomalies& anomalies_;
  const std::vector<Kind>& kinds_;
  bool gave_up_ = false;
};

}  // namespace

void find_cycles(const Transactions& transactions, const Graph& graph, Order order,
                 const Explain& explain, const Limits& limits, Anomalies& anomalies) {
  Finder(transactions, graph, order, explain, limits, anomalies).run();
}

}  // namespace gameday::txn
