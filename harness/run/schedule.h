// Schedules of faults: drawn from a seed before the run begins, and the nemesis ops that they become.
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
  // Of a composite only: the plain faults that it is, until the time given; and how long it takes.
  std::function<std::vector<PlannedFault>(const PlannedFault&, const std::vector<std::string>& nodes)>
      expand = {};
  double seconds = 0;
  std::function<Json(Rng&, const std::vector<std::string>& nodes)> plan;
  std::function<std::string(const Json&)> describe;
  std::function<std::unique_ptr<Nemesis>(const NemesisPorts&)> make;
  // Of the lab in which it is injected with these parameters.
  std::function<lab::Preparation(const Json& parameters)> needs;
};

// What draw_schedule() made.
struct DrawnSchedule {
  std::vector<PlannedFault> faults;
  std::vector<std::string> left_out;  // kinds for which there was no time
};

// Faults for `seconds` of clients: every kind once before any comes twice, each in force for a few
// seconds, some overlapping the next, all healed a while before the end. A short run gets shorter
// faults, but none so short that it says nothing: kinds that do not fit are left out. `interval`: mean
// seconds from one fault's beginning to the next's; 0: as the time allows. The same arguments give
// the same schedule.
DrawnSchedule draw_schedule(const std::vector<FaultKind>& kinds, const std::vector<std::string>& nodes,
                            std::uint64_t seed, double seconds, double interval = 0);

// The nemesis ops of a schedule: "inject" and "heal" with {"id", "fault", ...}, id from 1, at their
// moments; times count from `begin` (ns of the run). Operations are counted, and leaders seen, in
// the events that update() shows it: completions of clients, and of status probes (workloads/OPS.md).
// Of what happens in a node it learns by "event" ops of the nemesis with {"event", "id"}.
Gen schedule_generator(const std::vector<PlannedFault>& schedule, std::int64_t begin);

}  // namespace gameday::run
