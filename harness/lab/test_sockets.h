// Sockets in the networks of a lab's nodes, for tests and benches: a socket stays in the network in
// which it was made, so that one thread can be on both ends of a cable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/lab/fd.h"
#include "harness/lab/lab.h"

namespace gameday::lab::testing {

// How long to wait for what must come, however busy the machine is.
inline constexpr int kPatienceMs = 10'000;

// Of a node, or of "clients". Invalid: it could not be made, connected or accepted in time.
Fd udp_socket(const Lab& lab, const std::string& node, int port = 0);
Fd tcp_listener(const Lab& lab, const std::string& node, int port);
Fd tcp_connect(const Lab& lab, const std::string& node, const std::string& to, int port,
               int timeout_ms = kPatienceMs);
Fd tcp_accept(const Fd& listener, int timeout_ms = kPatienceMs);

std::string address_of(const Lab& lab, const std::string& node);
bool send_to(const Fd& socket, const std::string& address, int port, std::string_view text);
bool send(const Fd& connection, std::string_view text);
// What arrives next: a datagram, or what a connection has. nullopt: nothing in time.
std::optional<std::string> receive(const Fd& socket, int timeout_ms = kPatienceMs);

}  // namespace gameday::lab::testing
