// The few requests to the kernel's network configuration that the fabric needs, through
// libnl-route.
#pragma once

#include <memory>
#include <string>

#include "harness/core/error.h"

struct nl_sock;

namespace gameday::lab {

// A socket speaks of the network namespace in which it was connected, from whatever thread.
class Netlink {
 public:
  static Result<Netlink> connect();  // of the calling thread's namespace

  // A pair of virtual Ethernet interfaces: `name` here, `peer` in the other namespace. Both down:
  // neither can be set up before the other exists (veth_open() in the kernel says ENOTCONN).
  Status add_veth(const std::string& name, const std::string& peer, int peer_netns);
  Result<int> index(const std::string& interface);
  Status remove(int interface);  // and the other end of its pair
  Status set_up(int interface);
  Status add_address(int interface, const std::string& address);  // as a /32
  // A route to `destination` ("10.77.0.1/32", "0.0.0.0/0") out of the interface; `gateway` empty:
  // the destination is on the link.
  Status add_route(int interface, const std::string& destination, const std::string& gateway);
  Status set_forwarding(int interface);  // packets that come in there may go on elsewhere

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
  };
  explicit Netlink(nl_sock* socket) : socket_(socket) {}
  std::unique_ptr<nl_sock, Free> socket_;
};

}  // namespace gameday::lab
