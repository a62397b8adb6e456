#include "harness/lab/test_sockets.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "harness/lab/fabric.h"

namespace gameday::lab::testing {
namespace {

sockaddr_in name_of(const std::string& address, int port) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, address.c_str(), &result.sin_addr);
  return result;
}

Fd socket_of(const Lab& lab, const std::string& node, int type) {
  Fd fd;
  const auto make = [&] { fd = Fd(::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); };
  if (node == "clients")
    make();
  else
    (void)lab.in_node_network(node, make);
  return fd;
}

Fd bound(Fd fd, const std::string& address, int port) {
  const int yes = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const auto name = name_of(address, port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) fd.reset();
  return fd;
}

bool ready(const Fd& fd, short events, int timeout_ms) {
  pollfd waiting{fd.get(), events, 0};
  return ::poll(&waiting, 1, timeout_ms) > 0;
}

}  // namespace

std::string address_of(const Lab& lab, const std::string& node) {
  return node == "clients" ? kClientsAddress : lab.node(node)->address;
}

Fd udp_socket(const Lab& lab, const std::string& node, int port) {
  Fd fd = bound(socket_of(lab, node, SOCK_DGRAM), address_of(lab, node), port);
  const int size = 1 << 20;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  return fd;
}

Fd tcp_listener(const Lab& lab, const std::string& node, int port) {
  Fd fd = bound(socket_of(lab, node, SOCK_STREAM), address_of(lab, node), port);
  if (fd && ::listen(fd.get(), 64) != 0) fd.reset();
  return fd;
}

Fd tcp_connect(const Lab& lab, const std::string& node, const std::string& to, int port,
               int timeout_ms) {
  Fd fd = socket_of(lab, node, SOCK_STREAM);
  const auto name = name_of(to, port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return fd;
  int error = errno;
  socklen_t size = sizeof error;
  if (error == EINPROGRESS && ready(fd, POLLOUT, timeout_ms))
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) fd.reset();
  return fd;
}

Fd tcp_accept(const Fd& listener, int timeout_ms) {
  if (!ready(listener, POLLIN, timeout_ms)) return {};
  return Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

bool send_to(const Fd& socket, const std::string& address, int port, std::string_view text) {
  const auto name = name_of(address, port);
  return ::sendto(socket.get(), text.data(), text.size(), 0,
                  reinterpret_cast<const sockaddr*>(&name),
                  sizeof name) == static_cast<ssize_t>(text.size());
}

bool send(const Fd& connection, std::string_view text) {
  return ::send(connection.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(text.size());
}

std::optional<std::string> receive(const Fd& socket, int timeout_ms) {
  if (!ready(socket, POLLIN, timeout_ms)) return std::nullopt;
  std::string text(65'536, '\0');
  const ssize_t n = ::recv(socket.get(), text.data(), text.size(), 0);
  if (n < 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(n));
  return text;
}

}  // namespace gameday::lab::testing
