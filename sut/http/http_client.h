// A small blocking HTTP/1.1 client: one kept-alive connection, a deadline on every call.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace gameday::http {

struct ClientResponse {
  int status = 0;
  std::string body;
};

struct ClientError {
  bool sent = false;  // the request may have reached the server: its effect is unknown
  std::string message;
};

struct ClientRequest {
  std::string_view method = "GET";
  std::string target = "/";  // path and query, percent-encoded
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

class Client {
 public:
  using Clock = std::chrono::steady_clock;

  // checked: every request and answer is checked from end to end (checksum.h). An answer that was
  // damaged is an error, sent true.
  Client(const std::string& address, std::uint16_t port, bool checked = false);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // Connects if need be, sends and waits for the answer, all by the deadline. A connection that the
  // server has closed in the meantime is replaced before anything is sent. After an error the
  // connection is closed; the next call opens a new one.
  tl::expected<ClientResponse, ClientError> call(const ClientRequest& request,
                                                 Clock::time_point deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gameday::http
