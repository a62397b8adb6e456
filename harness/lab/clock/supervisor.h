// What the page of a node's clocks (page.h) cannot do by being mapped, done from outside, call by
// call (SyscallTable):
//
//   exec        The new program is put under the page before its first instruction (patch.h).
//   reading     A program that asks the kernel for the time, not the vDSO, is answered here.
//   waiting     Absolute deadlines are in terms of the node's clocks. The thread is made to wait
//   for
//               the true time instead: interrupted before its call, given another argument, let
//               into the call, interrupted again as soon as the kernel has read the argument, and
//               given its registers back. What it goes on with, restart_syscall(2), has the
//               deadline in the kernel; no memory of the program's was changed. clock_nanosleep(2)
//               becomes relative for that, since only then the kernel remembers.
//               Calls that the kernel begins anew when they are interrupted (mutexes with priority
//               inheritance, message queues) are traced for as long as they wait.
//   changes     When a clock is changed, threads in such a wait begin it anew, with the new
//   deadline;
//               but not those traced, and timers that have been set.
//
// While no clock is wrong a call only waits for us to say "go on".
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <variant>

#include "harness/lab/clock/page.h"
#include "harness/lab/fd.h"
#include "harness/lab/syscall_supervisor.h"

namespace gameday::lab::clock {

struct Followed {
  std::int64_t programs = 0;   // put under the page at their exec
  std::int64_t by_kernel = 0;  // whose vDSO was hidden instead
  std::int64_t missed = 0;     // that could not be reached: 32-bit ones, or traced by somebody else
  std::int64_t readings = 0;   // answered with a wrong time here
  std::int64_t waits = 0;      // with a deadline translated
};

class Supervisor {
 public:
  // `page_file` is given to programs to map; both outlive this.
  Supervisor(const Page& page, const Fd& page_file);
  ~Supervisor();

  void trap_in(
      SyscallTable& table);  // before the node's first start; the table must not outlive this
  void clocks_changed();     // returns at once
  Followed followed() const;

 private:
  struct Wait;
  struct Exec {
    HeldCall call;
  };
  struct Deadline {
    HeldCall call;
    const Wait* wait;
    std::int64_t shown;  // by the node's clock when the wait is to end
  };
  struct Changed {};
  using Job = std::variant<Exec, Deadline, Changed>;
  struct Waiter {
    const Wait* wait;
    std::uint64_t arguments[6];
  };
  static const Wait kWaits[];

  Skew skew() const;
  void count_reading();
  void read_clock(HeldCall call, int clock, std::uint64_t to);
  void read_day(HeldCall call);
  void read_seconds(HeldCall call);
  void begin_wait(HeldCall call, const Wait& wait);
  void push(Job job);
  void attend(Deadline deadline);

  // On this object's thread, which traces whatever is traced.
  void run(const std::stop_token& stop);
  void follow_exec(HeldCall call);
  void translate(Deadline deadline);
  void begin_anew(pid_t tid, const Waiter& waiter);
  void begin_all_anew();

  const Page& page_;
  const Fd& page_file_;
  mutable std::mutex mutex_;
  std::condition_variable_any wake_;
  std::deque<Job> jobs_;
  std::map<pid_t, Waiter> waiters_;  // in a call with a deadline when last seen
  Followed followed_;
  // For each thread in a call whose deadline the kernel would forget, one that traces it meanwhile.
  struct Attendant {
    std::atomic<bool> done = false;
    std::jthread thread;
  };
  std::list<Attendant> attendants_;
  std::jthread thread_;
};

}  // namespace gameday::lab::clock
