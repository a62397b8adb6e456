// Redis' protocol, RESP 2 (https://redis.io/docs/reference/protocol-spec/).
#pragma once

#include <string>
#include <vector>

#include "sut/connection.h"

namespace gameday::redis {

inline constexpr std::uint16_t kPort = 6379;
inline constexpr std::uint16_t kSentinelPort = 26379;

using Command = std::vector<std::string>;

// A reply as JSON: a text, a number, an array, null; an error is {"error": "READONLY ..."}.
struct Reply {
  bool sent = false;  // the command may have been carried out
  Json value;
  std::string error;  // of the connection, or the server's

  bool ok() const { return error.empty(); }
};

class Connection {
 public:
  Connection(std::string address, std::uint16_t port) : address_(std::move(address)), port_(port) {}
  // Sends them all at once, connecting if need be: the reply of the last. An error of any is its
  // error.
  Reply call(const std::vector<Command>& commands, Deadline deadline);

 private:
  std::string address_;
  std::uint16_t port_;
  sut::Connection tcp_;
};

// "role:master\r\n..." as a map.
std::map<std::string, std::string> parse_info(const std::string& text);

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options);

}  // namespace gameday::redis
