// Absolute deadlines: a program that waits until its clock shows a time waits, in the kernel, until
// the true clock shows another.
#pragma once

#include "harness/lab/clock/page.h"

namespace gameday::lab::clock {

// The true time from `now` on at which the clock first shows `shown` or later; `now` or earlier
// where it does already; kFar where it never will, as things are.
std::int64_t true_wall(const Skew& skew, std::int64_t shown, std::int64_t now);
std::int64_t true_monotonic(const Skew& skew, std::int64_t shown);

inline constexpr std::int64_t kFar = std::int64_t{1}
                                     << 62;  // a century and more; the kernel takes it

}  // namespace gameday::lab::clock
