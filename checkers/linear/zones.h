// A register whose values are all written once can be decided in O(n log n): Gibbons and Korach,
// "Testing shared memories" (1997, §4), in the words of zones as Golab, Li and Shah have them
// ("Analyzing consistency properties for fun and profit", 2011, §3). Compare-and-set is added here:
// it ties the value that it saw and the value that it wrote together, so a chain of them is one
// block that nothing may interrupt.
#pragma once

#include <cstddef>
#include <vector>

#include "checkers/linear/register.h"

namespace gameday::linear {

struct Zones {
  bool applies = false;  // every value is written at most once, and null never
  // If the blocks can be put in an order: that order, for is_linearization() to prove.
  std::vector<std::size_t> order;
  // Else a few operations that already contradict each other.
  std::vector<std::size_t> conflict;
};

Zones register_zones(const std::vector<Operation>& ops);

}  // namespace gameday::linear
