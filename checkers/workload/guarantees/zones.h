// Real-time facts of the versions of unique-write registers, after Gibbons and Korach ("Testing
// shared memories", SIAM J. Computing 26(4), 1997). Times are rows of the history.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "checkers/workload/guarantees/registers.h"

namespace gameday::guarantees {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t invoked(const Registers& registers, const Access& a);
std::int64_t finished(const Registers& registers, const Access& a);  // kNever: no answer

// A version's cluster is its write and the reads of it.
struct Zone {
  std::int64_t finish = kNever;  // the earliest end: by then the version had been written
  std::int64_t start = -1;       // the latest begin: then it could still be read
  bool happened = false;         // acknowledged or read
};
std::vector<Zone> zones(const Registers& registers);  // by version

// How old the value of a read was at least.
struct Stale {
  std::uint32_t read = 0;        // access
  std::int64_t versions = 0;     // acknowledged writes between its version and its begin
  std::int32_t overwriter = -1;  // access: of these writes the first to end; -1: there is none
};

// Of all reads, by key. Nothing more than the given real-time order is used: all of it is certain.
std::vector<Stale> staleness(const Registers& registers, const std::vector<Zone>& zones);

}  // namespace gameday::guarantees
