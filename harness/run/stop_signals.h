// Ctrl-C, in steps: the first asks the run to heal, do its final reads and report; the second skips
// what still goes on; the third is the signal's default action, and the run dies at once (its
// universe takes care of the rest).
#pragma once

#include <stop_token>
#include <thread>

namespace gameday::run {

// Must be made before any other thread of the process (it blocks the signals for all).
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  std::stop_token main_phase() const { return first_.get_token(); }
  std::stop_token everything() const { return second_.get_token(); }
  bool requested() const { return first_.stop_requested(); }

 private:
  std::stop_source first_, second_;
  std::jthread thread_;
};

}  // namespace gameday::run
