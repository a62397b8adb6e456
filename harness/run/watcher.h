// Judges a run while it goes on (`--fail-fast`): what is INVALID for the history so far and stays so
// however the run goes on is reason enough to end it.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "harness/core/history.h"

namespace gameday::run {

// The first violation that a history proves, in a sentence; none so far.
using Watch = std::function<std::optional<std::string>(const History&)>;

// A thread with a history of its own, which grows as events are recorded and is judged a few times a
// second, or less often where judging takes long: at most half of one core. found() is called once,
// on that thread.
class Watcher {
 public:
  Watcher(Watch watch, std::function<void(const std::string&)> found);

  void record(const Op& op);  // from the recorder's thread; does not wait for a judgement

 private:
  void loop(std::stop_token stop);

  const Watch watch_;
  const std::function<void(const std::string&)> found_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::vector<Op> recorded_;
  std::jthread thread_;  // last: it uses the rest
};

}  // namespace gameday::run
