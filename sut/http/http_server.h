// A small HTTP/1.1 server on an asio loop: keep-alive, pipelined requests (answered in order),
// bounded headers and bodies, Expect: 100-continue. Beast stays in http_server.cc.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/core/error.h"

namespace boost::asio {
class io_context;
}

namespace gameday::http {

// A request as it was received. The views are valid until the handler returns.
struct Request {
  std::string_view method;  // "GET"
  std::string_view path;    // still percent-encoded; see url.h
  std::string_view query;   // without the '?'; still percent-encoded
  std::string_view body;
  std::vector<std::pair<std::string_view, std::string_view>> headers;

  // The first header of that name, whatever its case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string body;
  std::string_view content_type = "application/json";  // a literal
};

// Answers one request; to be called exactly once, on the loop's thread, at any time. A connection
// takes up its next request only then.
using Reply = std::function<void(Response)>;
using Handler = std::function<void(const Request&, Reply)>;

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address
  std::uint16_t port = 0;             // 0: any free one
  std::size_t max_body_bytes = std::size_t{4} << 20;
  std::size_t max_connections = 4096;
  std::chrono::seconds idle_timeout{60};  // also for a request that does not become complete
};

class Server {
 public:
  // The loop must outlive the server, and the handler may be called until the loop has stopped.
  Server(boost::asio::io_context& loop, ServerOptions options, Handler handler);
  ~Server();

  Status listen();             // binds and begins to accept
  std::uint16_t port() const;  // the bound one
  void close();                // accepts no more; open connections stay

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gameday::http
