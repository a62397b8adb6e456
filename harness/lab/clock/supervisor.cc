#include "harness/lab/clock/supervisor.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#include <array>
#include <fstream>
#include <sstream>

#include "harness/lab/clock/blob.h"
#include "harness/lab/clock/deadline.h"
#include "harness/lab/clock/patch.h"
#include "harness/lab/clock/tracee.h"

namespace gameday::lab::clock {
namespace {

// In an argument which the call does not have: the call is one of ours and not to be trapped again.
constexpr std::uint64_t kMark = 0x6764'7265'7065'6174;
// "The call is to be repeated", from inside the kernel; the thread is about to stop for us, so no
// program sees it.
constexpr int kRestart = 512;  // ERESTARTSYS
constexpr int kLockPi2 = 13;   // FUTEX_LOCK_PI2, since Linux 5.14
constexpr std::size_t kMostWaiters = 4096;

std::int64_t to_ns(const timespec& t) { return t.tv_sec * kSecond + t.tv_nsec; }
timespec to_timespec(std::int64_t ns) {
  if (ns < 0) ns = 0;  // long ago
  return {ns / kSecond, ns % kSecond};
}
// The kernel refuses the others, and those of centuries are nobody's deadline.
bool is_sane(const timespec& t) {
  return t.tv_nsec >= 0 && t.tv_nsec < kSecond && t.tv_sec >= 0 && t.tv_sec < kFar / kSecond;
}

std::int64_t true_time(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return to_ns(now);
}

bool is_true(const Skew& skew, clockid_t clock) {
  if (is_monotonic(clock)) return skew.monotonic == 0;
  return skew.offset == 0 && skew.rate == 0 && skew.strobes == 0 && skew.still == kNever;
}

std::int64_t shown_at(const Skew& skew, clockid_t clock, std::int64_t t) {
  return is_wall(clock) ? wall(skew, t) : monotonic(skew, t);
}

// What follows `key` in a file of /proc; -1: nothing.
int number_after(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string word; in >> word;)
    if (word == key && in >> word) return std::atoi(word.c_str());
  return -1;
}

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

// A call with an absolute deadline.
struct Supervisor::Wait {
  enum class Form : std::uint8_t { futex, sleep, timerfd, timer, queue };
  long number;
  Form form;
  unsigned deadline;  // the argument that points to it
  unsigned mark;      // an argument that the call does not look at
  int futex_operation = 0;

  // The kernel forgets the deadlines of the others, and repeats the whole call, when it is
  // interrupted.
  bool remembers() const {
    return form == Form::sleep || (form == Form::futex && futex_operation == FUTEX_WAIT_BITSET);
  }
  bool is_timer() const { return form == Form::timerfd || form == Form::timer; }

  // -1: none of those that can be wrong.
  clockid_t clock(const HeldCall& call) const {
    switch (form) {
      case Form::queue:
        return CLOCK_REALTIME;
      case Form::futex:
        if (futex_operation == FUTEX_LOCK_PI) return CLOCK_REALTIME;
        return (call.argument(1) & FUTEX_CLOCK_REALTIME) != 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC;
      case Form::sleep:
        return call.int_argument(0);
      case Form::timerfd:
        return number_after(fmt::format("/proc/{}/fdinfo/{}", call.tid(), call.int_argument(0)),
                            "clockid:");
      case Form::timer:
        return timer_clock(call);
    }
    return -1;
  }

  static clockid_t timer_clock(const HeldCall& call) {
    std::ifstream in(fmt::format("/proc/{}/timers", call.tid()));
    int id = -1, number = 0;
    for (std::string key; in >> key;) {
      if (key == "ID:" && in >> number) id = number;
      if (key == "ClockID:" && in >> number && id == call.int_argument(0)) return number;
    }
    return -1;
  }
};

const Supervisor::Wait Supervisor::kWaits[]{
    {SYS_futex, Wait::Form::futex, 3, 4, FUTEX_WAIT_BITSET},
    {SYS_futex, Wait::Form::futex, 3, 4, FUTEX_LOCK_PI},
    {SYS_futex, Wait::Form::futex, 3, 4, kLockPi2},
    {SYS_clock_nanosleep, Wait::Form::sleep, 2, 5},
    {SYS_timerfd_settime, Wait::Form::timerfd, 2, 5},
    {SYS_timer_settime, Wait::Form::timer, 2, 5},
    {SYS_mq_timedsend, Wait::Form::queue, 4, 5},
    {SYS_mq_timedreceive, Wait::Form::queue, 4, 5},
};

Supervisor::Supervisor(const Page& page, const Fd& page_file) : page_(page), page_file_(page_file) {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

Supervisor::~Supervisor() = default;

void Supervisor::trap_in(SyscallTable& table) {
  for (const int number : {SYS_execve, SYS_execveat})
    table.trap(number, {{.index = 5, .value = kMark, .equal = false}},
               [this](HeldCall call) { push(Exec{std::move(call)}); });

  // clockid_t is an int: the upper half of the register says nothing. 0 and 1, 4 to 7, 8 and 9, 11.
  constexpr std::uint64_t kInt = 0xffff'ffff;
  struct Clocks {
    std::uint64_t ignored, value;
  };
  for (const Clocks& clocks : {Clocks{1, 0}, {3, 4}, {1, 8}, {0, 11}})
    table.trap(SYS_clock_gettime,
               {{.index = 0, .mask = kInt & ~clocks.ignored, .value = clocks.value}},
               [this](HeldCall call) {
                 const int clock = call.int_argument(0);
                 const std::uint64_t to = call.argument(1);
                 read_clock(std::move(call), clock, to);
               });
  table.trap(SYS_clock_gettime, {{.index = 0, .mask = kInt, .value = kPageClock}},
             [this](HeldCall call) {
               if (const auto fd = call.give(page_file_.get())) call.answer(*fd);
             });
  table.trap(SYS_gettimeofday, {is_not_null(0)},
             [this](HeldCall call) { read_day(std::move(call)); });
#ifdef SYS_time
  table.trap(SYS_time, [this](HeldCall call) { read_seconds(std::move(call)); });
#endif

  for (const Wait& wait : kWaits) {
    std::vector<ArgumentIs> when{is_not_null(wait.deadline),
                                 {.index = wait.mark, .value = kMark, .equal = false}};
    if (wait.form == Wait::Form::futex)
      when.push_back({.index = 1,
                      .mask = kInt & ~std::uint64_t{FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME},
                      .value = static_cast<std::uint64_t>(wait.futex_operation)});
    else if (wait.form != Wait::Form::queue)  // TIMER_ABSTIME, TFD_TIMER_ABSTIME
      when.push_back({.index = 1, .mask = TIMER_ABSTIME, .value = TIMER_ABSTIME});
    table.trap(static_cast<int>(wait.number), std::move(when),
               [this, &wait](HeldCall call) { begin_wait(std::move(call), wait); });
  }
}

Skew Supervisor::skew() const {
  Skew copy;
  consistently(page_, [&](const Skew& skew) {
    copy = skew;
    return 0;
  });
  return copy;
}

Followed Supervisor::followed() const {
  const std::lock_guard lock(mutex_);
  return followed_;
}

void Supervisor::count_reading() {
  const std::lock_guard lock(mutex_);
  ++followed_.readings;
}

void Supervisor::read_clock(HeldCall call, int clock, std::uint64_t to) {
  const Skew now = skew();
  if (is_true(now, clock)) return;  // the kernel answers
  // Our own code in the program asks, because the vDSO cannot answer, and will add the skew itself.
  if (const auto question = call.read_value<Question>(to); question && question->mark == kQuestion)
    return;
  const timespec shown = to_timespec(shown_at(now, clock, true_time(clock)));
  count_reading();
  if (call.write(to, bytes_of(shown)))
    call.answer(0);
  else
    call.fail(EFAULT);
}

void Supervisor::read_day(HeldCall call) {
  const Skew now = skew();
  if (is_true(now, CLOCK_REALTIME)) return;
  const std::int64_t shown = wall(now, true_time(CLOCK_REALTIME));
  const timeval day{shown / kSecond, shown % kSecond / 1000};
  timeval unused{};
  struct timezone zone {};
  ::gettimeofday(&unused, &zone);
  const std::uint64_t zone_at = call.argument(1);
  count_reading();
  if (call.write(call.argument(0), bytes_of(day)) &&
      (zone_at == 0 || call.write(zone_at, bytes_of(zone))))
    call.answer(0);
  else
    call.fail(EFAULT);
}

void Supervisor::read_seconds(HeldCall call) {
  const Skew now = skew();
  if (is_true(now, CLOCK_REALTIME)) return;
  const time_t shown = wall(now, true_time(CLOCK_REALTIME)) / kSecond;
  count_reading();
  if (call.argument(0) == 0 || call.write(call.argument(0), bytes_of(shown)))
    call.answer(shown);
  else
    call.fail(EFAULT);
}

void Supervisor::begin_wait(HeldCall call, const Wait& wait) {
  const std::uint64_t at = call.argument(wait.deadline);
  const auto deadline = call.read_value<timespec>(at + (wait.is_timer() ? sizeof(timespec) : 0));
  if (!deadline || !is_sane(*deadline)) return;          // the kernel says what is wrong
  if (wait.is_timer() && to_ns(*deadline) == 0) return;  // disarms it
  const clockid_t clock = wait.clock(call);
  if (!is_wall(clock) && !is_monotonic(clock)) return;
  const bool translate = !is_true(skew(), clock);
  if (wait.remembers()) {
    Waiter waiter{&wait, {}};
    for (unsigned i = 0; i < 6; ++i) waiter.arguments[i] = call.argument(i);
    const std::lock_guard lock(mutex_);
    waiters_[call.tid()] = waiter;
    if (waiters_.size() > kMostWaiters)
      std::erase_if(waiters_, [](const auto& known) {
        return ::access(fmt::format("/proc/{}", known.first).c_str(), F_OK) != 0;
      });
  }
  if (!translate) return;
  Deadline job{std::move(call), &wait, to_ns(*deadline)};
  if (wait.remembers() || wait.is_timer())
    push(std::move(job));
  else
    attend(std::move(job));
}

void Supervisor::attend(Deadline deadline) {
  const std::lock_guard lock(mutex_);
  attendants_.remove_if([](const Attendant& a) { return a.done.load(); });
  Attendant& attendant = attendants_.emplace_back();
  attendant.thread = std::jthread([this, &attendant, job = std::move(deadline)]() mutable {
    translate(std::move(job));
    attendant.done = true;
  });
}

void Supervisor::clocks_changed() { push(Changed{}); }

void Supervisor::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void Supervisor::run(const std::stop_token& stop) {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (!wake_.wait(lock, stop, [this] { return !jobs_.empty(); })) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    if (auto* exec = std::get_if<Exec>(&job)) follow_exec(std::move(exec->call));
    if (auto* deadline = std::get_if<Deadline>(&job)) translate(std::move(*deadline));
    if (std::holds_alternative<Changed>(job)) begin_all_anew();
  }
}

// Interrupts a thread in a trapped call. True: it is stopped, and will do the call again.
static bool take_over(Tracee& tracee, HeldCall call, Registers& registers) {
  const int number = call.number();
  if (!tracee.seize()) return false;
  tracee.interrupt();
  call.fail(kRestart);
  const Stop stop = tracee.wait();
  if (stop.kind == Stop::Kind::interrupted && tracee.get(registers) &&
      registers.interrupted_in(number))
    return true;
  // A signal or SIGSTOP came first. Afterwards the kernel repeats the call, or says EINTR, as it
  // does without us.
  tracee.detach(stop.kind == Stop::Kind::signal ? stop.signal : 0);
  return false;
}

void Supervisor::follow_exec(HeldCall call) {
  Tracee tracee(call.tid());
  Registers registers;
  if (!take_over(tracee, std::move(call), registers)) return;
  const Registers before = registers;
  registers.set_argument(5, kMark);
  tracee.set(registers);
  Stop stop = tracee.go_to_call();  // the call's begin
  if (stop.kind != Stop::Kind::call) {
    tracee.set(before);
    tracee.detach(stop.kind == Stop::Kind::signal ? stop.signal : 0);
    return;
  }
  stop = tracee.go_to_call();  // its end, of the old program or of the new one
  if (stop.kind != Stop::Kind::call) return;
  if (tracee.get(registers) && registers.result() < 0) {  // nothing was executed
    registers.set_argument(5, before.argument(5));
    tracee.set(registers);
    return;
  }
  const auto reads = patch(tracee);
  const std::lock_guard lock(mutex_);  // counted before the program goes on
  ++(!reads ? followed_.missed : *reads == Reads::page ? followed_.programs : followed_.by_kernel);
}

void Supervisor::translate(Deadline deadline) {
  const Wait& wait = *deadline.wait;
  const clockid_t clock = wait.clock(deadline.call);
  Tracee tracee(deadline.call.tid());
  Registers registers;
  if (!take_over(tracee, std::move(deadline.call), registers)) return;
  const Registers before = registers;

  const Skew now = skew();
  const std::int64_t present = true_time(is_wall(clock) ? CLOCK_REALTIME : CLOCK_MONOTONIC);
  const std::int64_t true_deadline = is_wall(clock) ? true_wall(now, deadline.shown, present)
                                                    : true_monotonic(now, deadline.shown);
  // On the thread's own stack, below what its code and the ABI's red zone use; put back afterwards.
  std::array<timespec, 2> ours{}, theirs{};
  const std::uint64_t at = (before.stack() - 256) & ~std::uint64_t{15};
  const auto slot = std::as_writable_bytes(std::span(theirs));
  const int argument = static_cast<int>(wait.deadline);
  bool possible = tracee.read(at, slot);
  switch (wait.form) {
    case Wait::Form::futex:
    case Wait::Form::queue:
      ours[0] = to_timespec(true_deadline);
      break;
    case Wait::Form::sleep:
      ours[0] = to_timespec(true_deadline - present);
      registers.set_argument(1, 0);  // relative
      registers.set_argument(3, 0);  // and what is left of it is nobody's business
      break;
    case Wait::Form::timerfd:
    case Wait::Form::timer:
      possible = possible &&
                 tracee.read(before.argument(argument), std::as_writable_bytes(std::span(ours)));
      ours[1] = to_timespec(std::max<std::int64_t>(true_deadline, 1));  // 0 would disarm it
      break;
  }
  registers.set_argument(argument, at);
  registers.set_argument(static_cast<int>(wait.mark), kMark);
  if (!possible || !tracee.write(at, std::as_bytes(std::span(ours))) || !tracee.set(registers)) {
    tracee.set(before);
    return;
  }
  Stop stop = tracee.go_to_call();  // the call's begin
  const bool begun = stop.kind == Stop::Kind::call;
  if (begun) {
    if (wait.remembers()) tracee.interrupt();
    stop = tracee.go_to_call();  // its end
  }
  tracee.write(at, std::as_bytes(std::span(theirs)));
  if (begun && stop.kind == Stop::Kind::call && tracee.get(registers)) {
    for (int i = 1; i < 6; ++i) registers.set_argument(i, before.argument(i));
    tracee.set(registers);
  } else {
    tracee.set(before);
  }
  tracee.detach(stop.kind == Stop::Kind::signal ? stop.signal : 0);
  const std::lock_guard lock(mutex_);
  ++followed_.waits;
}

void Supervisor::begin_all_anew() {
  std::map<pid_t, Waiter> waiters;
  {
    const std::lock_guard lock(mutex_);
    waiters.swap(waiters_);  // who still waits comes back by its call
  }
  for (const auto& [tid, waiter] : waiters) begin_anew(tid, waiter);
}

void Supervisor::begin_anew(pid_t tid, const Waiter& waiter) {
  // "number arguments stack instruction" of the call that a thread sleeps in: proc(5). Cheap, so
  // that only those are stopped which do wait.
  std::ifstream in(fmt::format("/proc/{}/syscall", tid));
  long number = -1;
  in >> number >> std::hex;
  if (number != waiter.wait->number && number != SYS_restart_syscall) return;
  for (std::uint64_t expected : waiter.arguments)
    if (std::uint64_t argument = 0; !(in >> argument) || argument != expected) return;
  Tracee tracee(tid);
  if (!tracee.seize()) return;
  tracee.interrupt();
  const Stop stop = tracee.wait();
  Registers registers;
  if (stop.kind == Stop::Kind::interrupted && tracee.get(registers) &&
      registers.interrupted_in(number)) {
    registers.repeat_call(waiter.wait->number);
    tracee.set(registers);
  }
  tracee.detach(stop.kind == Stop::Kind::signal ? stop.signal : 0);
}

}  // namespace gameday::lab::clock
