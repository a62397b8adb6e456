// Frames to and from the other nodes over TCP. Each node connects to every other one and only
// writes there; what a peer sends comes in over the connection that the peer made. Nothing is
// reliable: Raft copes with loss, and so does what forwards writes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "harness/core/error.h"
#include "sut/search/frame.h"
#include "sut/search/raft/message.h"

namespace gameday::search {

struct Endpoint {
  std::string address;  // an IP address
  std::uint16_t port = 0;
};

// All on the loop's thread, which must outlive the transport.
class Transport {
 public:
  struct Handlers {
    std::function<void(const raft::Message&)> message;
    std::function<void(raft::NodeId from, Forward)> forward;
    std::function<void(raft::NodeId from, ForwardReply)> forward_reply;
  };

  // `peers` with this node itself: its endpoint is the one to listen on.
  Transport(boost::asio::io_context& loop, raft::NodeId id, std::map<raft::NodeId, Endpoint> peers,
            Handlers handlers);
  ~Transport();

  Status start();  // listens, and begins to connect

  // False: there is no connection, or too much is waiting on it, and nothing was or will be sent.
  bool send(raft::NodeId to, FrameKind kind, std::string_view content);

 private:
  class Outgoing;
  class Incoming;

  void accept();
  void handle(raft::NodeId from, const FrameReader::Frame& frame, bool* valid);
  void replace_incoming(raft::NodeId from, const std::shared_ptr<Incoming>& connection);

  boost::asio::io_context& loop_;
  raft::NodeId id_;
  std::map<raft::NodeId, Endpoint> endpoints_;
  Handlers handlers_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::map<raft::NodeId, std::shared_ptr<Outgoing>> outgoing_;
  std::map<raft::NodeId, std::weak_ptr<Incoming>> incoming_;
};

}  // namespace gameday::search
