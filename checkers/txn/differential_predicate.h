// closed-predicate against brute force: tiny random histories of a table.
#pragma once

#include <cstdint>
#include <string>

namespace gameday::txn {

// Judges so many histories, the same for the same seed. Empty: no history is INVALID that a serial
// order of its transactions explains; else the first that is.
std::string differential_predicate(std::uint64_t seed, std::size_t histories);

}  // namespace gameday::txn
