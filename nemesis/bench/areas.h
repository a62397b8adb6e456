// The areas of the table, each defined in <name>_bench.cc.
#pragma once

#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {

Rows clock();
Rows files();
Rows partition();

inline constexpr Area kAreas[]{{"clock", clock}, {"files", files}, {"partition", partition}};

}  // namespace gameday::nemesis::bench
