// Shortest cycles of a kind in one strongly connected component of the dependency graph.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "checkers/txn/anomalies.h"

namespace gameday::txn {

// One component with an explicit clock: nodes 0 .. txns.size() - 1 are its transactions in order of
// invocation, the nodes after them its joints and then its instants. A completed transaction leads
// to its instant by kRealtime; an instant leads to the next one and to the transactions that begin
// in it by relation 0, which is no step of its own. So paths are those of the quadratic realtime
// relation, in linear size.
struct Component {
  struct Arc {
    std::uint32_t to;
    Relations relation;
  };
  Component(const Transactions& transactions, const Graph& graph, Order order,
            const std::vector<Node>& members);

  std::size_t size() const { return starts.size() - 1; }
  std::span<const Arc> from(std::uint32_t node) const {
    return std::span(arcs).subspan(starts[node], starts[node + 1] - starts[node]);
  }

  std::vector<Node> txns;
  std::vector<std::uint32_t> starts;
  std::vector<Arc> arcs;
};

// What a cycle of a kind is made of.
struct Shape {
  enum class Form {
    any,          // at least one `start` edge
    single,       // exactly one edge of `anti`, and it is of `start`
    nonadjacent,  // edges of `anti`, one of `start`, no two of them next to each other
  };
  Form form = Form::any;
  Relations others = 0;  // edges that may be used beside those of `anti`
  Relations anti = 0;    // antidependencies that may be used
  Relations start = 0;   // what it must contain
};

struct Step {
  std::uint32_t from, to;  // transactions of the component
  Relations relation;
};
using Cycle = std::vector<Step>;

// The shortest cycle of that shape that fits; where none does, the shortest second choice. nullopt:
// there is neither, or the limits are reached (then `gave_up`).
enum class Fit { no, second_choice, yes };
using Judge = std::function<Fit(const Cycle&)>;
struct FoundCycle {
  Cycle cycle;
  Fit fit = Fit::yes;
};
std::optional<FoundCycle> shortest_cycle(const Component& component, const Shape& shape,
                                         const Judge& judge, const Limits& limits, bool& gave_up);

}  // namespace gameday::txn
