#include "harness/lab/universe.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>

#include "harness/lab/fd.h"
#include "harness/lab/leftovers.h"
#include "harness/lab/namespaces.h"

namespace gameday::lab {
namespace {

constexpr std::array kForwarded{SIGINT, SIGTERM, SIGHUP, SIGQUIT};
constexpr int kToolFailed = 255;
// What the init says when the universe stands; anything else in the pipe is an error message.
constexpr std::string_view kReady = "ready";

volatile sig_atomic_t forward_to = 0;

void forward_signal(int signal) {
  if (forward_to > 0) ::kill(forward_to, signal);
}

bool has_sys_admin() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return false;
  return (data[0].effective & (1U << CAP_SYS_ADMIN)) != 0;
}

std::string read_first_line(const char* path) {
  std::string line;
  std::ifstream in(path);
  std::getline(in, line);
  return line;
}

// What stands in the way of user namespaces on this machine, as an instruction.
std::string user_namespace_advice() {
  if (read_first_line("/proc/sys/kernel/unprivileged_userns_clone") == "0")
    return "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1";
  if (read_first_line("/proc/sys/user/max_user_namespaces") == "0")
    return "allow user namespaces: sysctl user.max_user_namespaces=15000";
  if (read_first_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1")
    return "allow user namespaces (Ubuntu 23.10 and later restrict them): "
           "sysctl kernel.apparmor_restrict_unprivileged_userns=0";
  return "run as root, or, in a container, start it with --privileged or with "
         "--security-opt seccomp=unconfined --security-opt apparmor=unconfined";
}

Status map_user(uid_t uid, gid_t gid) {
  // setgroups must be denied before an unprivileged gid_map is accepted: user_namespaces(7).
  if (auto status = write_proc("/proc/self/setgroups", "deny"); !status) return status;
  if (auto status = write_proc("/proc/self/uid_map", fmt::format("0 {} 1", uid)); !status)
    return status;
  return write_proc("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

Status set_up(const UniverseOptions& options, bool user_namespace, uid_t uid, gid_t gid) {
  if (user_namespace)
    if (auto status = map_user(uid, gid); !status) return status;
  // A mount made here must never propagate to the host.
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return fail_errno("cannot make the mounts private");
  // EPERM: the outer /proc is partly masked (a container), then a user namespace may not mount an
  // unmasked one. All we need of /proc is about ourselves, which the old one has too.
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0 &&
      errno != EPERM)
    return fail_errno("cannot mount /proc");
  if (::sethostname(options.hostname.data(), options.hostname.size()) != 0)
    return fail_errno("cannot set the host name");
  return loopback_up();
}

int run_body(const std::function<int()>& body) {
  int code = kToolFailed;
  try {
    code = body();
  } catch (const std::exception& e) {
    fmt::print(stderr, "gameday: {}\n", e.what());
  }
  std::cout.flush();
  std::cerr.flush();
  std::fflush(nullptr);
  return code;
}

// Reaps everything. The exit code for the universe once the controller is gone.
std::optional<int> reap_controller(pid_t controller) {
  int status = 0;
  pid_t pid = 0;
  std::optional<int> code;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid != controller) continue;
    code = WIFEXITED(status) ? WEXITSTATUS(status) : kToolFailed;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGINT && WTERMSIG(status) != SIGTERM)
      fmt::print(stderr, "gameday: the controller was killed by signal {} ({})\n", WTERMSIG(status),
                 ::strsignal(WTERMSIG(status)));
  }
  return code;
}

sigset_t forwarded_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kForwarded) sigaddset(&set, signal);
  return set;
}

// Pid 1: nothing but this loop. When it returns the kernel kills the rest of the universe.
int init_loop(pid_t controller, int lifeline, int signals) {
  std::array<pollfd, 2> fds{{{lifeline, POLLIN, 0}, {signals, POLLIN, 0}}};
  for (;;) {
    if (::poll(fds.data(), fds.size(), -1) < 0 && errno != EINTR) return kToolFailed;
    if (fds[0].revents != 0) return kToolFailed;  // the outer process is gone
    signalfd_siginfo info{};
    if (::read(signals, &info, sizeof info) != sizeof info) continue;
    if (info.ssi_signo != SIGCHLD) ::kill(controller, static_cast<int>(info.ssi_signo));
    if (auto code = reap_controller(controller)) return *code;
  }
}

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail_errno("cannot make a pipe");
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

struct InitContext {
  const std::function<int()>& body;
  const UniverseOptions& options;
  bool user_namespace;
  uid_t uid;
  gid_t gid;
  const sigset_t& caller_mask;
};

// Runs as pid 1 with the forwarded signals blocked, never returns.
[[noreturn]] void init_main(const InitContext& context, Pipe lifeline, Pipe report) {
  lifeline.write.reset();
  report.read.reset();
  ::setpgid(0, 0);
  Status status = set_up(context.options, context.user_namespace, context.uid, context.gid);
  // After the user namespace: a change of credentials clears it (commit_creds()). The lifeline
  // covers the time before, and a caller that died before this line.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);

  sigset_t set = forwarded_signals();
  sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));

  const pid_t controller = status ? ::fork() : -1;
  if (controller == 0) {
    signals.reset();
    lifeline.read.reset();
    report.write.reset();
    ::sigprocmask(SIG_SETMASK, &context.caller_mask, nullptr);
    ::_exit(run_body(context.body) & 0xff);
  }
  if (status && controller < 0) status = fail_errno("cannot fork the controller");
  const std::string_view text = status ? kReady : std::string_view(status.error().message);
  if (::write(report.write.get(), text.data(), text.size()) < 0 || !status) ::_exit(kToolFailed);
  report.write.reset();
  ::_exit(init_loop(controller, lifeline.read.get(), signals.get()));
}

std::string read_all(int fd) {
  std::string text;
  std::array<char, 512> buffer;
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

int wait_for_init(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kToolFailed;
}

// Forwards signals to the init while it lives.
class Forwarding {
 public:
  explicit Forwarding(pid_t pid) {
    forward_to = pid;
    struct sigaction action {};
    action.sa_handler = forward_signal;
    for (std::size_t i = 0; i < kForwarded.size(); ++i)
      ::sigaction(kForwarded[i], &action, &before_[i]);
  }
  ~Forwarding() {
    forward_to = 0;
    for (std::size_t i = 0; i < kForwarded.size(); ++i)
      ::sigaction(kForwarded[i], &before_[i], nullptr);
  }
  Forwarding(const Forwarding&) = delete;
  Forwarding& operator=(const Forwarding&) = delete;

 private:
  std::array<struct sigaction, kForwarded.size()> before_{};
};

// A plain clone(2) for the init: fork() cannot make namespaces and unshare() would change the
// caller. It leaves glibc's cached thread id stale in the init, which uses none; the controller is
// made by fork(), which sets it right. All arguments but the flags are zero, so their order, which
// differs between architectures, does not matter.
pid_t clone_init(unsigned long flags) {
  return static_cast<pid_t>(::syscall(SYS_clone, flags | SIGCHLD, 0L, 0L, 0L, 0L));
}

Result<int> create(const std::function<int()>& body, const UniverseOptions& options,
                   bool user_namespace) {
  auto leftovers = Leftovers::watch();
  if (!leftovers) return tl::make_unexpected(leftovers.error());
  auto lifeline = make_pipe();
  auto report = make_pipe();
  if (!lifeline || !report) return fail("cannot make pipes: {}", std::strerror(errno));
  sigset_t set = forwarded_signals(), before;
  ::sigprocmask(SIG_BLOCK, &set, &before);
  std::cout.flush();
  std::fflush(nullptr);

  const InitContext context{body, options, user_namespace, ::geteuid(), ::getegid(), before};
  unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  if (user_namespace) flags |= CLONE_NEWUSER;
  const pid_t pid = clone_init(flags);
  if (pid == 0) init_main(context, std::move(*lifeline), std::move(*report));
  if (pid < 0) {
    auto error = fail_errno("cannot make a private universe (namespaces)");
    ::sigprocmask(SIG_SETMASK, &before, nullptr);
    return error;
  }
  lifeline->read.reset();
  report->write.reset();
  const Forwarding forwarding(pid);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  const std::string said = read_all(report->read.get());
  const int code = wait_for_init(pid);
  if (said == kReady) return code;
  if (said.empty()) return kToolFailed;  // killed while it was set up
  return fail("cannot set up a private universe: {}", said);
}

}  // namespace

Result<int> try_in_universe(const std::function<int()>& body, const UniverseOptions& options) {
  std::string first;
  if (has_sys_admin() && !options.force_user_namespace) {
    auto result = create(body, options, false);
    if (result) return result;
    first = result.error().message + "; ";  // as in a container that filters clone(2)
  }
  auto result = create(body, options, true);
  if (result) return result;
  return fail("{}{}; {}", first, result.error().message, user_namespace_advice());
}

int run_in_universe(const std::function<int()>& body, const UniverseOptions& options) {
  auto result = try_in_universe(body, options);
  if (result) return *result;
  fmt::print(stderr, "gameday: {}\n", result.error().message);
  return kToolFailed;
}

Status universe_available(const UniverseOptions& options) {
  auto result = try_in_universe([] { return 0; }, options);
  if (!result) return tl::make_unexpected(result.error());
  return {};
}

bool universe_has_own_proc() {
  // /proc/self is in terms of the PID namespace that /proc was mounted in: proc(5).
  std::array<char, 32> self{};
  if (::readlink("/proc/self", self.data(), self.size() - 1) <= 0) return false;
  return self.data() == std::to_string(::getpid());
}

}  // namespace gameday::lab
