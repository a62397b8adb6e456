// Latencies in words and numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/core/json.h"

namespace gameday {

// The p-th percentile (nearest rank) in ms; 0 for no values. Reorders them.
double percentile_ms(std::vector<std::int64_t>& nanoseconds, double p);

// {"p50", "p95", "p99", "max"} in ms.
Json latency_summary(std::vector<std::int64_t> nanoseconds);

}  // namespace gameday
