#include "nemesis/grudge.h"

#include <algorithm>
#include <functional>

namespace gameday::nemesis {
namespace {

// Cut(i, j): the j-th node of the order gets nothing from the i-th.
Grudge build(const std::vector<std::string>& order,
             const std::function<bool(std::size_t, std::size_t)>& cut) {
  Grudge result;
  for (std::size_t from = 0; from < order.size(); ++from)
    for (std::size_t to = 0; to < order.size(); ++to)
      if (from != to && cut(from, to)) result[order[to]].insert(order[from]);
  return result;
}

// Each node keeps its nearest neighbours on a circle, on both sides as many as a majority needs.
// From four nodes on no two nodes then reach the same set.
Grudge ring(const std::vector<std::string>& order) {
  const std::size_t n = order.size();
  const std::size_t reach = (n / 2 + 1) / 2;  // ceil((majority - 1) / 2)
  return build(order, [&](std::size_t i, std::size_t j) {
    const std::size_t clockwise = (j + n - i) % n;
    return std::min(clockwise, n - clockwise) > reach;
  });
}

Grudge bridge(const std::vector<std::string>& order) {
  const std::size_t middle = order.size() / 2;
  return build(order, [&](std::size_t i, std::size_t j) {
    return i != middle && j != middle && (i < middle) != (j < middle);
  });
}

}  // namespace

std::string_view to_string(Shape shape) { return kShapeNames.at(static_cast<std::size_t>(shape)); }

std::optional<Shape> parse_shape(std::string_view name) {
  const auto found = std::find(kShapeNames.begin(), kShapeNames.end(), name);
  if (found == kShapeNames.end()) return std::nullopt;
  return static_cast<Shape>(found - kShapeNames.begin());
}

Grudge grudge_of(const GrudgeSpec& spec, const std::vector<std::string>& order) {
  const std::size_t n = order.size();
  if (n < 2) return {};
  const std::size_t size =
      spec.shape == Shape::one ? 1 : std::clamp<std::size_t>(spec.size, 1, n - 1);
  switch (spec.shape) {
    case Shape::halves:
    case Shape::majority:
    case Shape::one:
      return build(order, [&](auto i, auto j) { return (i < size) != (j < size); });
    case Shape::ring:
      if (n == 2) return grudge_of({Shape::one, 1, true}, order);
      return n == 3 ? bridge(order) : ring(order);
    case Shape::bridge:
      return n == 2 ? grudge_of({Shape::one, 1, true}, order) : bridge(order);
    case Shape::one_way:
      return build(order, [&](auto i, auto j) {
        return spec.outward ? i < size && j >= size : i >= size && j < size;
      });
    case Shape::isolate_majority: {
      const std::size_t alone = n / 2 + 1;
      return build(order, [&](auto i, auto j) { return i < alone || j < alone; });
    }
  }
  return {};
}

}  // namespace gameday::nemesis
