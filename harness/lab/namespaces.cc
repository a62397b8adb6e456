#include "harness/lab/namespaces.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <thread>

namespace gameday::lab {

Result<Fd> current_netns() {
  Fd fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno("cannot open the network namespace");
  return fd;
}

void in_thread(const std::function<void()>& fn) { std::jthread thread(fn); }

Status in_netns(int netns, const std::function<void()>& fn) {
  Status status;
  in_thread([&] {
    if (::setns(netns, CLONE_NEWNET) != 0) {
      status = fail_errno("cannot enter a network namespace");
      return;
    }
    fn();
  });
  return status;
}

Status loopback_up() {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("cannot open a socket");
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    return fail_errno("cannot set the loopback interface up");
  return {};
}

Status write_proc(const char* path, const std::string& text) {
  Fd fd(::open(path, O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail_errno(fmt::format("cannot write {}", path));
  return {};
}

}  // namespace gameday::lab
