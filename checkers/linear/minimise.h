// A smaller history that is still not linearizable, for people to read.
#pragma once

#include <cstddef>
#include <vector>

#include "checkers/linear/search.h"

namespace gameday::linear {

// `start` and every source of what it saw, over and over, without those that cannot be what an
// operation saw: they were called after it returned, or another one that is kept hides them. If that
// is all of them, the latest one is kept.
std::vector<std::size_t> with_sources(const Model& model, const std::vector<Operation>& ops,
                                      const std::vector<std::size_t>& start);

std::vector<Operation> pick(const std::vector<Operation>& ops,
                            const std::vector<std::size_t>& kept);

// Greedily leaves out operations (in halves, quarters, ... single ones: Zeller and Hildebrandt,
// "Simplifying and isolating failure-inducing input", 2002, §3) while the rest is still INVALID, and
// single ones until none can be left out any more. What is left has its sources as with_sources
// keeps them, so a linearization of all would be one of it: that it has none is a proof for all.
// `start` must be INVALID and have its sources; what is found when the limits are reached is
// returned, so it is not always the smallest.
std::vector<std::size_t> minimise(const Model& model, const std::vector<Operation>& ops,
                                  std::vector<std::size_t> start, const Limits& limits);

}  // namespace gameday::linear
