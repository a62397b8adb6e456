// Partitions as a pure function: who drops whose packets (Jepsen calls it a grudge).
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::nemesis {

// node -> the nodes from which it gets nothing.
using Grudge = std::map<std::string, std::set<std::string>>;

enum class Shape {
  halves,            // the first size nodes of the order | the rest
  majority,          // the same, with size a minority: the rest has the majority
  one,               // the first | the rest
  ring,              // each node reaches a majority, itself included, and no two the same one
  bridge,            // two halves which only one node in the middle reaches
  one_way,           // nothing from the first size nodes to the rest ("out"), or to them ("in")
  isolate_majority,  // a majority of the nodes, each alone; no majority is left anywhere
};
inline constexpr std::array<std::string_view, 7> kShapeNames{
    "halves", "majority", "one", "ring", "bridge", "one-way", "isolate-majority"};
std::string_view to_string(Shape shape);
std::optional<Shape> parse_shape(std::string_view name);

struct GrudgeSpec {
  Shape shape = Shape::one;
  std::size_t size = 1;  // of the first group, where the shape has one; clamped to 1..n-1
  bool outward = true;   // one_way only
};

// Of all nodes, in the order that decides who is where: the first is always hit hard. With three
// nodes a ring and a bridge are the same: first and last are cut from each other, and still reach
// the one between them. Empty for less than two nodes.
Grudge grudge_of(const GrudgeSpec& spec, const std::vector<std::string>& order);

}  // namespace gameday::nemesis
