#include "harness/run/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include <condition_variable>
#include <cstdio>

namespace gameday::run {

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {
  if (!quiet_) thread_ = std::jthread([this](std::stop_token stop) { loop(std::move(stop)); });
}

Progress::~Progress() { end(); }

void Progress::phase(std::string text) {
  const std::lock_guard lock(mutex_);
  phase_ = std::move(text);
}

void Progress::watch_faults(std::function<std::vector<std::string>()> in_force) {
  const std::lock_guard lock(mutex_);
  in_force_ = std::move(in_force);
}

void Progress::count(const Op& op) {
  if (op.process == kNemesis) return;
  switch (op.type) {
    case OpType::invoke: break;
    case OpType::ok: ok_.fetch_add(1, std::memory_order_relaxed); break;
    case OpType::fail: failed_.fetch_add(1, std::memory_order_relaxed); break;
    case OpType::info: info_.fetch_add(1, std::memory_order_relaxed); break;
  }
}

void Progress::message(const std::string& text) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  clear_line();
  fmt::print(stderr, "{}\n", text);
}

void Progress::end() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  const std::lock_guard lock(mutex_);
  clear_line();
}

void Progress::clear_line() {
  if (line_shown_) fmt::print(stderr, "\r\033[K");
  line_shown_ = false;
  std::fflush(stderr);
}

std::string Progress::status_line() {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - last_tick_).count();
  const std::int64_t ok = ok_.load();
  if (seconds > 0) rate_ = static_cast<double>(ok - last_ok_) / seconds;
  last_ok_ = ok;
  last_tick_ = now;
  std::string line =
      fmt::format("{:6.1f} s  {:<24} {:6.0f} ops/s  ok {} fail {} info {}",
                  std::chrono::duration<double>(now - start_).count(), phase_, rate_, ok,
                  failed_.load(), info_.load());
  if (in_force_) {
    const auto faults = in_force_();
    if (!faults.empty()) line += fmt::format("  in force: {}", fmt::join(faults, ", "));
  }
  winsize size{};
  if (terminal_ && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1)
    line.resize(std::min<std::size_t>(line.size(), size.ws_col - 1U));  // a wrapped line scrolls
  return line;
}

void Progress::loop(std::stop_token stop) {
  const auto interval = terminal_ ? std::chrono::milliseconds(250) : std::chrono::seconds(5);
  std::mutex sleep_mutex;
  std::condition_variable_any wake;
  for (;;) {
    std::unique_lock sleep_lock(sleep_mutex);
    wake.wait_for(sleep_lock, stop, interval, [] { return false; });
    if (stop.stop_requested()) return;
    const std::lock_guard lock(mutex_);
    if (terminal_) {
      fmt::print(stderr, "\r\033[K{}", status_line());
      line_shown_ = true;
      std::fflush(stderr);
    } else {
      fmt::print(stderr, "{}\n", status_line());
    }
  }
}

}  // namespace gameday::run
