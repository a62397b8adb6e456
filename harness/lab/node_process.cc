#include "harness/lab/node_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace gameday::lab {
namespace {

constexpr int kStartTimeoutMs = 10'000;

// One message of the init, and the descriptor that came with it; empty: it has closed its end, or
// does not answer in time.
std::string receive(int socket, int timeout_ms, Fd* descriptor = nullptr) {
  pollfd poll_fd{socket, POLLIN, 0};
  int ready = 0;
  while ((ready = ::poll(&poll_fd, 1, timeout_ms)) < 0 && errno == EINTR) {
  }
  if (ready <= 0) return {};
  std::array<char, 4096> buffer;
  iovec data{buffer.data(), buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n = 0;
  while ((n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
  }
  const cmsghdr* header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    Fd received(fd);
    if (descriptor) *descriptor = std::move(received);
  }
  return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string();
}

}  // namespace

Result<std::unique_ptr<NodeProcess>> NodeProcess::start(const InitSpec& spec, int netns,
                                                        const SyscallTable& traps, OnEnd on_end) {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    return fail_errno("cannot make a socket pair");
  Fd ours(fds[0]), theirs(fds[1]);
  std::unique_ptr<SyscallSupervisor> supervisor;  // ends after the child
  auto child =
      spawn_self({kInitCommand, spec.hostname, spec.directory}, netns, theirs, kInitSocket);
  if (!child) return tl::make_unexpected(child.error());
  theirs.reset();
  const std::string text = to_json(spec).dump();
  if (::send(ours.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0)
    return fail_errno("cannot speak to a node's init");
  Fd descriptor;
  std::string answer = receive(ours.get(), kStartTimeoutMs, &descriptor);
  if (answer == kListenerMessage) {
    auto started = SyscallSupervisor::start(std::move(descriptor), traps);
    if (!started) return tl::make_unexpected(started.error());
    supervisor = std::move(*started);
    answer = receive(ours.get(), kStartTimeoutMs, &descriptor);
  }
  if (answer.starts_with("failed ")) return fail("{}: {}", spec.hostname, answer.substr(7));
  if (!answer.starts_with("started "))
    return fail("{}: the node's init does not answer; does main() call maybe_run_init() first?",
                spec.hostname);
  std::unique_ptr<NodeProcess> process(new NodeProcess(std::move(supervisor), std::move(*child),
                                                       std::move(descriptor), std::move(ours),
                                                       answer.substr(8)));
  process->watcher_ =
      std::jthread([p = process.get(), on_end = std::move(on_end)] { p->watch(on_end); });
  return process;
}

NodeProcess::NodeProcess(std::unique_ptr<SyscallSupervisor> supervisor,
                         std::unique_ptr<Child> child, Fd server, Fd socket,
                         std::string pid_namespace)
    : supervisor_(std::move(supervisor)),
      child_(std::move(child)),
      server_(std::move(server)),
      socket_(std::move(socket)),
      pid_namespace_(std::move(pid_namespace)) {}

NodeProcess::~NodeProcess() {
  kill();
  if (watcher_.joinable()) watcher_.join();
}

void NodeProcess::watch(const OnEnd& on_end) {
  std::optional<int> status;
  for (;;) {
    const std::string message = receive(socket_.get(), -1);
    if (message.empty()) break;  // closed: the init is ending
    if (message.starts_with("exited ")) status = std::atoi(message.c_str() + 7);
  }
  child_->wait();  // the end of pid 1 waits for all others of its namespace
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  on_end(status);
  changed_.notify_all();
}

void NodeProcess::send(const std::string& message) {
  ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL);
}

void NodeProcess::signal_all(int signal) { send(fmt::format("signal {}", signal)); }
void NodeProcess::terminate() { send("term"); }
void NodeProcess::kill() {
  child_->kill();
  // It would be killed by the end of the init. Both at once take half as long.
  ::syscall(SYS_pidfd_send_signal, server_.get(), SIGKILL, nullptr, 0);
}

bool NodeProcess::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

bool NodeProcess::wait_for_end(std::chrono::milliseconds timeout) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return ended_; });
}

void NodeProcess::wait_for_end() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_; });
}

}  // namespace gameday::lab
