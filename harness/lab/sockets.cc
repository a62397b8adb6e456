#include "harness/lab/sockets.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <vector>

#include "harness/lab/fd.h"

namespace gameday::lab {
namespace {

// Connections that have an other end which may still send.
constexpr std::uint32_t kOpen = 1U << TCP_ESTABLISHED | 1U << TCP_SYN_SENT | 1U << TCP_SYN_RECV |
                                1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSE_WAIT;

struct Request {
  nlmsghdr header{};
  inet_diag_req_v2 body{};
};

Request request(std::uint16_t type, std::uint16_t flags, std::uint8_t family) {
  Request result;
  result.header = {sizeof(Request), type, static_cast<std::uint16_t>(NLM_F_REQUEST | flags), 1, 0};
  result.body.sdiag_family = family;
  result.body.sdiag_protocol = IPPROTO_TCP;
  result.body.idiag_states = kOpen;
  return result;
}

// Calls `each` for the messages of the answer; the errno that it ends with, 0: none.
int talk(const Fd& socket, const Request& request,
         const std::function<void(const inet_diag_msg&)>& each) {
  if (::send(socket.get(), &request, sizeof request, 0) < 0) return errno;
  alignas(nlmsghdr) std::array<char, 32768> buffer;
  for (;;) {
    const ssize_t n = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    auto left = static_cast<unsigned>(n);
    for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
      if (message->nlmsg_type == NLMSG_DONE) return 0;
      if (message->nlmsg_type == NLMSG_ERROR)
        return -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
      each(*static_cast<const inet_diag_msg*>(NLMSG_DATA(message)));
    }
  }
}

// As IPv4: runtimes like the JVM and Go hold IPv4 connections in IPv6 sockets (::ffff:10.77.0.1).
std::string address_of(const inet_diag_msg& message, const std::uint32_t (&words)[4]) {
  std::array<char, INET_ADDRSTRLEN> text{};
  const bool mapped = words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
  if (message.idiag_family == AF_INET6 && !mapped) return {};
  ::inet_ntop(AF_INET, &words[message.idiag_family == AF_INET6 ? 3 : 0], text.data(), text.size());
  return text.data();
}

Result<Fd> connect() {
  Fd socket(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!socket) return fail_errno("cannot ask the kernel for connections (sock_diag)");
  return socket;
}

}  // namespace

Result<std::set<std::string>> reset_connections(
    const std::set<std::pair<std::string, std::string>>& pairs) {
  auto socket = connect();
  if (!socket) return tl::make_unexpected(socket.error());
  std::vector<inet_diag_msg> found;
  for (const std::uint8_t family : {std::uint8_t{AF_INET}, std::uint8_t{AF_INET6}}) {
    const int error = talk(*socket, request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family),
                           [&](const inet_diag_msg& message) {
                             if (pairs.contains({address_of(message, message.id.idiag_src),
                                                 address_of(message, message.id.idiag_dst)}))
                               found.push_back(message);
                           });
    if (error != 0 && family == AF_INET)
      return fail("cannot list connections (sock_diag): {}", std::strerror(error));
  }
  std::set<std::string> result;
  for (const auto& message : found) {
    Request destroy = request(SOCK_DESTROY, NLM_F_ACK, message.idiag_family);
    destroy.body.id = message.id;
    const int error = talk(*socket, destroy, [](const inet_diag_msg&) {});
    if (error == ENOENT) continue;  // it has ended by itself
    if (error != 0) return fail("cannot reset a connection (SOCK_DESTROY): {}", std::strerror(error));
    std::string a = fmt::format("{}:{}", address_of(message, message.id.idiag_src),
                                ntohs(message.id.idiag_sport));
    std::string b = fmt::format("{}:{}", address_of(message, message.id.idiag_dst),
                                ntohs(message.id.idiag_dport));
    if (b < a) std::swap(a, b);
    result.insert(a + "-" + b);
  }
  return result;
}

Status reset_available() {
  auto socket = connect();
  if (!socket) return tl::make_unexpected(socket.error());
  // Of a connection that does not exist; a kernel that could says so.
  Request destroy = request(SOCK_DESTROY, NLM_F_ACK, AF_INET);
  destroy.body.id.idiag_cookie[0] = destroy.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  const int error = talk(*socket, destroy, [](const inet_diag_msg&) {});
  if (error == 0 || error == ENOENT) return {};
  return fail("the kernel cannot reset connections: {} (it needs CONFIG_INET_DIAG_DESTROY)",
              std::strerror(error));
}

}  // namespace gameday::lab
