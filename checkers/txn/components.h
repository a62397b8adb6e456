// Strongly connected components (Tarjan, "Depth-first search and linear graph algorithms", SIAM J.
// Comput. 1972), without recursion, on any graph that can list a node's successors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "checkers/model.h"

namespace gameday::txn {

// `graph` has size(), and next(node, position): the successor at or after that position, which it
// moves on; -1 when there is none left. Calls found(first, last) with the nodes of each component,
// in reverse topological order: what a component leads to comes before it. False: the limits are
// reached.
template <typename Successors, typename Found>
bool components(const Successors& graph, const Limits& limits, Found found) {
  constexpr std::uint32_t kDone = 0xffffffff;
  struct Frame {
    std::uint32_t node, low;
    std::uint64_t position;
  };
  const std::size_t size = graph.size();
  std::vector<std::uint32_t> index(size, 0);  // 0: not seen
  std::vector<std::uint32_t> open;            // seen, component not known
  std::vector<Frame> path;
  std::uint32_t next_index = 1;
  std::uint32_t steps = 0;
  for (std::uint32_t root = 0; root < size; ++root) {
    if (index[root] != 0) continue;
    index[root] = next_index;
    path.push_back({root, next_index++, 0});
    open.push_back(root);
    while (!path.empty()) {
      if ((++steps & 0xffff) == 0 && limits.expired() != nullptr) return false;
      Frame& frame = path.back();
      const std::int64_t to = graph.next(frame.node, frame.position);
      if (to >= 0) {
        const auto target = static_cast<std::uint32_t>(to);
        if (index[target] == 0) {
          index[target] = next_index;
          open.push_back(target);
          path.push_back({target, next_index++, 0});
        } else if (index[target] != kDone) {
          frame.low = std::min(frame.low, index[target]);
        }
        continue;
      }
      const Frame left = frame;
      path.pop_back();
      if (!path.empty()) path.back().low = std::min(path.back().low, left.low);
      if (left.low != index[left.node]) continue;
      std::size_t first = open.size();
      do index[open[--first]] = kDone;
      while (open[first] != left.node);
      found(open.data() + first, open.data() + open.size());
      open.resize(first);
    }
  }
  return true;
}

}  // namespace gameday::txn
