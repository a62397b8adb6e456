#include "harness/run/stop_signals.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <ctime>

#include "harness/core/verdict.h"

namespace gameday::run {
namespace {

sigset_t stop_set() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = stop_set();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::jthread([this](std::stop_token stop) {
    const sigset_t signals = stop_set();
    while (!stop.stop_requested()) {
      const timespec poll{0, 50'000'000};
      const int signal = sigtimedwait(&signals, nullptr, &poll);
      if (signal <= 0) continue;
      if (!first_.stop_requested()) {
        signal_ = signal;
        first_.request_stop();
      } else if (!second_.stop_requested()) {
        second_.request_stop();
      } else {
        _exit(exit_code::tool_failed);
      }
    }
  });
}

std::string StopSignals::name() const {
  const char* name = sigabbrev_np(signal_);
  return name == nullptr ? "" : std::string("SIG") + name;
}

StopSignals::~StopSignals() {
  thread_.request_stop();
  thread_.join();
  const sigset_t set = stop_set();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace gameday::run
