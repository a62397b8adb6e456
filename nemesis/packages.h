// Composites: faults made of other faults, as schedules are values. Each becomes plain entries when a
// schedule is drawn or read, so that what is stored, replayed and reported is plain. (Jepsen's combined
// nemesis calls generator, final heal and plot of a fault together its package; here the generator
// of a fault is its Entry::plan, its heal the guard that inject() returns, its colour Entry::family.)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/core/fault.h"
#include "nemesis/catalog.h"

namespace gameday::nemesis {

struct Composite {
  std::string_view name;     // "rolling-restart"
  std::string_view summary;  // one line for `gameday list faults`
  std::string_view fault;    // of which it is made
  double seconds;            // how long one drawn at random takes, at full length
  Json (*plan)(Rng& rng, const std::vector<std::string>& nodes);
  std::span<const Parameter> parameters;
  // Its parts as if it began at 0: their `when` are numbers.
  std::vector<PlannedFault> (*parts)(const Json& parameters, const std::vector<std::string>& nodes);
};

std::span<const Composite> composites();
const Composite* find_composite(std::string_view name);  // nullptr: no such composite

// The plain faults that an entry of a schedule is: itself, or the parts of a composite from its
// `when` on; what is left of them at its `until` is cut off. An Error for parameters that the
// composite does not have, and for an end that is neither a time nor an "after".
Result<std::vector<PlannedFault>> expand(const PlannedFault& planned, const std::vector<std::string>& nodes);

}  // namespace gameday::nemesis
