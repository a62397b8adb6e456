#include "sut/http/http_client.h"

#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "sut/http/checksum.h"

namespace gameday::http {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

namespace {

// An answer may hold every job of a long run.
constexpr std::uint64_t kMaxBody = std::uint64_t{1} << 30;

beast::string_view beast_view(std::string_view s) { return {s.data(), s.size()}; }

}  // namespace

struct Client::Impl {
  Impl(const std::string& address, std::uint16_t port, bool check)
      : checked(check),
        endpoint(asio::ip::make_address(address), port),
        host(address + ":" + std::to_string(port)),
        stream(loop) {}

  // Runs one asynchronous operation to its end; the stream's own timer ends it at the deadline.
  template <typename Start>
  beast::error_code await(Clock::time_point deadline, Start start) {
    beast::error_code result = beast::error::timeout;
    stream.expires_at(deadline);
    start([&](beast::error_code error, auto&&...) { result = error; });
    loop.restart();
    loop.run();
    return result;
  }

  // False also when the server has closed its end, which only a look at the socket tells.
  bool connected() {
    if (!open) return false;
    char byte = 0;
    const ssize_t n =
        ::recv(stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  beast::error_code connect(Clock::time_point deadline) {
    close();
    const auto error =
        await(deadline, [&](auto done) { stream.async_connect(endpoint, std::move(done)); });
    if (error) return error;
    beast::error_code ignored;
    stream.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    open = true;
    return {};
  }

  void close() {
    open = false;
    buffer.clear();
    stream.close();
  }

  tl::unexpected<ClientError> failed(bool sent, const std::string& what, beast::error_code error) {
    close();
    const std::string why = error == beast::error::timeout ? "timed out" : error.message();
    return tl::make_unexpected(ClientError{sent, what + ": " + why});
  }

  const bool checked;
  asio::io_context loop{1};
  asio::ip::tcp::endpoint endpoint;
  std::string host;
  beast::tcp_stream stream;
  beast::flat_buffer buffer;
  bool open = false;
};

Client::Client(const std::string& address, std::uint16_t port, bool checked)
    : impl_(std::make_unique<Impl>(address, port, checked)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

tl::expected<ClientResponse, ClientError> Client::call(const ClientRequest& request,
                                                       Clock::time_point deadline) {
  Impl& c = *impl_;
  if (!c.connected())
    if (const auto error = c.connect(deadline)) return c.failed(false, "connect", error);

  bhttp::request<bhttp::string_body> message;
  message.version(11);
  message.method_string(beast_view(request.method));
  const std::string target =
      c.checked ? std::string(kCheckedPrefix) + request.target : request.target;
  message.target(target);
  message.set(bhttp::field::host, c.host);
  for (const auto& [name, value] : request.headers) message.set(name, value);
  std::string checksum;
  if (c.checked) {
    const std::vector<std::pair<std::string_view, std::string_view>> headers(
        request.headers.begin(), request.headers.end());
    checksum = request_checksum(request.method, target, headers, request.body);
    message.set(beast_view(kChecksumHeader), checksum);
  }
  if (!request.body.empty()) message.set(bhttp::field::content_type, "application/json");
  message.body() = request.body;
  message.prepare_payload();
  if (const auto error = c.await(
          deadline, [&](auto done) { bhttp::async_write(c.stream, message, std::move(done)); }))
    return c.failed(true, "send", error);

  bhttp::response_parser<bhttp::string_body> parser;
  parser.body_limit(kMaxBody);
  if (const auto error = c.await(deadline, [&](auto done) {
        bhttp::async_read(c.stream, c.buffer, parser, std::move(done));
      }))
    return c.failed(true, "receive", error);
  if (!parser.keep_alive()) c.close();
  auto answer = parser.release();
  const int status = static_cast<int>(answer.result_int());
  if (c.checked &&
      answer[beast_view(kChecksumHeader)] != beast_view(answer_checksum(checksum, status, answer.body()))) {
    c.close();
    return tl::make_unexpected(ClientError{true, "receive: the answer was damaged on the way"});
  }
  return ClientResponse{status, std::move(answer.body())};
}

}  // namespace gameday::http
