// Whether a lab is healed: one question to each mechanism that can hurt a node.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/error.h"

namespace gameday::lab {

// A mechanism adds its question where Lab::create() makes it (Lab::Impl::add_healed_checks, lab.cc):
//   healed.add("the packet queue", [this] { return packets->empty(); });
// An Error says what is left: "n2 is still frozen". Asked from any thread while nodes run, and again
// until it says yes or the grace is over, so it must be cheap and change nothing.
class HealedChecks {
 public:
  using Check = std::function<Status()>;
  void add(std::string mechanism, Check check) {
    checks_.emplace_back(std::move(mechanism), std::move(check));
  }
  // The Error of all that did not say yes in time.
  Status verify(std::chrono::milliseconds grace) const;

 private:
  std::vector<std::pair<std::string, Check>> checks_;
};

}  // namespace gameday::lab
