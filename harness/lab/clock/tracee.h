// A thread under ptrace(2), for moments only: while it is made to do a system call differently, or
// to do one for us. Every object belongs to the thread that made it, since ptrace(2) does.
#pragma once

#include <sys/types.h>
#include <sys/user.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

namespace gameday::lab::clock {

// Registers as a system call sees them.
class Registers {
 public:
#if defined(__x86_64__)
  using Raw = user_regs_struct;
#elif defined(__aarch64__)
  using Raw = user_regs_struct;
#endif
  Raw raw{};

  std::uint64_t argument(int i) const;  // 0..5
  void set_argument(int i, std::uint64_t value);
  std::int64_t result() const;
  // In a call of this number which a signal or a tracer interrupted and which the kernel would
  // repeat.
  bool interrupted_in(long number) const;
  std::uint64_t stack() const;
  // So that the thread does a call next, with the instruction at that address.
  void prepare_call(long number, std::uint64_t instruction);
  // The same with the call's own instruction, at whose end the thread is.
  void repeat_call(long number);
};

struct Stop {
  enum class Kind : std::uint8_t {
    call,         // begin or end of a system call
    interrupted,  // as asked for by interrupt()
    group,        // SIGSTOP and its kin: the whole process is stopped
    signal,       // a signal is about to be delivered
    gone,         // it is dead, or nobody's
  };
  Kind kind = Kind::gone;
  int signal = 0;
};

class Tracee {
 public:
  // The caller's thread may have no other children or tracees.
  explicit Tracee(pid_t tid) : tid_(tid) {}
  ~Tracee() { detach(); }
  Tracee(const Tracee&) = delete;
  Tracee& operator=(const Tracee&) = delete;

  bool seize();  // it goes on; false: it is gone, or somebody else traces it
  void interrupt();
  Stop wait();                        // for the next stop
  Stop go_to_call(int signal = 0);    // on to the next begin or end of a system call
  void detach(int signal = 0);        // sends what was held back, too
  pid_t tid() const { return tid_; }  // an exec makes it that of the process

  bool get(Registers& registers);  // false: gone, or a 32-bit program's
  bool set(const Registers& registers);
  bool read(std::uint64_t address, std::span<std::byte> into) const;
  bool write(std::uint64_t address, std::span<const std::byte> bytes);  // also where it may not

  // Stopped at the end of a call (not within), does one of ours and restores its registers. Signals
  // that come meanwhile are held back until detach(). nullopt: it is gone.
  std::optional<std::int64_t> call(std::uint64_t instruction, long number,
                                   std::initializer_list<std::uint64_t> arguments);

 private:
  bool resume_to_call(int signal);
  pid_t tid_;
  bool attached_ = false;
  std::vector<int> held_back_;
};

}  // namespace gameday::lab::clock
