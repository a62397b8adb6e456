// The faults of this project, by name. One file a fault; a new one is that file and one line in
// catalog.cc.
//
// A fault's parameters name roles ("leader") that are resolved at injection through
// NemesisContext::primaries; where nobody claims to be primary, the plan's own fallback is taken.
// Faults may overlap in time, also on the same node, and be healed in any order:
//   partitions   their union is in force; a packet cut by both is counted for the older one
//   packets      subject to all faults that are about them: delays add up. A partition is after them:
//                what was delayed or held is still cut by one that came later
//   clocks       offsets add up
//   pauses       nest; the node runs again when the last is healed. So do freezes; a node that is both
//                paused and frozen runs again when it is neither, and a thread that is held (grey)
//                stays so
//   resources    of each limit the smallest is in force, also for the lives that other faults give a node
//   kill         also kills a paused node; a node killed twice is restarted by the fault that
//                really killed it
//   a fault whose node is dead at injection does nothing to it; one whose node died or was
//   restarted meanwhile says so in its Proof. A node that died by itself is never restarted by a
//   fault that had not killed it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/fault.h"
#include "harness/core/system.h"
#include "harness/lab/lab.h"
#include "nemesis/parameters.h"

namespace gameday::nemesis {

struct NemesisContext {
  lab::Lab& lab;  // outlives nemeses and faults
  // Names of the nodes that claim to be primary now, the most credible (highest term) first; empty
  // when none does. May take some 100 ms; called from inject() only.
  std::function<std::vector<std::string>()> primaries;
  // CLOCK_REALTIME in ns as the node's own process says, nullopt when it does not answer. For clock
  // faults' proof; empty function: they cannot prove themselves and say so.
  std::function<std::optional<std::int64_t>(const std::string& node)> wall_clock;
  Membership* membership = nullptr;  // of the system; nullptr: it offers none
};

struct Entry {
  std::string_view name;     // "partition"
  std::string_view summary;  // one line for `gameday list faults`
  // Nemesis::plan and Nemesis::describe without a lab: a schedule can be drawn and shown anywhere.
  Json (*plan)(Rng& rng, const std::vector<std::string>& nodes);
  std::string (*describe)(const Json& parameters);
  std::span<const Parameter> parameters;  // what plan() draws, and a schedule by hand may say
  std::unique_ptr<Nemesis> (*make)(const NemesisContext& context);
  std::size_t least_nodes = 1;     // of a cluster to which it can be done
  lab::Preparation needs = {};     // of the lab in which it is injected, whatever its parameters
  // What only some parameters need, beside that; null: none do.
  lab::Preparation (*needs_of)(const Json& parameters) = nullptr;
  // Whether this machine lets this user do it, with the reason and what to do about it; null:
  // wherever a lab can be built. Cheap; asked outside the universe, before anything is started.
  Status (*available)() = nullptr;
  bool needs_membership = false;  // only for a system that offers it
  // Which of the report's colours it has: network, process, clock, disk or cluster.
  std::string_view family = "other";
};

std::span<const Entry> catalog();
const Entry* find(std::string_view name);  // nullptr: no such fault

// What a lab must be prepared for so that this can be injected.
lab::Preparation needs_of(const Entry& entry, const Json& parameters);
Status available(const Entry& entry);

}  // namespace gameday::nemesis
