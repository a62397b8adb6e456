// Checks of transactions against brute force: small random histories of tiny databases that keep
// some level of isolation, or break it, judged by the checker and by trying all orders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gameday::txn {

// Judges so many histories of a model ("list-append"), the same for the same seed. Empty: all
// agree; else the first that does not, with what is wrong about it.
std::string differential(std::string_view model, std::uint64_t seed, std::size_t histories);

}  // namespace gameday::txn
