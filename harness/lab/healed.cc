#include "harness/lab/healed.h"

#include <fmt/ranges.h>

#include <thread>

namespace gameday::lab {

Status HealedChecks::verify(std::chrono::milliseconds grace) const {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + grace;
  for (;;) {
    std::vector<std::string> left;
    for (const auto& [mechanism, check] : checks_)
      if (const Status healed = check(); !healed)
        left.push_back(fmt::format("{}: {}", mechanism, healed.error().message));
    if (left.empty()) return {};
    if (Clock::now() >= deadline) return fail("{}", fmt::join(left, "; "));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

}  // namespace gameday::lab
