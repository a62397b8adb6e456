// Ctrl-C, in steps: the first asks the run to heal, do its final reads and report; the second skips
// what still goes on; the third ends the process at once, as a failure (its universe takes care of
// the rest).
#pragma once

#include <atomic>
#include <stop_token>
#include <string>
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
  // Of the first one: "SIGINT"; empty before.
  std::string name() const;
  bool requested() const { return first_.stop_requested(); }

 private:
  std::atomic<int> signal_ = 0;  // the first one
  std::stop_source first_, second_;
  std::jthread thread_;
};

}  // namespace gameday::run
