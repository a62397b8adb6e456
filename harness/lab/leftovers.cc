#include "harness/lab/leftovers.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace gameday::lab {
namespace {

constexpr auto kPatience = std::chrono::seconds(30);  // for processes which are still dying

int paths_fd = -1;  // inherited by everything in the universe that does not exec

std::string read_to_end(int fd) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

[[noreturn]] void remove_all(int paths, int done) {
  ::setsid();
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_IGN);  // Ctrl-C is not for us
  // Neither the terminal nor what the caller has open may be held.
  if (::dup2(paths, 0) < 0 || ::dup2(done, 1) < 0) ::_exit(1);
  ::syscall(SYS_close_range, 2, ~0U, 0);
  if (::chdir("/") != 0) ::_exit(1);
  std::vector<std::string> left;
  std::istringstream lines(read_to_end(0));
  for (std::string path; std::getline(lines, path);) left.push_back(path);
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  for (;;) {
    std::erase_if(left, [](const std::string& path) {
      return ::rmdir(path.c_str()) == 0 || errno != EBUSY;
    });
    if (left.empty() || std::chrono::steady_clock::now() > deadline) ::_exit(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

Result<Leftovers> Leftovers::watch() {
  int paths[2], done[2];
  if (::pipe2(paths, O_CLOEXEC) != 0 || ::pipe2(done, O_CLOEXEC) != 0)
    return fail_errno("cannot make a pipe");
  Fd read_paths(paths[0]), write_paths(paths[1]), read_done(done[0]), write_done(done[1]);
  // Twice, so that it is nobody's child whom nobody expects.
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno("cannot fork");
  if (pid == 0) {
    if (::fork() != 0) ::_exit(0);
    remove_all(read_paths.get(), write_done.get());
  }
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  paths_fd = write_paths.get();
  return Leftovers(std::move(write_paths), std::move(read_done));
}

Leftovers::~Leftovers() {
  if (!paths_) return;
  paths_fd = -1;
  paths_.reset();
  read_to_end(done_.get());
}

Status remove_with_universe(const std::filesystem::path& cgroup) {
  const std::string line = cgroup.string() + "\n";
  if (paths_fd < 0 || line.size() > PIPE_BUF) return fail("nobody would remove {}", cgroup.string());
  if (::write(paths_fd, line.data(), line.size()) < 0)
    return fail_errno("nobody will remove " + cgroup.string());
  return {};
}

}  // namespace gameday::lab
