// A workload: what clients do while faults are in force, and what is read at the end. One file of
// workloads/ each; the ops it records, and what they mean, are in workloads/OPS.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/generator.h"

namespace gameday {

struct WorkloadOptions {
  std::uint64_t seed = 0;
  int clients = 1;                 // client threads it may use
  double rate = 0;                 // ops a second of all clients together; 0: as fast as they can
  std::vector<std::string> nodes;  // names
  bool numbered = false;           // SystemKind::numbered
};

struct Workload {
  std::string_view name;
  std::string_view summary;  // one line for `gameday list workloads`
  std::string_view checkers;  // names, for people; which run is decided by what the history holds
  // Of systems that are not numbered: by what it is judged, between spaces. "model:x": the model of this
  // name, "txn:x": the same with the consistency that the system promises, "x": a checker.
  std::string_view judges;
  Gen (*clients)(const WorkloadOptions&);      // endless; the run limits it
  Gen (*final_reads)(const WorkloadOptions&);  // after everything is healed; ends by itself; null: none
  std::chrono::milliseconds op_deadline{2'000};
};

}  // namespace gameday
