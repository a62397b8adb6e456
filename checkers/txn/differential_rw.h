// Checks of registers against brute force.
#pragma once

#include <cstdint>
#include <string>

namespace gameday::txn {

// Random small histories of a tiny database, correct ones and broken ones: where rw-register, under
// any of its inferences, says INVALID, no serial order may explain the history; and the weak isolation
// levels must agree with their definitions. Returns the first history that shows otherwise, or "".
std::string differential_rw(std::uint64_t seed, std::size_t histories);

}  // namespace gameday::txn
