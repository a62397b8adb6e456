#include "harness/lab/netlink.h"

#include <linux/ip.h>
#include <net/if.h>
#include <netlink/addr.h>
#include <netlink/errno.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

namespace gameday::lab {
namespace {

struct Deleter {
  void operator()(rtnl_link* link) const { rtnl_link_put(link); }
  void operator()(rtnl_addr* address) const { rtnl_addr_put(address); }
  void operator()(rtnl_route* route) const { rtnl_route_put(route); }
  void operator()(nl_addr* address) const { nl_addr_put(address); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

tl::unexpected<Error> fail_nl(const std::string& what, int error) {
  return fail("{}: {}", what, nl_geterror(error));
}

Owned<nl_addr> parse_address(const std::string& text) {
  nl_addr* address = nullptr;
  if (nl_addr_parse(text.c_str(), AF_INET, &address) < 0) return nullptr;
  return Owned<nl_addr>(address);
}

}  // namespace

void Netlink::Free::operator()(nl_sock* socket) const { nl_socket_free(socket); }

Result<Netlink> Netlink::connect() {
  Netlink result(nl_socket_alloc());
  if (!result.socket_) return fail("cannot allocate a netlink socket");
  if (const int error = nl_connect(result.socket_.get(), NETLINK_ROUTE); error < 0)
    return fail_nl("cannot connect a netlink socket", error);
  return result;
}

Status Netlink::add_veth(const std::string& name, const std::string& peer, int peer_netns) {
  Owned<rtnl_link> link(rtnl_link_veth_alloc());
  if (!link) return fail("cannot allocate a link");
  Owned<rtnl_link> other(rtnl_link_veth_get_peer(link.get()));
  rtnl_link_set_name(link.get(), name.c_str());
  rtnl_link_set_name(other.get(), peer.c_str());
  rtnl_link_set_ns_fd(other.get(), peer_netns);
  if (const int error = rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL);
      error < 0)
    return fail_nl(fmt::format("cannot make the interface pair {}", name), error);
  return {};
}

Result<int> Netlink::index(const std::string& interface) {
  rtnl_link* link = nullptr;
  if (const int error = rtnl_link_get_kernel(socket_.get(), 0, interface.c_str(), &link); error < 0)
    return fail_nl(fmt::format("cannot find the interface {}", interface), error);
  const Owned<rtnl_link> owned(link);
  return rtnl_link_get_ifindex(link);
}

Status Netlink::remove(int interface) {
  Owned<rtnl_link> link(rtnl_link_alloc());
  rtnl_link_set_ifindex(link.get(), interface);
  if (const int error = rtnl_link_delete(socket_.get(), link.get()); error < 0)
    return fail_nl("cannot remove an interface", error);
  return {};
}

Status Netlink::set_up(int interface) {
  Owned<rtnl_link> before(rtnl_link_alloc()), change(rtnl_link_alloc());
  rtnl_link_set_ifindex(before.get(), interface);
  rtnl_link_set_flags(change.get(), IFF_UP);
  if (const int error = rtnl_link_change(socket_.get(), before.get(), change.get(), 0); error < 0)
    return fail_nl("cannot set an interface up", error);
  return {};
}

Status Netlink::add_address(int interface, const std::string& address) {
  const auto local = parse_address(address + "/32");
  Owned<rtnl_addr> request(rtnl_addr_alloc());
  if (!local || !request) return fail("malformed address {}", address);
  rtnl_addr_set_ifindex(request.get(), interface);
  rtnl_addr_set_local(request.get(), local.get());
  if (const int error = rtnl_addr_add(socket_.get(), request.get(), 0); error < 0)
    return fail_nl(fmt::format("cannot add the address {}", address), error);
  return {};
}

Status Netlink::add_route(int interface, const std::string& destination,
                          const std::string& gateway) {
  const auto target = parse_address(destination);
  const auto via = gateway.empty() ? nullptr : parse_address(gateway);
  Owned<rtnl_route> route(rtnl_route_alloc());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  if (!target || !route || !hop) return fail("malformed route {}", destination);
  rtnl_route_nh_set_ifindex(hop, interface);
  if (via) rtnl_route_nh_set_gateway(hop, via.get());
  rtnl_route_set_dst(route.get(), target.get());
  rtnl_route_set_scope(route.get(), via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK);
  rtnl_route_add_nexthop(route.get(), hop);  // owns it now
  if (const int error = rtnl_route_add(socket_.get(), route.get(), NLM_F_EXCL); error < 0)
    return fail_nl(fmt::format("cannot add the route {}", destination), error);
  return {};
}

Status Netlink::set_forwarding(int interface) {
  // Per interface instead of the sysctl net.ipv4.ip_forward: works where /proc/sys is read-only
  // (containers). The kernel asks the interface a packet came in by: ip_route_input_slow().
  Owned<rtnl_link> before(rtnl_link_alloc()), change(rtnl_link_alloc());
  rtnl_link_set_ifindex(before.get(), interface);
  int error = rtnl_link_inet_set_conf(change.get(), IPV4_DEVCONF_FORWARDING, 1);
  if (error >= 0) error = rtnl_link_change(socket_.get(), before.get(), change.get(), 0);
  if (error < 0) return fail_nl("cannot enable forwarding", error);
  return {};
}

}  // namespace gameday::lab
