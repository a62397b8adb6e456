// The clocks that one node's processes see, and how wrong they are.
//
// Nodes are started under a seccomp filter, and each program, at its exec, is made to read the time
// through a page that this object writes (clock/patch.h, clock/supervisor.h): C, static Go, the
// JVM, children and late threads all see it, an update is a few stores. Where tracing or seccomp is
// forbidden, libfaketime is preloaded: it knows offsets and strobes of the wall clock only, and
// sees only programs that ask the C library for the time. So a clock fault has to read the clock
// back.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/lab/clock/page.h"
#include "harness/lab/clock/supervisor.h"
#include "harness/lab/syscall_table.h"

namespace gameday::lab {

// One way in which a clock is wrong.
struct ClockSkew {
  std::chrono::nanoseconds offset{0};  // of the wall clock,
  std::chrono::nanoseconds period{0};  // by turns there and not there, this long each; 0: steadily
  double rate = 0;     // the wall clock gains this much: 1e-6 is a microsecond a second
  bool still = false;  // the wall clock stands still
  std::chrono::nanoseconds monotonic{0};  // how far CLOCK_MONOTONIC and CLOCK_BOOTTIME leap, >= 0

  ClockSkew() = default;
  template <typename Rep, typename Period>
  ClockSkew(std::chrono::duration<Rep, Period> bump)
      : offset(bump) {}  // NOLINT: a bump is an offset
};

class ClockControl {
 public:
  // `folder`: the node's own. `preload`: libfaketime even where better is possible (tests).
  static Result<std::unique_ptr<ClockControl>> create(std::filesystem::path folder,
                                                      bool preload = false);
  ~ClockControl();

  // Skews add up, and take effect at once in every process of the node; clocks go on from where
  // they are when a drift begins or is changed (to a rate of 0, which holds what it has gained). A
  // clock that stands still does so at the first such skew's time, plus the offsets of others.
  // Removing a skew takes back all it did, but for a leap of the monotonic clocks: these never go
  // back, so it lasts as long as the node's processes. An Error: not possible with this mechanism,
  // or too many strobes at once. The id is for change and remove.
  Result<int> add(const ClockSkew& skew);
  Status change(int id, const ClockSkew& skew);
  Status remove(int id);

  bool is_true() const;                     // no skew is in force
  std::chrono::nanoseconds offset() const;  // of the wall clock, now
  std::chrono::nanoseconds offset_at(std::chrono::system_clock::time_point t) const;
  std::chrono::nanoseconds monotonic_offset() const;
  // What the wall clock would be off by without one of the skews.
  std::chrono::nanoseconds offset_without(int id, std::chrono::system_clock::time_point t) const;
  // How many of these processes have the page mapped; none with libfaketime.
  std::size_t followed_by(const std::vector<pid_t>& processes) const;

  std::string_view mechanism() const;  // "vDSO page" or "libfaketime"
  clock::Followed followed() const;    // what became of the node's programs; zero for libfaketime

  // For the Lab: what a node's servers are started with, and that all of them are dead.
  void trap_in(SyscallTable& table);
  std::map<std::string, std::string> environment() const;
  Status begin_life();

 private:
  class Mechanism;
  class PageMechanism;
  class PreloadMechanism;
  struct Term {
    ClockSkew skew;
    std::int64_t began = 0;   // true wall time
    std::int64_t gained = 0;  // of its drift, until then
  };
  explicit ClockControl(std::unique_ptr<Mechanism> mechanism);
  // Both with the mutex held.
  clock::Skew composed(std::int64_t now, int without = 0) const;
  Status apply(std::int64_t now);

  const std::unique_ptr<Mechanism> mechanism_;
  mutable std::mutex mutex_;
  std::map<int, Term> terms_;
  std::int64_t leapt_ = 0;  // by skews that were removed since
  clock::Skew in_force_;
  int next_ = 1;
};

// Whether clocks can be changed without preloading anything; the Error says what would change it.
// Forks twice.
Status clocks_available();

// libfaketime's library on this machine (Debian's multiarch folder, Fedora's, LD_LIBRARY_PATH
// excluded); empty: not installed.
std::filesystem::path find_libfaketime();

}  // namespace gameday::lab
