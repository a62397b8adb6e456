// Durations as people and JSON read them, and a wait that can be ended.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace gameday {

inline double ms(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

// False: it was ended by the stop.
inline bool sleep_for(const std::stop_token& stop, std::chrono::nanoseconds duration) {
  std::mutex unused;
  std::condition_variable_any sleeper;
  std::unique_lock lock(unused);
  sleeper.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace gameday
