// The page that says how wrong a node's clocks are. The controller writes it, every process of the
// node has it mapped and reads it whenever it asks for the time (blob.cc): an update is a few
// stores and stops nobody. Freestanding: this header is compiled into the code that nodes run.
//
//   wall       CLOCK_REALTIME, CLOCK_REALTIME_COARSE, CLOCK_TAI, and what derives from them
//   monotonic  CLOCK_MONOTONIC, its RAW and COARSE kin, CLOCK_BOOTTIME
//
// Everything about the wall clock is a function of the true wall clock, so that one reading of it
// is enough, and a clock that stands still does so to the nanosecond.
#pragma once

#include <cstdint>

namespace gameday::lab::clock {

__extension__ using Wide = __int128;

inline constexpr std::int64_t kNever = INT64_MAX;
inline constexpr std::int64_t kSecond = 1'000'000'000;

// Times and offsets are ns; `since` and `still` true wall time.
struct Skew {
  std::int64_t monotonic = 0;   // added to the monotonic clocks
  std::int64_t still = kNever;  // the wall clock stands still from then on
  std::int64_t offset = 0;      // added to the wall clock
  std::int64_t rate = 0;        // and for every ns after `since` this much more, in 2^-32
  std::int64_t since = 0;
  struct Strobe {
    std::int64_t since = 0;  // `offset` is added in the first, third, ... period from then on
    std::int64_t period = 1;
    std::int64_t offset = 0;
  };
  static constexpr std::uint64_t kStrobes = 6;
  std::uint64_t strobes = 0;  // in force; the others are not looked at
  Strobe strobe[kStrobes];
};

struct Page {
  std::uint64_t sequence = 0;  // odd: being written
  Skew skew;
};

inline bool is_wall(int clock) { return clock == 0 || clock == 5 || clock == 8 || clock == 11; }
inline bool is_monotonic(int clock) {
  return clock == 1 || clock == 4 || clock == 6 || clock == 7 || clock == 9;
}

// What the clocks show at true times `t`.
inline std::int64_t wall(const Skew& skew, std::int64_t t) {
  if (t > skew.still) t = skew.still;
  std::int64_t shown = t + skew.offset;
  if (skew.rate != 0)
    shown += static_cast<std::int64_t>((static_cast<Wide>(t - skew.since) * skew.rate) >> 32);
  for (std::uint64_t i = 0; i < skew.strobes; ++i) {
    const Skew::Strobe& strobe = skew.strobe[i];
    if (t >= strobe.since && (t - strobe.since) / strobe.period % 2 == 0) shown += strobe.offset;
  }
  return shown;
}
inline std::int64_t monotonic(const Skew& skew, std::int64_t t) { return t + skew.monotonic; }

// Runs read(skew) until no write came in between. `read` may see a torn skew; its last result
// counts.
template <typename Read>
inline std::int64_t consistently(const Page& page, const Read& read) {
  for (;;) {
    const std::uint64_t before = __atomic_load_n(&page.sequence, __ATOMIC_ACQUIRE);
    const std::int64_t result = read(page.skew);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (before % 2 == 0 && __atomic_load_n(&page.sequence, __ATOMIC_RELAXED) == before)
      return result;
  }
}

}  // namespace gameday::lab::clock
