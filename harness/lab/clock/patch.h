// Puts a program under a page of clocks (page.h), between its exec and its first instruction.
//
// Its vDSO keeps its code: only the values of three dynamic symbols are changed, so that whoever
// looks up clock_gettime, gettimeofday or time there (the C libraries, Go's runtime, the JVM
// through its C library) finds our functions (blob.cc), which ask the vDSO's own and add the skew.
// fork and clone inherit all of it. Where that cannot be done the vDSO is hidden, and the program's
// C library asks the kernel for the time, which the supervisor answers.
#pragma once

#include <cstdint>
#include <string>

#include "harness/core/error.h"
#include "harness/lab/clock/tracee.h"

namespace gameday::lab::clock {

enum class Reads : std::uint8_t {
  page,    // the time from the page
  kernel,  // has no vDSO, or a hidden one: each reading is a system call
};

// `tracee` is at the end of its exec. It asks for the page's descriptor by
// clock_gettime(kPageClock), which somebody has to answer. An Error: the program is gone, a 32-bit
// one, or cannot be reached.
Result<Reads> patch(Tracee& tracee);
inline constexpr int kPageClock = 0x6764;  // no clock has this number

}  // namespace gameday::lab::clock
