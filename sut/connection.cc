#include "sut/connection.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace gameday::sut {

using Clock = std::chrono::steady_clock;

Connection::Connection(Connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(buffer_, other.buffer_);
  return *this;
}

Connection::~Connection() { close(); }

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
  buffer_.clear();
}

Status Connection::wait(short events, Deadline deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{fd_, events, 0};
    const int ready = left <= 0 ? 0 : ::poll(&waiting, 1, static_cast<int>(left));
    if (ready > 0) return {};
    if (ready < 0 && errno == EINTR) continue;
    return fail("no answer in time");
  }
}

Status Connection::open(const std::string& address, std::uint16_t port, Deadline deadline) {
  close();
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return fail_errno("cannot make a socket");
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &name.sin_addr);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int error = 0;
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    error = errno;
    if (error == EINPROGRESS) {
      if (auto ready = wait(POLLOUT, deadline); !ready) {
        close();
        return fail("cannot connect to {}:{} in time", address, port);
      }
      socklen_t size = sizeof error;
      ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    }
  }
  if (error == 0) return {};
  close();
  return fail("cannot connect to {}:{}: {}", address, port, std::strerror(error));
}

Status Connection::write(std::string_view bytes, Deadline deadline) {
  if (fd_ < 0) return fail("not connected");
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (errno == EAGAIN) {
      if (auto ready = wait(POLLOUT, deadline); !ready) return close(), ready;
    } else if (errno != EINTR) {
      const auto failed = fail_errno("cannot send");
      close();
      return failed;
    }
  }
  return {};
}

Status Connection::receive(Deadline deadline) {
  if (fd_ < 0) return fail("not connected");
  std::array<char, 65'536> bytes;
  for (;;) {
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n > 0) {
      buffer_.append(bytes.data(), static_cast<std::size_t>(n));
      return {};
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      if (auto ready = wait(POLLIN, deadline); !ready) return close(), ready;
      continue;
    }
    const Status failed =
        n == 0 ? fail("the server closed the connection") : fail_errno("cannot receive");
    close();
    return failed;
  }
}

Result<std::string> Connection::read_line(Deadline deadline, std::string_view end) {
  for (std::size_t from = 0;;) {
    const auto at = buffer_.find(end, from);
    if (at != std::string::npos) {
      std::string line = buffer_.substr(0, at);
      buffer_.erase(0, at + end.size());
      return line;
    }
    from = buffer_.size() < end.size() ? 0 : buffer_.size() - end.size() + 1;
    if (auto received = receive(deadline); !received) return tl::make_unexpected(received.error());
  }
}

Result<std::string> Connection::read(std::size_t bytes, Deadline deadline) {
  while (buffer_.size() < bytes)
    if (auto received = receive(deadline); !received) return tl::make_unexpected(received.error());
  std::string result = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  return result;
}

Result<std::string> Connection::read_some(Deadline deadline) {
  if (buffer_.empty())
    if (auto received = receive(deadline); !received) return tl::make_unexpected(received.error());
  return std::exchange(buffer_, {});
}

}  // namespace gameday::sut
