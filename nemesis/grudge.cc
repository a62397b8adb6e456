#include "nemesis/grudge.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "harness/core/rng.h"
#include "nemesis/targets.h"

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

// Jepsen's way for any number of nodes: whoever reaches the fewest is joined to one of those it does
// not reach that have the fewest themselves, until all reach a majority.
Grudge ring_stochastic(const std::vector<std::string>& order, std::uint64_t seed) {
  const std::size_t n = order.size(), majority = n / 2 + 1;
  Rng rng(seed);
  std::vector<std::set<std::size_t>> reached(n);
  for (std::size_t i = 0; i < n; ++i) reached[i] = {i};
  std::vector<std::size_t> shuffled(n);
  std::iota(shuffled.begin(), shuffled.end(), std::size_t{0});
  for (;;) {
    rng.shuffle(shuffled);
    std::stable_sort(shuffled.begin(), shuffled.end(),
                     [&](auto a, auto b) { return reached[a].size() < reached[b].size(); });
    const std::size_t poorest = shuffled.front();
    if (reached[poorest].size() >= majority) break;
    const auto other = std::find_if(shuffled.begin(), shuffled.end(),
                                    [&](auto i) { return !reached[poorest].contains(i); });
    reached[poorest].insert(*other);
    reached[*other].insert(poorest);
  }
  return build(order, [&](std::size_t i, std::size_t j) { return !reached[i].contains(j); });
}

// Clients and those of the order that are `cut`, both ways.
Grudge clients(const std::vector<std::string>& order, const std::function<bool(std::size_t)>& cut) {
  Grudge result;
  for (std::size_t i = 0; i < order.size(); ++i)
    if (cut(i)) {
      result[order[i]].insert(kClients);
      result[kClients].insert(order[i]);
    }
  return result;
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
  const std::size_t minority = count_of("minority", n);
  if (spec.shape == Shape::clients) {
    const std::size_t size = std::clamp<std::size_t>(spec.size, 1, std::max<std::size_t>(n, 1));
    return clients(order, [&](auto i) { return i < size; });
  }
  if (spec.shape == Shape::clients_minority)
    return clients(order, [&](auto i) { return i >= (n > 1 ? minority : 0); });
  if (n < 2) return {};
  const auto first_against_rest = [&](std::size_t size) {
    size = std::clamp<std::size_t>(size, 1, n - 1);
    return build(order, [size](auto i, auto j) { return (i < size) != (j < size); });
  };
  switch (spec.shape) {
    case Shape::halves:
    case Shape::majority:
    case Shape::primaries:
      return first_against_rest(spec.size);
    case Shape::random_halves: {
      auto shuffled = order;
      Rng(spec.seed).shuffle(shuffled);
      return grudge_of({Shape::halves, n / 2}, shuffled);
    }
    case Shape::one:
      return first_against_rest(1);
    case Shape::leader_minority:
      return first_against_rest(minority);
    case Shape::ring:
      if (n == 2) return first_against_rest(1);
      return n == 3 ? bridge(order) : ring(order);
    case Shape::ring_stochastic:
      return n == 2 ? first_against_rest(1) : ring_stochastic(order, spec.seed);
    case Shape::bridge:
      return n == 2 ? first_against_rest(1) : bridge(order);
    case Shape::one_way: {
      const std::size_t size = std::clamp<std::size_t>(spec.size, 1, n - 1);
      return build(order, [&](auto i, auto j) {
        return spec.outward ? i < size && j >= size : i >= size && j < size;
      });
    }
    case Shape::isolate_majority: {
      const std::size_t alone = n / 2 + 1;
      return build(order, [&](auto i, auto j) { return i < alone || j < alone; });
    }
    case Shape::clients:
    case Shape::clients_minority:
      break;
  }
  return {};
}

}  // namespace gameday::nemesis
