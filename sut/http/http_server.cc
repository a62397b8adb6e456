#include "sut/http/http_server.h"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <iterator>
#include <optional>

#include "sut/http/checksum.h"

namespace gameday::http {
namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (beast::iequals({key.data(), key.size()}, {name.data(), name.size()})) return value;
  }
  return {};
}

struct Server::Impl : std::enable_shared_from_this<Server::Impl> {
  Impl(asio::io_context& io, ServerOptions opts, Handler on_request)
      : loop(io), options(std::move(opts)), handler(std::move(on_request)), acceptor(io) {}

  void accept();

  asio::io_context& loop;
  ServerOptions options;
  Handler handler;
  tcp::acceptor acceptor;
  std::size_t connections = 0;
};

namespace {

std::string_view std_view(beast::string_view text) { return {text.data(), text.size()}; }

std::string error_body(int status, std::string_view message) {
  return fmt::format(R"({{"status":{},"message":"{}","mayHaveHappened":false}})", status, message);
}

}  // namespace

// One connection: reads a request, hands it out, writes the answer, and again.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, ServerOptions options, Handler handler, std::function<void()> on_end)
      : stream_(std::move(socket)),
        options_(std::move(options)),
        handler_(std::move(handler)),
        on_end_(std::move(on_end)) {}
  ~Session() { on_end_(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void read() {
    parser_.emplace();
    parser_->body_limit(options_.max_body_bytes);
    parser_->header_limit(16 * 1024);
    stream_.expires_after(options_.idle_timeout);
    beast::http::async_read_header(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->on_header(error); });
  }

 private:
  void on_header(error_code error) {
    if (error || parser_->is_done()) return handle(error);
    if (expects_continue()) return write_continue();
    read_body();
  }

  // The client waits for a word before it sends the body. A Content-Length over the limit does not
  // come so far: it is an error of the header. HTTP/1.0 knows no interim answers.
  bool expects_continue() const {
    const auto& message = parser_->get();
    return message.version() >= 11 &&
           beast::iequals(message[beast::http::field::expect], "100-continue");
  }

  void write_continue() {
    static constexpr std::string_view answer = "HTTP/1.1 100 Continue\r\n\r\n";
    asio::async_write(stream_, asio::buffer(answer),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (!error) self->read_body();
                      });
  }

  // Goes on with what the buffer holds already.
  void read_body() {
    beast::http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](error_code error, std::size_t) { self->handle(error); });
  }

  void handle(error_code error) {
    if (error) return refuse(error);
    stream_.expires_never();  // the handler has deadlines of its own
    const auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    http_10_ = message.version() < 11;
    head_only_ = message.method() == beast::http::verb::head;
    Request request;
    request.method = std_view(message.method_string());
    std::string_view target = std_view(message.target());
    for (const auto& field : message) {
      request.headers.emplace_back(std_view(field.name_string()), std_view(field.value()));
    }
    request.body = message.body();
    checksum_ = request.header(kChecksumHeader);
    const bool demanded = target.starts_with(kCheckedPrefix);
    if ((demanded || !checksum_.empty()) &&
        checksum_ != request_checksum(request.method, target, request.headers, request.body)) {
      keep_alive_ = false;  // where the next request begins is not known either
      return write({.status = 400, .body = error_body(400, "damaged: X-Checksum does not fit")});
    }
    if (demanded) target.remove_prefix(kCheckedPrefix.size());
    const std::size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (question != std::string_view::npos) request.query = target.substr(question + 1);
    handler_(request, [self = shared_from_this()](Response response) { self->write(response); });
  }

  void refuse(error_code error) {
    using Reason = beast::http::error;
    // Of a connection that ended or stayed idle there is nobody to tell.
    if (error.category() != make_error_code(Reason::end_of_stream).category()) return;
    if (error == Reason::end_of_stream || error == Reason::partial_message) return;
    const int status = error == Reason::body_limit     ? 413
                       : error == Reason::header_limit ? 431
                                                       : 400;
    keep_alive_ = false;
    head_only_ = false;  // that was the request before
    checksum_.clear();
    write({.status = status, .body = error_body(status, error.message())});
  }

  void write(const Response& response) {
    out_.clear();
    const auto reason =
        beast::http::obsolete_reason(static_cast<beast::http::status>(response.status));
    fmt::format_to(std::back_inserter(out_),
                   "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}{}\r\n",
                   response.status, std_view(reason), response.content_type, response.body.size(),
                   !keep_alive_ ? "Connection: close\r\n"
                   : http_10_   ? "Connection: keep-alive\r\n"
                                : "",
                   checksum_header(response));
    if (!head_only_) out_ += response.body;
    stream_.expires_after(options_.idle_timeout);
    asio::async_write(stream_, asio::buffer(out_),
                      [self = shared_from_this()](error_code error, std::size_t) {
                        if (error) return;
                        if (self->keep_alive_) return self->read();
                        error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  std::string checksum_header(const Response& response) const {
    if (checksum_.empty()) return {};
    return fmt::format("{}: {}\r\n", kChecksumHeader,
                       answer_checksum(checksum_, response.status, response.body));
  }

  beast::tcp_stream stream_;
  ServerOptions options_;
  Handler handler_;
  std::function<void()> on_end_;
  beast::flat_buffer buffer_;
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  std::string out_;
  std::string checksum_;  // the request's; empty: none
  bool keep_alive_ = true;
  bool http_10_ = false;
  bool head_only_ = false;
};

void Server::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
    if (!self->acceptor.is_open()) return;
    // Over the limit: closed at once, so that the client sees it and goes elsewhere.
    if (!error && self->connections < self->options.max_connections) {
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      ++self->connections;
      std::make_shared<Session>(std::move(socket), self->options, self->handler, [self] {
        --self->connections;
      })->read();
    }
    self->accept();
  });
}

Server::Server(asio::io_context& loop, ServerOptions options, Handler handler)
    : impl_(std::make_shared<Impl>(loop, std::move(options), std::move(handler))) {}

Server::~Server() { close(); }

Status Server::listen() {
  error_code error;
  const auto& options = impl_->options;
  auto& acceptor = impl_->acceptor;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) return fail("not an IP address: {}", options.address);
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error)
    return fail("cannot listen on {}:{}: {}", options.address, options.port, error.message());
  impl_->accept();
  return {};
}

std::uint16_t Server::port() const {
  error_code ignored;
  return impl_->acceptor.local_endpoint(ignored).port();
}

void Server::close() {
  error_code ignored;
  impl_->acceptor.close(ignored);
}

}  // namespace gameday::http
