#include "harness/run/watcher.h"

#include <algorithm>
#include <chrono>

namespace gameday::run {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kInterval{200};

}  // namespace

Watcher::Watcher(Watch watch, std::function<void(const std::string&)> found)
    : watch_(std::move(watch)),
      found_(std::move(found)),
      thread_([this](std::stop_token stop) { loop(stop); }) {}

void Watcher::record(const Op& op) {
  const std::scoped_lock lock(mutex_);
  recorded_.push_back(op);
}

void Watcher::loop(std::stop_token stop) {
  History history;
  Clock::duration pause = kInterval;
  while (!stop.stop_requested()) {
    std::vector<Op> more;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, stop, pause, [] { return false; });
      more.swap(recorded_);
    }
    if (more.empty() || stop.stop_requested()) continue;
    const auto begin = Clock::now();
    for (const Op& op : more)
      if (!history.append(op)) return;  // the recorder's own check says what is wrong with it
    if (const auto violation = watch_(history)) {
      found_(*violation);
      return;
    }
    pause = std::max<Clock::duration>(kInterval, Clock::now() - begin);
  }
}

}  // namespace gameday::run
