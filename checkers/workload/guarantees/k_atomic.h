// k-atomicity of a register with unique written values: whether there is an order of its operations
// that respects real time and in which each read returns one of the k latest writes before it
// (Aiyer, Alvisi and Bazzi, DISC 2005; 1-atomic is linearizable).
//
// Only the writes need an order. Let f(u) be the time by which u had certainly been written, and
// s(v) the latest begin of a read of v. Real time asks that u is before w where f(u) < w's begin,
// and a read of v can be late enough but not too late if and only if each u with f(u) < s(v) comes
// at most k-1 places after v. (Gibbons and Korach's zones are the case k = 1.)
//
// The order is made from its front. Placing v obliges us to place all other such u within the next
// k-1 places. Whenever nothing is owed, any chain of writes that ends with nothing owed may be
// committed: in a whole order that begins otherwise, the chain's writes can be moved to the front,
// since that brings no two other writes further apart. So only chains are searched for, as in LBT
// of Golab, Hurwitz and Li ("On the k-Atomicity-Verification Problem", ICDCS 2013); with k = 2 each
// first write has at most one chain.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace gameday::guarantees {

struct VersionTimes {
  std::int64_t begin = 0;       // of the write
  std::int64_t written = 0;     // f
  std::int64_t last_read = -1;  // s; -1: nobody read it
};

// nullopt: the search was given up after `steps` steps, which are counted down.
std::optional<bool> is_k_atomic(const std::vector<VersionTimes>& versions, std::int64_t k,
                                std::int64_t& steps);

// The k of one order that is always allowed: by f. An upper bound.
std::int64_t k_of_order_by_written(std::vector<VersionTimes> versions);

}  // namespace gameday::guarantees
