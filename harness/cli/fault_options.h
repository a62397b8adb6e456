// What --faults and --schedule mean: words of the catalogue of faults become kinds and a schedule.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "harness/cli/compose.h"
#include "nemesis/catalog.h"

namespace gameday::cli {

struct FaultChoice {
  std::vector<std::string> words;     // what the schedule was drawn from, without "all"
  std::vector<run::FaultKind> kinds;  // that the schedule has; none is a composite
  std::vector<PlannedFault> schedule;
  std::vector<std::pair<std::string, std::string>> left_out;  // and why
  Json families = Json::object();  // of the kinds: how the report draws them
};

// Draws, or reads, the schedule of a run of this system with these nodes. options.seed is set.
Result<FaultChoice> choose_faults(const RunOptions& options, System& system,
                                  const std::vector<std::string>& nodes);

// One that is no composite, as a run or a lab has it.
run::FaultKind fault_kind(const nemesis::Entry& entry);

// Whether it can be done to this system with so many nodes, on any machine.
Status fits(std::string_view word, System& system, std::size_t nodes);

Listing list_faults();

}  // namespace gameday::cli
