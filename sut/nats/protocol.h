// NATS' client protocol: lines of text, and JetStream as requests over it
// (https://docs.nats.io/reference/reference-protocols/nats-protocol, nats_api_reference).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sut/connection.h"

namespace gameday::nats {

inline constexpr std::uint16_t kPort = 4222;
inline constexpr const char* kStream = "gd";

// "MSG subject sid [reply] size", "HMSG subject sid [reply] size-of-headers size"; an Error:
// another.
struct Announced {
  std::string subject, reply;
  std::size_t headers = 0, size = 0;  // bytes; of both
};
Result<Announced> parse_announcement(std::string_view line);

struct Message {
  std::string subject, reply, headers, body;
  int status() const;  // of the headers, 0: none; 503: nobody listens to what was asked
};

struct Request {
  std::string subject, body, headers = {};
};

struct Answers {
  std::string error;         // not empty: not all were answered
  bool sent = false;         // a server may have got them
  std::vector<Message> all;  // one for each
  bool ok() const { return error.empty(); }
};

// Connects when it is needed, and again after an error: with another inbox, so that what is
// answered too late is nobody's.
class Connection {
 public:
  explicit Connection(std::string address) : address_(std::move(address)) {}
  // All in one go; each is answered once. What a consumer hands out answers who pulled first.
  Answers call(const std::vector<Request>& requests, Deadline deadline);

 private:
  Status open(Deadline deadline);
  Result<Message> next(Deadline deadline);

  std::string address_, inbox_;
  sut::Connection tcp_;
  std::size_t count_ = 0;  // requests of this connection
};

// The state of the stream, as its leader knows it; null: there is no such stream.
Result<Json> stream_state(Connection& server, Deadline deadline);

// "2026-11-26T08:21:48.115363936Z" in nanoseconds.
std::optional<std::int64_t> parse_time(const std::string& text);

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options);

}  // namespace gameday::nats
