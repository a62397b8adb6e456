// A smaller history that is still not linearizable, for people to read.
#pragma once

#include <cstddef>
#include <vector>

#include "checkers/linear/search.h"

namespace gameday::linear {

// `start` and every source of what it saw, over and over.
std::vector<std::size_t> with_sources(const Model& model, const std::vector<Operation>& ops,
                                      const std::vector<std::size_t>& start);

std::vector<Operation> pick(const std::vector<Operation>& ops,
                            const std::vector<std::size_t>& kept);

// Greedily leaves out operations (in halves, quarters, ... single ones: Zeller and Hildebrandt,
// "Simplifying and isolating failure-inducing input", 2002, §3) while the rest is still INVALID.
// `start` must be; what is found when the limits are reached is returned, so it is not always the
// smallest.
std::vector<std::size_t> minimise(const Model& model, const std::vector<Operation>& ops,
                                  std::vector<std::size_t> start, const Limits& limits);

}  // namespace gameday::linear
