#include "harness/lab/enter.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "harness/lab/fd.h"

namespace gameday::lab {
namespace {

constexpr int kNoSuchCommand = 127;

// The namespaces of the node's server, in the order in which they are entered.
Result<std::vector<Fd>> namespaces_of(const Lab& lab, const std::string& node) {
  std::vector<Fd> result;
  const auto pids = lab.pids(node);
  if (pids.empty()) return result;
  for (const char* kind : {"ipc", "uts", "net", "pid", "mnt"}) {
    Fd fd(::open(fmt::format("/proc/{}/ns/{}", pids.front(), kind).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(fmt::format("cannot look into {}", node));
    result.push_back(std::move(fd));
  }
  return result;
}

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return exit_code_of(status);
}

// What the child does until exec: only calls that are safe after the fork of a program with threads.
struct Command {
  std::vector<char*> argv;
  std::vector<int> namespaces;
  const char* directory;  // nullptr: where we are
  bool terminal;

  [[noreturn]] void run() const {
    for (const int fd : namespaces)
      if (::setns(fd, 0) != 0) {
        ::perror("gameday: cannot enter the node");
        ::_exit(kNoSuchCommand);
      }
    // A PID namespace is that of children only: setns(2).
    const pid_t pid = namespaces.empty() ? 0 : ::fork();
    if (pid != 0) ::_exit(pid > 0 ? wait_for(pid) : kNoSuchCommand);
    if (terminal) {
      ::setpgid(0, 0);
      ::tcsetpgrp(STDIN_FILENO, ::getpgrp());  // SIGTTOU is ignored yet
    } else {
      const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (null >= 0) ::dup2(null, STDIN_FILENO);
    }
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    // Nobody could wake it again: the prompt has no jobs. An interactive shell sees to its own.
    ::signal(SIGTSTP, SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (directory != nullptr && ::chdir(directory) != 0) ::perror("gameday: cannot enter the data directory");
    ::execvp(argv[0], argv.data());
    ::perror(argv[0]);
    ::_exit(kNoSuchCommand);
  }
};

Result<int> run(const Command& command) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot start a command");
  if (pid == 0) command.run();
  const int code = wait_for(pid);
  if (command.terminal) ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  return code;
}

}  // namespace

Result<int> run_inside(const Lab& lab, const std::string& node, const std::vector<std::string>& argv) {
  Command command{{}, {}, nullptr, ::isatty(STDIN_FILENO) == 1};
  for (const auto& argument : argv) command.argv.push_back(const_cast<char*>(argument.c_str()));
  command.argv.push_back(nullptr);
  if (node.empty()) return run(command);
  const auto found = lab.node(node);
  if (!found) return tl::make_unexpected(found.error());
  const auto namespaces = namespaces_of(lab, node);
  if (!namespaces) return tl::make_unexpected(namespaces.error());
  const std::string directory = found->data.string();
  for (const auto& fd : *namespaces) command.namespaces.push_back(fd.get());
  if (!namespaces->empty()) {
    command.directory = directory.c_str();
    return run(command);
  }
  Result<int> code = 0;
  if (auto status = lab.in_node_network(node, [&] { code = run(command); }); !status)
    return tl::make_unexpected(status.error());
  return code;
}

}  // namespace gameday::lab
