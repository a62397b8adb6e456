// The controller's side of a FUSE disk: a process that serves it, and a socket to tell it to lose
// power. The process is not a thread of ours because a thread that waits for the disk in the kernel
// could then never be killed: the connection ends with the last holder of its descriptor, which
// would be the waiting process itself.
#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "harness/lab/disk_backend.h"
#include "harness/lab/fd.h"
#include "harness/lab/fuse_server.h"
#include "harness/lab/spawn.h"
#include "harness/lab/syscall_supervisor.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;

constexpr int kAnswerTimeoutMs = 20'000;

class FuseDisk final : public Disk {
 public:
  FuseDisk(fs::path directory, std::unique_ptr<Child> server, Fd socket)
      : Disk(std::move(directory)), server_(std::move(server)), socket_(std::move(socket)) {}
  ~FuseDisk() override {
    // First the server: with it the connection ends, and nothing can wait for an answer any more.
    server_.reset();
    ::umount2(directory().c_str(), MNT_DETACH);
  }

  std::string_view backend() const override { return "fuse"; }

  void sync_calls(SyscallTable& table) override {
    if (!syscalls_available()) return;
    const auto sync_all = [this] {  // should it fail, the next power loss will say so
      if (hand_over()) (void)request({{"do", "sync"}});
    };
    table.precede(SYS_sync, [sync_all](const HeldCall&) { sync_all(); });
    table.precede(SYS_syncfs, [sync_all, inside = fs::weakly_canonical(directory()).string()](
                                  const HeldCall& call) {
      const auto path = call.path_of(call.int_argument(0));
      if (path && (*path == inside || path->starts_with(inside + "/"))) sync_all();
    });
  }

  Result<Json> request(const Json& message) {
    const std::lock_guard lock(mutex_);
    const std::string text = message.dump();
    if (::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0)
      return fail_errno("the server of a FUSE disk is gone");
    pollfd poll_fd{socket_.get(), POLLIN, 0};
    std::string answer(std::size_t{64} << 10, '\0');
    const int ready = ::poll(&poll_fd, 1, kAnswerTimeoutMs);
    const ssize_t n = ready > 0 ? ::recv(socket_.get(), answer.data(), answer.size(), 0) : 0;
    if (n <= 0) return fail("the server of a FUSE disk does not answer");
    answer.resize(static_cast<std::size_t>(n));
    Json json = Json::parse(answer, nullptr, false);
    if (json.contains("error"))
      return fail("{}: {}", directory().string(), json["error"].get<std::string>());
    return json;
  }

 protected:
  Result<Json> cut(const std::optional<Tear>& tear) override {
    Json message = {{"do", "power-loss"}};
    if (tear) {
      // What only the kernel's cache knows could not be torn.
      if (auto status = hand_over(); !status) return tl::make_unexpected(status.error());
      message["seed"] = tear->seed;
      message["sector"] = tear->sector;
    }
    auto answer = request(message);
    if (!answer) return tl::make_unexpected(answer.error());
    return answer->contains("torn") ? (*answer)["torn"] : Json();
  }

 private:
  // What is in the kernel's cache, to the server; which syncs nothing.
  Status hand_over() const {
    const Fd fd(::open(directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd && ::syncfs(fd.get()) == 0) return {};
    return fail_errno(fmt::format("cannot flush {}", directory().string()));
  }

  std::unique_ptr<Child> server_;
  const Fd socket_;
  std::mutex mutex_;  // one request at a time
};

}  // namespace

Status fuse_available() {
  const Fd fd(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (fd) return {};
  const int error = errno;
  if (error == EACCES || error == EPERM)
    return fail("a FUSE disk needs /dev/fuse, which you may not open (sudo chmod 666 /dev/fuse)");
  return fail("a FUSE disk needs /dev/fuse: {} (sudo modprobe fuse)", std::strerror(error));
}

Result<std::unique_ptr<Disk>> create_fuse_disk(const Disk::Options& options) {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
    return fail_errno("cannot make a socket pair");
  Fd ours(fds[0]), theirs(fds[1]);
  auto server = spawn_helper({kDiskCommand, options.directory.string()}, theirs, kDiskSocket);
  if (!server) return tl::make_unexpected(server.error());
  theirs.reset();
  auto disk = std::make_unique<FuseDisk>(options.directory, std::move(*server), std::move(ours));
  auto mounted = disk->request(
      {{"do", "mount"}, {"directory", options.directory.string()}, {"bytes", options.bytes}});
  if (!mounted) return tl::make_unexpected(mounted.error());
  return disk;
}

}  // namespace gameday::lab
