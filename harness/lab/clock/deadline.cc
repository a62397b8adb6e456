#include "harness/lab/clock/deadline.h"

#include <algorithm>
#include <limits>

namespace gameday::lab::clock {
namespace {

// Where the clock, without its strobes, shows `shown`.
std::int64_t without_strobes(const Skew& skew, std::int64_t shown) {
  // shown = t + offset + (t - since) * rate, solved for t - since.
  const Wide ahead = static_cast<Wide>(shown) - skew.offset - skew.since;
  const Wide one = Wide{1} << 32, slope = one + skew.rate;
  if (slope <= 0) return kFar;
  const Wide t = skew.since + (ahead * one + slope - 1) / slope;
  return static_cast<std::int64_t>(
      std::clamp<Wide>(t, std::numeric_limits<std::int64_t>::min(), kFar));
}

std::int64_t strobes_at(const Skew& skew, std::int64_t t) {
  std::int64_t sum = 0;
  for (std::uint64_t i = 0; i < skew.strobes; ++i) {
    const auto& strobe = skew.strobe[i];
    if (t >= strobe.since && (t - strobe.since) / strobe.period % 2 == 0) sum += strobe.offset;
  }
  return sum;
}

std::int64_t next_edge(const Skew& skew, std::int64_t t) {
  std::int64_t edge = kFar;
  for (std::uint64_t i = 0; i < skew.strobes; ++i) {
    const auto& strobe = skew.strobe[i];
    edge =
        std::min(edge, t < strobe.since ? strobe.since
                                        : t + strobe.period - (t - strobe.since) % strobe.period);
  }
  return edge;
}

}  // namespace

std::int64_t true_wall(const Skew& skew, std::int64_t shown, std::int64_t now) {
  if (wall(skew, now) >= shown) return std::min(now, without_strobes(skew, shown));
  // From edge to edge of the strobes, between which the clock goes evenly. Who waits for longer
  // than so many of them wakes a little early, and looks again.
  constexpr int kEdges = 100'000;
  std::int64_t from = now;
  for (int i = 0; i < kEdges; ++i) {
    if (from > skew.still) return kFar;
    const std::int64_t to = next_edge(skew, from);
    const std::int64_t reached =
        std::max(from, without_strobes(skew, shown - strobes_at(skew, from)));
    if (reached < to) return reached > skew.still ? kFar : reached;
    if (to == kFar) return kFar;
    from = to;
  }
  return from;
}

std::int64_t true_monotonic(const Skew& skew, std::int64_t shown) { return shown - skew.monotonic; }

}  // namespace gameday::lab::clock
