// Runs a generator against a simulated clock, with no thread and no kernel: how generators are
// tested, and how a schedule can be looked at before it is run.
#pragma once

#include <functional>
#include <vector>

#include "harness/core/generator.h"

namespace gameday {

struct Simulation {
  int clients = 3;
  std::int64_t until_ns = 3'600'000'000'000;  // a generator that never ends is stopped here
  std::size_t max_ops = 100'000;
  // How an invocation completes: after how many ns, and how.
  std::function<std::pair<std::int64_t, OpType>(const Op&)> complete =
      [](const Op&) { return std::pair{std::int64_t{1'000'000}, OpType::ok}; };
};

// The history that results: invocations and completions in the order of their times.
std::vector<Op> simulate(Gen g, const Simulation& simulation = {});

}  // namespace gameday
