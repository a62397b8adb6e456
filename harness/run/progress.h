// What the person at the terminal sees while a run goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "harness/core/op.h"

namespace gameday::run {

// Counts ops and prints a status line to stderr: rewritten in place four times a second on a
// terminal, a plain line every five seconds elsewhere.
class Progress {
 public:
  explicit Progress(bool quiet);
  ~Progress();

  void phase(std::string text);  // "running", with what follows it on the line
  void count(const Op& op);      // any thread
  void watch_faults(std::function<std::vector<std::string>()> in_force);
  void message(const std::string& text);  // a line of its own, above the status line
  void end();                             // clears the status line; idempotent

 private:
  void loop(std::stop_token stop);
  std::string status_line();
  void clear_line();

  const bool quiet_;
  const bool terminal_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::atomic<std::int64_t> ok_{0}, failed_{0}, info_{0};
  std::mutex mutex_;  // guards the rest and the terminal
  std::string phase_ = "starting";
  std::function<std::vector<std::string>()> in_force_;
  std::int64_t last_ok_ = 0;
  std::chrono::steady_clock::time_point last_tick_ = start_;
  double rate_ = 0;
  bool line_shown_ = false;
  std::jthread thread_;
};

}  // namespace gameday::run
