// Answers the trapped system calls of one life of a node, by seccomp user notification
// (seccomp_unotify(2)): the calling thread waits in the kernel until the controller has said
// whether the call is executed, fails, or returns a value.
//
//   threads    One thread a life receives the calls and runs the handlers of the node's
//              SyscallTable. A HeldCall may be answered from any thread, at any later time.
//   who owns   The NodeProcess owns the supervisor; a HeldCall shares the listener with it and may
//              outlive it. A call whose thread was killed meanwhile cannot be answered: go_on(),
//              fail() and answer() say false, and that is all.
//   held       A held thread can be killed, but (WAIT_KILLABLE_RECV, Linux 5.19) takes no other
//              signal, cannot be stopped, and is in state D until it is answered. Without that flag
//              a signal interrupts the call and the kernel restarts it: it is then seen twice.
//   pids       As in the controller's PID namespace (the thread's, not the process's).
//   children   Everything the server forks or executes has the filter too, and the same supervisor.
//   not seen   Threads that io_uring does work for, and memory-mapped writes: neither is a call.
//   the end    When the controller dies, its descriptor goes, and calls fail with ENOSYS for as long
//              as the universe takes to end the node.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "harness/core/error.h"
#include "harness/lab/fd.h"
#include "harness/lab/syscall_table.h"

namespace gameday::lab {

// Whether this machine can do all this; the Error says what would change it.
Status syscalls_available();

// In the process that is to be supervised: its own calls, from now on, and those of its children.
// The listener.
Result<Fd> install_filter(std::span<const sock_filter> filter);

// A thread that waits for our answer to its call. Exactly one answer counts; destroyed without one,
// the call is executed. Move-only.
class HeldCall {
 public:
  HeldCall(std::shared_ptr<const Fd> listener, const seccomp_notif& notification)
      : listener_(std::move(listener)), notification_(notification) {}
  HeldCall(HeldCall&&) = default;
  HeldCall& operator=(HeldCall&& other) noexcept;
  ~HeldCall();

  int number() const { return notification_.data.nr; }
  std::uint64_t argument(unsigned index) const { return notification_.data.args[index]; }
  int int_argument(unsigned index) const { return static_cast<int>(argument(index)); }
  pid_t tid() const { return static_cast<pid_t>(notification_.pid); }

  // True: the thread got the answer. False: it is gone, or was answered before.
  bool go_on();                     // the kernel executes the call
  bool fail(int error);             // the call is not executed and fails
  bool answer(std::int64_t value);  // the call is not executed and returns this

  // Gives the thread's process a copy of a descriptor of ours (Linux 5.9): its number there.
  std::optional<int> give(int fd) const;

  // Whether the thread still waits. What was read of a thread is about it only if this is asked
  // afterwards: its id may have been given to another meanwhile.
  bool waits() const;

  // The memory of the thread's process. False: not mapped so, or gone. write() also writes to pages
  // that the process itself may only read.
  bool read(std::uint64_t address, std::span<std::byte> to) const;
  bool write(std::uint64_t address, std::span<const std::byte> from) const;
  template <typename T>
  std::optional<T> read_value(std::uint64_t address) const {
    T value;
    if (!read(address, std::as_writable_bytes(std::span(&value, 1)))) return std::nullopt;
    return value;
  }
  std::optional<std::string> read_string(std::uint64_t address) const;  // to NUL, of up to PATH_MAX

  // Absolute, as the node sees it; of a socket or pipe what /proc says ("socket:[77]"); nullopt: no
  // such descriptor, or gone. A file that has been unlinked keeps its last name.
  std::optional<std::string> path_of(int fd) const;
  // Of the path at `address`, relative to `fd` (AT_FDCWD: to the working directory): absolute,
  // without "." and "..", symbolic links not followed.
  std::optional<std::string> path_at(int fd, std::uint64_t address) const;
  std::optional<std::string> path_at(std::uint64_t address) const;  // of the working directory

 private:
  bool send(std::int64_t value, std::int32_t error, std::uint32_t flags);

  std::shared_ptr<const Fd> listener_;  // null: answered or moved from
  seccomp_notif notification_;
};

class SyscallSupervisor {
 public:
  // `table` outlives it.
  static Result<std::unique_ptr<SyscallSupervisor>> start(Fd listener, const SyscallTable& table);
  ~SyscallSupervisor();  // after the node's processes are dead: until then their calls wait

 private:
  SyscallSupervisor(std::shared_ptr<const Fd> listener, Fd stop, const SyscallTable& table);
  void serve();
  bool receive_one();

  const std::shared_ptr<const Fd> listener_;
  const Fd stop_;
  const SyscallTable& table_;
  std::jthread thread_;
};

}  // namespace gameday::lab
