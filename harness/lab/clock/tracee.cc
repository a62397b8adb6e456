#include "harness/lab/clock/tracee.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "harness/lab/fd.h"

namespace gameday::lab::clock {

#if defined(__x86_64__)

namespace {
// include/linux/errno.h: ERESTARTSYS to ERESTART_RESTARTBLOCK, which no program ever sees.
constexpr std::int64_t kRestartFirst = 512, kRestartLast = 516;

unsigned long long user_regs_struct::*const kArguments[]{
    &user_regs_struct::rdi, &user_regs_struct::rsi, &user_regs_struct::rdx,
    &user_regs_struct::r10, &user_regs_struct::r8,  &user_regs_struct::r9};
}  // namespace

std::uint64_t Registers::argument(int i) const { return raw.*kArguments[i]; }
void Registers::set_argument(int i, std::uint64_t value) { raw.*kArguments[i] = value; }
std::int64_t Registers::result() const { return static_cast<std::int64_t>(raw.rax); }
bool Registers::interrupted_in(long number) const {
  return raw.orig_rax == static_cast<std::uint64_t>(number) && result() <= -kRestartFirst &&
         result() >= -kRestartLast;
}
std::uint64_t Registers::stack() const { return raw.rsp; }
void Registers::prepare_call(long number, std::uint64_t instruction) {
  raw.rax = static_cast<std::uint64_t>(number);
  raw.orig_rax = ~0ULL;  // not in a call: nothing is restarted
  raw.rip = instruction;
}
void Registers::repeat_call(long number) { prepare_call(number, raw.rip - 2); }

#elif defined(__aarch64__)

std::uint64_t Registers::argument(int i) const { return raw.regs[i]; }
void Registers::set_argument(int i, std::uint64_t value) { raw.regs[i] = value; }
std::int64_t Registers::result() const { return static_cast<std::int64_t>(raw.regs[0]); }
// The kernel has put the registers back already when it stops (do_signal(), arch/arm64).
bool Registers::interrupted_in(long number) const {
  return raw.regs[8] == static_cast<std::uint64_t>(number);
}
std::uint64_t Registers::stack() const { return raw.sp; }
void Registers::prepare_call(long number, std::uint64_t instruction) {
  raw.regs[8] = static_cast<std::uint64_t>(number);
  raw.pc = instruction;
}
void Registers::repeat_call(long number) { prepare_call(number, raw.pc - 4); }

#endif

bool Tracee::seize() {
  attached_ =
      ::ptrace(PTRACE_SEIZE, tid_, nullptr, reinterpret_cast<void*>(PTRACE_O_TRACESYSGOOD)) == 0;
  return attached_;
}

void Tracee::interrupt() { ::ptrace(PTRACE_INTERRUPT, tid_, nullptr, nullptr); }

Stop Tracee::wait() {
  int status = 0;
  pid_t pid = 0;
  // Any tracee of this thread: exec by another thread than the first changes its id. The children
  // of the program's other threads are none of our business: __WNOTHREAD.
  while ((pid = ::waitpid(-1, &status, __WALL | __WNOTHREAD)) < 0 && errno == EINTR) {
  }
  if (pid < 0 || WIFEXITED(status) || WIFSIGNALED(status)) {
    attached_ = false;
    return {};
  }
  tid_ = pid;
  const int signal = WSTOPSIG(status), event = status >> 16;
  if (event == PTRACE_EVENT_STOP)
    return {signal == SIGTRAP ? Stop::Kind::interrupted : Stop::Kind::group, signal};
  if (signal == (SIGTRAP | 0x80)) return {Stop::Kind::call, 0};
  return {Stop::Kind::signal, signal};
}

bool Tracee::resume_to_call(int signal) {
  return ::ptrace(PTRACE_SYSCALL, tid_, nullptr, reinterpret_cast<void*>(std::intptr_t{signal})) ==
         0;
}

Stop Tracee::go_to_call(int signal) {
  if (!resume_to_call(signal) && errno != ESRCH) return {};
  return wait();
}

void Tracee::detach(int signal) {
  if (!std::exchange(attached_, false)) return;
  if (::ptrace(PTRACE_DETACH, tid_, nullptr, reinterpret_cast<void*>(std::intptr_t{signal})) != 0) {
    // It is running, or was killed: a tracee that is dead has to be waited for.
    int status = 0;
    ::ptrace(PTRACE_INTERRUPT, tid_, nullptr, nullptr);
    if (::waitpid(tid_, &status, __WALL | __WNOTHREAD) == tid_ && WIFSTOPPED(status))
      ::ptrace(PTRACE_DETACH, tid_, nullptr, nullptr);
    return;
  }
  for (const int held : held_back_) ::syscall(SYS_tkill, tid_, held);
  held_back_.clear();
}

bool Tracee::get(Registers& registers) {
  iovec io{&registers.raw, sizeof registers.raw};
  return ::ptrace(PTRACE_GETREGSET, tid_, reinterpret_cast<void*>(NT_PRSTATUS), &io) == 0 &&
         io.iov_len == sizeof registers.raw;
}

bool Tracee::set(const Registers& registers) {
  Registers copy = registers;
  iovec io{&copy.raw, sizeof copy.raw};
  return ::ptrace(PTRACE_SETREGSET, tid_, reinterpret_cast<void*>(NT_PRSTATUS), &io) == 0;
}

bool Tracee::read(std::uint64_t address, std::span<std::byte> into) const {
  iovec local{into.data(), into.size()}, remote{reinterpret_cast<void*>(address), into.size()};
  return ::process_vm_readv(tid_, &local, 1, &remote, 1, 0) == static_cast<ssize_t>(into.size());
}

bool Tracee::write(std::uint64_t address, std::span<const std::byte> bytes) {
  // Both ways disregard protections, as process_vm_writev(2) does not. A kernel may be told that
  // the file does not either (proc_mem.force_override).
  const Fd memory(::open(fmt::format("/proc/{}/mem", tid_).c_str(), O_WRONLY | O_CLOEXEC));
  if (memory && ::pwrite(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(address)) ==
                    static_cast<ssize_t>(bytes.size()))
    return true;
  constexpr std::size_t kWord = sizeof(long);
  for (std::size_t done = 0; done < bytes.size(); done += kWord) {
    long word = 0;
    const std::size_t part = std::min(kWord, bytes.size() - done);
    if (part < kWord && !read(address + done, std::as_writable_bytes(std::span(&word, 1))))
      return false;
    std::memcpy(&word, bytes.data() + done, part);
    if (::ptrace(PTRACE_POKEDATA, tid_, reinterpret_cast<void*>(address + done),
                 reinterpret_cast<void*>(word)) != 0)
      return false;
  }
  return true;
}

std::optional<std::int64_t> Tracee::call(std::uint64_t instruction, long number,
                                         std::initializer_list<std::uint64_t> arguments) {
  Registers before;
  if (!get(before)) return std::nullopt;
  Registers ours = before;
  ours.prepare_call(number, instruction);
  int i = 0;
  for (const std::uint64_t argument : arguments) ours.set_argument(i++, argument);
  if (!set(ours)) return std::nullopt;
  for (;;) {  // one step is the whole call
    if (::ptrace(PTRACE_SINGLESTEP, tid_, nullptr, nullptr) != 0 && errno != ESRCH)
      return std::nullopt;
    const Stop stop = wait();
    if (stop.kind == Stop::Kind::gone) return std::nullopt;
    if (stop.kind != Stop::Kind::signal) continue;
    if (stop.signal == SIGTRAP) break;
    held_back_.push_back(stop.signal);
  }
  Registers after;
  if (!get(after) || !set(before)) return std::nullopt;
  return after.result();
}

}  // namespace gameday::lab::clock
