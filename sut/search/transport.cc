#include "sut/search/transport.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstring>
#include <utility>

#include "sut/search/log_line.h"

namespace gameday::search {
namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using namespace std::chrono_literals;

namespace {

// A SYN lost in a partition would be sent again after 1, 2, 4 s; a fresh socket tries sooner.
constexpr auto connect_timeout = 300ms;
constexpr auto reconnect_delay = 50ms;
// Likewise data: without this the first retransmission after a heal may be a minute away.
constexpr int user_timeout_ms = 600;
constexpr std::size_t max_waiting_bytes = std::size_t{32} << 20;

void set_option(tcp::socket& socket, int level, int name, int value) {
  // Best effort: the connection works without.
  (void)::setsockopt(socket.native_handle(), level, name, &value, sizeof(value));
}

void tune(tcp::socket& socket) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
  // Finds connections whose peer vanished without a word; incoming ones never send anything.
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, 1);
}

Result<tcp::endpoint> resolve(const Endpoint& endpoint) {
  error_code error;
  const auto address = asio::ip::make_address(endpoint.address, error);
  if (error) return fail("not an IP address: {}", endpoint.address);
  return tcp::endpoint(address, endpoint.port);
}

}  // namespace

// The connection to one peer: made again and again until the transport goes away.
class Transport::Outgoing : public std::enable_shared_from_this<Outgoing> {
 public:
  Outgoing(asio::io_context& loop, raft::NodeId self, raft::NodeId peer, tcp::endpoint endpoint)
      : socket_(loop), timer_(loop), self_(self), peer_(peer), endpoint_(std::move(endpoint)) {}

  void connect() {
    const auto attempt = ++attempt_;
    error_code ignored;
    socket_.close(ignored);
    socket_.open(endpoint_.protocol(), ignored);
    timer_.expires_after(connect_timeout);
    timer_.async_wait([self = shared_from_this(), attempt](error_code cancelled) {
      if (!cancelled && attempt == self->attempt_) self->fail("timed out");
    });
    socket_.async_connect(endpoint_, [self = shared_from_this(), attempt](error_code error) {
      if (attempt != self->attempt_) return;
      if (error) return self->fail(error.message());
      self->begin();
    });
  }

  bool send(FrameKind kind, std::string_view content) {
    if (!connected_ || waiting_.size() + content.size() > max_waiting_bytes) return false;
    put_frame(waiting_, kind, content);
    write();
    return true;
  }

  void stop() {
    ++attempt_;
    connected_ = false;
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
  }

 private:
  void begin() {
    timer_.cancel();
    tune(socket_);
    connected_ = true;
    log_line("connected to node {}", peer_);
    put_frame(waiting_, FrameKind::hello, encode_hello(self_));
    write();
    watch();
  }

  // Whatever queued up while the last write was under way goes out in one piece.
  void write() {
    if (writing_ || waiting_.empty()) return;
    writing_ = true;
    out_.clear();
    out_.swap(waiting_);
    asio::async_write(
        socket_, asio::buffer(out_),
        [self = shared_from_this(), attempt = attempt_](error_code error, std::size_t) {
          if (attempt != self->attempt_) return;
          self->writing_ = false;
          if (error) return self->fail(error.message());
          self->write();
        });
  }

  // The peer never sends here, so that a completed read means that the connection has ended.
  void watch() {
    socket_.async_read_some(asio::buffer(nothing_), [self = shared_from_this(), attempt = attempt_](
                                                        error_code error, std::size_t) {
      if (attempt != self->attempt_) return;
      self->fail(error ? error.message() : "unexpected data");
    });
  }

  void fail(const std::string& reason) {
    if (connected_) log_line("lost the connection to node {}: {}", peer_, reason);
    const auto attempt = ++attempt_;
    connected_ = false;
    writing_ = false;
    waiting_.clear();
    error_code ignored;
    socket_.close(ignored);
    timer_.expires_after(reconnect_delay);
    timer_.async_wait([self = shared_from_this(), attempt](error_code cancelled) {
      if (!cancelled && attempt == self->attempt_) self->connect();
    });
  }

  tcp::socket socket_;
  asio::steady_timer timer_;
  raft::NodeId self_;
  raft::NodeId peer_;
  tcp::endpoint endpoint_;
  std::uint64_t attempt_ = 0;  // tells the completions of an earlier socket from this one's
  bool connected_ = false;
  bool writing_ = false;
  std::string waiting_;
  std::string out_;
  std::array<char, 1> nothing_{};
};

class Transport::Incoming : public std::enable_shared_from_this<Incoming> {
 public:
  Incoming(tcp::socket socket, Transport& transport)
      : socket_(std::move(socket)), transport_(&transport) {
    tune(socket_);
  }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](error_code error, std::size_t size) {
                              if (error || self->transport_ == nullptr) return;
                              self->frames_.feed({self->buffer_.data(), size});
                              if (self->handle_frames()) return self->read();
                              self->close();
                            });
  }

  void close() {
    transport_ = nullptr;
    error_code ignored;
    socket_.close(ignored);
  }

 private:
  bool handle_frames() {
    while (const auto frame = frames_.next()) {
      bool valid = true;
      if (from_ == 0) {
        const auto id =
            frame->kind == FrameKind::hello ? decode_hello(frame->content) : std::nullopt;
        valid = id && *id != transport_->id_ && transport_->endpoints_.count(*id) != 0;
        if (valid) transport_->replace_incoming(from_ = *id, shared_from_this());
      } else {
        transport_->handle(from_, *frame, &valid);
      }
      if (valid) continue;
      log_line("closing a connection of node {}: malformed frame", from_);
      return false;
    }
    if (frames_.malformed())
      log_line("closing a connection of node {}: what came is damaged or no frame", from_);
    return !frames_.malformed();
  }

  tcp::socket socket_;
  Transport* transport_;  // null once closed
  raft::NodeId from_ = 0;
  FrameReader frames_;
  std::array<char, 65536> buffer_{};
};

Transport::Transport(asio::io_context& loop, raft::NodeId id,
                     std::map<raft::NodeId, Endpoint> peers, Handlers handlers)
    : loop_(loop),
      id_(id),
      endpoints_(std::move(peers)),
      handlers_(std::move(handlers)),
      acceptor_(loop) {}

Transport::~Transport() {
  for (const auto& [id, connection] : outgoing_) connection->stop();
  for (const auto& [id, connection] : incoming_) {
    if (const auto open = connection.lock()) open->close();
  }
}

Status Transport::start() {
  for (const auto& [id, endpoint] : endpoints_) {
    const auto resolved = resolve(endpoint);
    if (!resolved) return tl::make_unexpected(resolved.error());
    if (id != id_) {
      outgoing_[id] = std::make_shared<Outgoing>(loop_, id_, id, *resolved);
      continue;
    }
    error_code error;
    acceptor_.open(resolved->protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(*resolved, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return fail("cannot listen on {}:{}: {}", endpoint.address, endpoint.port, error.message());
    }
  }
  accept();
  for (const auto& [id, connection] : outgoing_) connection->connect();
  return {};
}

bool Transport::send(raft::NodeId to, FrameKind kind, std::string_view content) {
  const auto found = outgoing_.find(to);
  return found != outgoing_.end() && found->second->send(kind, content);
}

void Transport::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (error == asio::error::operation_aborted) return;  // *this may be gone
    if (!error) std::make_shared<Incoming>(std::move(socket), *this)->read();
    accept();
  });
}

// A peer that connects anew has given up its old connection, whatever TCP still thinks of it.
void Transport::replace_incoming(raft::NodeId from, const std::shared_ptr<Incoming>& connection) {
  if (const auto old = incoming_[from].lock()) old->close();
  incoming_[from] = connection;
}

void Transport::handle(raft::NodeId from, const FrameReader::Frame& frame, bool* valid) {
  switch (frame.kind) {
    case FrameKind::hello:
      break;  // only once
    case FrameKind::raft:
      if (const auto message = raft::decode(frame.content); message && message->from == from) {
        return handlers_.message(*message);
      }
      break;
    case FrameKind::forward:
      if (auto forward = decode_forward(frame.content)) {
        return handlers_.forward(from, *std::move(forward));
      }
      break;
    case FrameKind::forward_reply:
      if (auto reply = decode_forward_reply(frame.content)) {
        return handlers_.forward_reply(from, *std::move(reply));
      }
      break;
  }
  *valid = false;
}

}  // namespace gameday::search
