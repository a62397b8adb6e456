// Seeded randomness: xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number
// generators", 2021) seeded by splitmix64. A small value: generators carry one by copy, so the
// same seed gives the same run of choices on every platform (std distributions would not).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace gameday {

class Rng {
 public:
  explicit Rng(std::uint64_t seed);

  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound);               // uniform in [0, bound); bound > 0
  std::int64_t between(std::int64_t low, std::int64_t high);  // uniform in [low, high]
  double unit();                                          // uniform in [0, 1)
  bool chance(double probability) { return unit() < probability; }
  double exponential(double mean);

  // An independent stream for a named part, so that one part's draws never shift another's.
  Rng fork(std::string_view label) const;

  template <typename T>
  const T& pick(const std::vector<T>& items) {
    return items[static_cast<std::size_t>(below(items.size()))];
  }
  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i)
      std::swap(items[i - 1], items[static_cast<std::size_t>(below(i))]);
  }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace gameday
