// The areas of the table, each defined in <name>_bench.cc.
#pragma once

#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {

Rows clock();
Rows disk();
Rows files();
Rows packet();
Rows partition();
Rows process();

inline constexpr Area kAreas[]{
    {"clock", clock},
    {"disk", disk},
    {"files", files},
    {"packet", packet},
    {"partition", partition},
    {"process", process},
};

}  // namespace gameday::nemesis::bench
