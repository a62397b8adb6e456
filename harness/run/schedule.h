// Random schedules of faults, drawn from a seed before the run begins: a schedule is a value.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/fault.h"
#include "harness/core/generator.h"
#include "harness/core/system.h"
#include "harness/lab/lab.h"

namespace gameday::run {

// What a nemesis may use of the run.
struct NemesisPorts {
  lab::Lab& lab;
  std::function<std::vector<std::string>()> primaries;
  std::function<std::optional<std::int64_t>(const std::string&)> wall_clock;
  Membership* membership = nullptr;  // nullptr: the system offers none
};

// A kind of fault, as the composition of the program hands it to the run.
struct FaultKind {
  std::string name;
  std::function<Json(Rng&, const std::vector<std::string>& nodes)> plan;
  std::function<std::string(const Json&)> describe;
  std::function<std::unique_ptr<Nemesis>(const NemesisPorts&)> make;
  // Of the lab in which it is injected with these parameters.
  std::function<lab::Preparation(const Json& parameters)> needs;
};

// Faults for `seconds` of clients: every kind once before any comes twice, each in force for a few
// seconds, some overlapping the next, all healed a while before the end. The same arguments give
// the same schedule.
std::vector<PlannedFault> draw_schedule(const std::vector<FaultKind>& kinds,
                                        const std::vector<std::string>& nodes,
                                        std::uint64_t seed, double seconds);

// The nemesis ops of a schedule: "inject" and "heal" with {"id", "fault", ...}, id from 1, at their
// times after `begin` (ns of the run).
Gen schedule_generator(const std::vector<PlannedFault>& schedule, std::int64_t begin);

}  // namespace gameday::run
