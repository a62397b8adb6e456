// Partitions as a pure function: who drops whose packets (Jepsen calls it a grudge).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::nemesis {

// node -> the nodes from which it gets nothing. kClients is one of them, where clients are cut.
using Grudge = std::map<std::string, std::set<std::string>>;
inline constexpr const char* kClients = "clients";

enum class Shape {
  halves,            // the first size nodes of the order | the rest
  random_halves,     // the same of an order shuffled by the seed
  majority,          // the same, with size a minority: the rest has the majority
  one,               // the first | the rest
  ring,              // each node reaches a majority, itself included, and no two the same one
  ring_stochastic,   // the same with neighbours drawn by the seed; majorities may coincide
  bridge,            // two halves which only one node in the middle reaches
  one_way,           // nothing from the first size nodes to the rest ("out"), or to them ("in")
  isolate_majority,  // a majority of the nodes, each alone; no majority is left anywhere
  primaries,         // the first size nodes, which are those that claim to lead | the rest
  leader_minority,   // the first, which leads, with as many as make a minority | the rest
  clients,           // clients and the first size nodes; between nodes nothing is cut
  clients_minority,  // clients see only the first nodes, a minority of all
};
inline constexpr std::array<std::string_view, 13> kShapeNames{
    "halves",           "random-halves", "majority",        "one",     "ring",
    "ring-stochastic",  "bridge",        "one-way",         "isolate-majority",
    "primaries",        "leader-minority", "clients",       "clients-minority"};
std::string_view to_string(Shape shape);
std::optional<Shape> parse_shape(std::string_view name);

struct GrudgeSpec {
  Shape shape = Shape::one;
  std::size_t size = 1;  // of the first group, where the shape has one; clamped to 1..n-1
  bool outward = true;     // one_way only
  std::uint64_t seed = 0;  // of the shapes that draw
};

// Of all nodes, in the order that decides who is where: the first is always hit hard. With three
// nodes a ring and a bridge are the same: first and last are cut from each other, and still reach
// the one between them. In a ring everybody reaches the smallest majority if that is an odd number
// (of 4, 5, 8, 9, ... nodes), else one node more; Jepsen calls the former perfect. Empty for less
// than two nodes, but for the shapes that cut clients.
Grudge grudge_of(const GrudgeSpec& spec, const std::vector<std::string>& order);

}  // namespace gameday::nemesis
