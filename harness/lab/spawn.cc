#include "harness/lab/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/process/args.hpp>
#include <boost/process/child.hpp>
#include <boost/process/env.hpp>
#include <boost/process/environment.hpp>
#include <boost/process/exe.hpp>
#include <boost/process/posix.hpp>
#include <cstdlib>
#include <filesystem>

#include "harness/lab/namespaces.h"

namespace gameday::lab {
namespace {

namespace bp = boost::process;

// Files instead of pipes: a tool that writes before it has read its input cannot block us.
Fd scratch_file(const std::string& content) {
  Fd fd(::memfd_create("gameday", MFD_CLOEXEC));
  if (fd && ::write(fd.get(), content.data(), content.size()) < 0) fd.reset();
  if (fd) ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

std::string content_of(const Fd& fd) {
  std::string text(static_cast<std::size_t>(std::max<off_t>(::lseek(fd.get(), 0, SEEK_END), 0)),
                   '\0');
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  return text;
}

class BoostChild : public Child {
 public:
  explicit BoostChild(bp::child child)
      : child_(std::move(child)),
        pidfd_(static_cast<int>(::syscall(SYS_pidfd_open, child_.id(), 0))) {}
  ~BoostChild() override {
    kill();
    wait();
  }

  pid_t pid() const override { return child_.id(); }
  void kill() override {
    if (pidfd_)
      ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
    else if (!waited_)
      ::kill(child_.id(), SIGKILL);  // a kernel before 5.3; not yet waited for, so still its pid
  }
  void wait() override {
    std::error_code ignored;
    if (!std::exchange(waited_, true)) child_.wait(ignored);
  }

 private:
  bp::child child_;
  Fd pidfd_;
  bool waited_ = false;
};

}  // namespace

Result<ToolResult> run_tool(const std::vector<std::string>& argv, const std::string& input,
                            int netns, const std::map<std::string, std::string>& environment) {
  const Fd in = scratch_file(input), out = scratch_file(""), err = scratch_file("");
  if (!in || !out || !err) return fail_errno("cannot make a scratch file");
  bp::environment env;
  for (const auto& [key, value] : environment) env[key] = value;
  ToolResult result;
  std::error_code error;
  auto status = in_netns(netns, [&] {
    bp::child child(bp::exe = argv[0],
                    bp::args = std::vector<std::string>(argv.begin() + 1, argv.end()), env,
                    bp::posix::fd.bind(0, in.get()), bp::posix::fd.bind(1, out.get()),
                    bp::posix::fd.bind(2, err.get()), error);
    if (error) return;
    child.wait(error);
    result.exit = child.exit_code();
  });
  if (!status) return tl::make_unexpected(status.error());
  if (error) return fail("cannot run {}: {}", argv[0], error.message());
  result.out = content_of(out);
  result.err = content_of(err);
  return result;
}

std::string find_tool(const std::vector<std::string>& names) {
  const char* path = std::getenv("PATH");
  const std::string folders =
      std::string(path ? path : "/usr/bin") + ":/usr/local/sbin:/usr/sbin:/sbin";
  for (const auto& name : names)
    for (std::size_t from = 0, to = 0; to != std::string::npos; from = to + 1) {
      to = folders.find(':', from);
      const auto file =
          std::filesystem::path(folders.substr(from, to == std::string::npos ? to : to - from)) /
          name;
      if (file.is_absolute() && ::access(file.c_str(), X_OK) == 0) return file.string();
    }
  return {};
}

Result<std::unique_ptr<Child>> spawn_self(const std::vector<std::string>& arguments, int netns,
                                          const Fd& socket, int as) {
  std::unique_ptr<Child> child;
  Status status;
  std::error_code error;
  in_thread([&] {
    // CLONE_FS first: a thread that shares its root with others may not change the mount
    // namespace, setns(2). CLONE_NEWPID is about children only, unshare(2).
    if (::unshare(CLONE_FS | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC) != 0 ||
        ::setns(netns, CLONE_NEWNET) != 0) {
      status = fail_errno("cannot make a node's namespaces");
      return;
    }
    bp::child process(bp::exe = "/proc/self/exe", bp::args = arguments,
                      bp::posix::fd.bind(as, socket.get()), error);
    if (!error) child = std::make_unique<BoostChild>(std::move(process));
  });
  if (!status) return tl::make_unexpected(status.error());
  if (error) return fail("cannot start a node's init: {}", error.message());
  return child;
}

Result<std::unique_ptr<Child>> spawn_helper(const std::vector<std::string>& arguments,
                                            const Fd& socket, int as) {
  std::error_code error;
  bp::child process(bp::exe = "/proc/self/exe", bp::args = arguments,
                    bp::posix::fd.bind(as, socket.get()), error);
  if (error) return fail("cannot start {}: {}", arguments.at(0), error.message());
  return std::make_unique<BoostChild>(std::move(process));
}

}  // namespace gameday::lab
