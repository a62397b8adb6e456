#include "harness/lab/syscall_supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <filesystem>
#include <mutex>

// Since Linux 6.6; Debian 12's headers are older.
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;

// The kernel writes as much as its own struct has, which may be more than ours some day.
template <typename T>
union Padded {
  T value;
  std::array<char, 512> bytes;
};

Status check_sizes() {
  seccomp_notif_sizes sizes{};
  if (::syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0)
    return fail_errno("this kernel has no seccomp user notification (Linux 5.0 or later has)");
  if (sizes.seccomp_notif > sizeof(Padded<seccomp_notif>) ||
      sizes.seccomp_notif_resp > sizeof(Padded<seccomp_notif_resp>))
    return fail("this kernel's seccomp notifications are larger than this program knows");
  return {};
}

std::optional<std::string> read_link(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  const ssize_t n = ::readlink(path.c_str(), buffer.data(), buffer.size());
  if (n < 0) return std::nullopt;
  std::string text(buffer.data(), static_cast<std::size_t>(n));
  constexpr std::string_view kDeleted = " (deleted)";
  if (text.ends_with(kDeleted)) text.resize(text.size() - kDeleted.size());
  return text;
}

long seccomp_listener(unsigned long flags, const sock_fprog& program) {
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER,
                   &program);
}

}  // namespace

Result<Fd> install_filter(std::span<const sock_filter> filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()),
                           const_cast<sock_filter*>(filter.data())};
  long fd = seccomp_listener(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);
  if (fd < 0 && errno == EINVAL) fd = seccomp_listener(0, program);  // before Linux 5.19
  if (fd < 0 && errno == EACCES) {
    // Without CAP_SYS_ADMIN a filter may only be on processes that can gain no privileges.
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fd = seccomp_listener(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);
    if (fd < 0 && errno == EINVAL) fd = seccomp_listener(0, program);
  }
  if (fd >= 0) return Fd(static_cast<int>(fd));
  if (errno == EBUSY)
    return gameday::fail(
        "cannot trap system calls: this process is under a seccomp listener already, and there can "
        "be one only; run outside of that container, or with --security-opt seccomp=unconfined");
  return fail_errno("cannot trap system calls (seccomp)");
}

Status syscalls_available() {
  if (auto status = check_sizes(); !status) return status;
  SyscallTable table;
  table.trap(SYS_getpriority, [](HeldCall) {});
  const auto filter = table.filter();
  // In a child, because a filter cannot be taken off again.
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot fork");
  if (pid == 0) ::_exit(install_filter(*filter) ? 0 : errno);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFEXITED(status) && WEXITSTATUS(status) == EBUSY)
    return gameday::fail("system calls cannot be trapped: a seccomp listener is there already; in a "
                         "container, start it with --security-opt seccomp=unconfined");
  return gameday::fail(
      "system calls cannot be trapped: seccomp says {}; in a container, start it with "
      "--security-opt seccomp=unconfined",
      WIFEXITED(status) ? std::strerror(WEXITSTATUS(status)) : "nothing");
}

HeldCall& HeldCall::operator=(HeldCall&& other) noexcept {
  if (this == &other) return *this;
  go_on();
  listener_ = std::move(other.listener_);
  notification_ = other.notification_;
  return *this;
}

HeldCall::~HeldCall() { go_on(); }

bool HeldCall::go_on() { return send(0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE); }
bool HeldCall::fail(int error) { return send(0, -error, 0); }
bool HeldCall::answer(std::int64_t value) { return send(value, 0, 0); }

bool HeldCall::send(std::int64_t value, std::int32_t error, std::uint32_t flags) {
  const auto listener = std::exchange(listener_, nullptr);
  if (!listener) return false;
  Padded<seccomp_notif_resp> response{};
  response.value = {notification_.id, value, error, flags};
  int result = 0;
  while ((result = ::ioctl(listener->get(), SECCOMP_IOCTL_NOTIF_SEND, &response)) != 0 &&
         errno == EINTR) {
  }
  return result == 0;
}

std::optional<int> HeldCall::give(int fd) const {
  seccomp_notif_addfd add{};
  add.id = notification_.id;
  add.srcfd = static_cast<std::uint32_t>(fd);
  const int given = listener_ ? ::ioctl(listener_->get(), SECCOMP_IOCTL_NOTIF_ADDFD, &add) : -1;
  return given < 0 ? std::nullopt : std::optional(given);
}

bool HeldCall::waits() const {
  return listener_ && ::ioctl(listener_->get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &notification_.id) == 0;
}

bool HeldCall::read(std::uint64_t address, std::span<std::byte> to) const {
  const iovec local{to.data(), to.size()};
  const iovec remote{reinterpret_cast<void*>(address), to.size()};
  const ssize_t n = ::process_vm_readv(tid(), &local, 1, &remote, 1, 0);
  return n == static_cast<ssize_t>(to.size()) && waits();
}

bool HeldCall::write(std::uint64_t address, std::span<const std::byte> from) const {
  // Opened first and asked afterwards: then it is the memory of this thread and no later one's.
  const Fd memory(::open(fmt::format("/proc/{}/mem", tid()).c_str(), O_RDWR | O_CLOEXEC));
  if (!memory || !waits()) return false;
  return ::pwrite(memory.get(), from.data(), from.size(), static_cast<off_t>(address)) ==
         static_cast<ssize_t>(from.size());
}

std::optional<std::string> HeldCall::read_string(std::uint64_t address) const {
  std::string text;
  while (text.size() < PATH_MAX) {
    // No further than a page at a time: the next one may not be mapped.
    std::array<char, 4096> page;
    const std::size_t size = page.size() - (address + text.size()) % page.size();
    const iovec local{page.data(), size};
    const iovec remote{reinterpret_cast<void*>(address + text.size()), size};
    const ssize_t n = ::process_vm_readv(tid(), &local, 1, &remote, 1, 0);
    if (n <= 0) return std::nullopt;
    const auto end = std::find(page.begin(), page.begin() + n, '\0');
    text.append(page.begin(), end);
    if (end != page.begin() + n) break;
  }
  if (!waits()) return std::nullopt;
  return text;
}

std::optional<std::string> HeldCall::path_of(int fd) const {
  auto path = read_link(fd == AT_FDCWD ? fmt::format("/proc/{}/cwd", tid())
                                       : fmt::format("/proc/{}/fd/{}", tid(), fd));
  if (!waits()) return std::nullopt;
  return path;
}

std::optional<std::string> HeldCall::path_at(int fd, std::uint64_t address) const {
  const auto text = read_string(address);
  if (!text) return std::nullopt;
  fs::path path = *text;
  if (path.is_relative()) {
    const auto base = path_of(fd);
    if (!base) return std::nullopt;
    path = text->empty() ? fs::path(*base) : *base / path;  // AT_EMPTY_PATH
  }
  return path.lexically_normal().string();
}

std::optional<std::string> HeldCall::path_at(std::uint64_t address) const {
  return path_at(AT_FDCWD, address);
}

Result<std::unique_ptr<SyscallSupervisor>> SyscallSupervisor::start(Fd listener,
                                                                    const SyscallTable& table) {
  if (auto status = check_sizes(); !status) return tl::make_unexpected(status.error());
  // The answer hands its processor over to the thread that waits for it. Before Linux 6.6: slower.
  ::ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  Fd stop(::eventfd(0, EFD_CLOEXEC));
  if (!stop) return fail_errno("cannot make an eventfd");
  return std::unique_ptr<SyscallSupervisor>(new SyscallSupervisor(
      std::make_shared<const Fd>(std::move(listener)), std::move(stop), table));
}

SyscallSupervisor::SyscallSupervisor(std::shared_ptr<const Fd> listener, Fd stop,
                                     const SyscallTable& table)
    : listener_(std::move(listener)), stop_(std::move(stop)), table_(table) {
  thread_ = std::jthread([this] { serve(); });
}

SyscallSupervisor::~SyscallSupervisor() {
  const std::uint64_t one = 1;
  if (::write(stop_.get(), &one, sizeof one) < 0) std::terminate();
}

void SyscallSupervisor::serve() {
  std::array<pollfd, 2> fds{{{listener_->get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if ((fds[0].revents & POLLIN) != 0 && !receive_one()) return;
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return;  // all of them are dead
  }
}

bool SyscallSupervisor::receive_one() {
  Padded<seccomp_notif> notification{};
  if (::ioctl(listener_->get(), SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0)
    return errno == EINTR || errno == ENOENT;  // ENOENT: killed before we looked
  HeldCall call(listener_, notification.value);
  if (const auto* handler = table_.find(notification.value.data)) (*handler)(std::move(call));
  return true;
}

}  // namespace gameday::lab
