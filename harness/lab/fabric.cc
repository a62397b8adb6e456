#include "harness/lab/fabric.h"

#include <sched.h>

#include "harness/lab/namespaces.h"
#include "harness/lab/netlink.h"

namespace gameday::lab {
namespace {

// A network namespace with a connection to configure it.
struct Place {
  Fd netns;
  Netlink netlink;
};

// In a thread of its own: moves that thread to a new network namespace.
Result<Place> make_place() {
  if (::unshare(CLONE_NEWNET) != 0) return fail_errno("cannot make a network namespace");
  // No neighbour discovery and no link-local addresses; where /proc/sys is read-only, or IPv6
  // absent, they only cost a few packets.
  (void)write_proc("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
  (void)write_proc("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  if (auto status = loopback_up(); !status) return tl::make_unexpected(status.error());
  auto netns = current_netns();
  if (!netns) return tl::make_unexpected(netns.error());
  auto netlink = Netlink::connect();
  if (!netlink) return tl::make_unexpected(netlink.error());
  return Place{std::move(*netns), std::move(*netlink)};
}

// One cable: `name` at the fabric's end, eth0 at the other, and the routes both ways.
Status connect(Netlink& fabric, const std::string& name, Place& end, const std::string& address) {
  if (auto status = fabric.add_veth(name, "eth0", end.netns.get()); !status) return status;
  auto here = fabric.index(name);
  if (!here) return tl::make_unexpected(here.error());
  auto there = end.netlink.index("eth0");
  if (!there) return tl::make_unexpected(there.error());
  Status status = fabric.set_up(*here);
  if (status) status = end.netlink.set_up(*there);
  if (status) status = end.netlink.add_address(*there, address);
  if (status) status = end.netlink.add_route(*there, std::string(kGateway) + "/32", "");
  if (status) status = end.netlink.add_route(*there, "0.0.0.0/0", kGateway);
  if (status) status = fabric.add_address(*here, kGateway);
  if (status) status = fabric.add_route(*here, address + "/32", "");
  if (status) status = fabric.set_forwarding(*here);
  return status;
}

Result<std::vector<Place>> make_places(std::size_t count) {
  std::vector<Place> places;
  Status status;
  in_thread([&] {
    for (std::size_t i = 0; i < count && status; ++i) {
      auto place = make_place();
      if (place)
        places.push_back(std::move(*place));
      else
        status = tl::make_unexpected(place.error());
    }
  });
  if (!status) return tl::make_unexpected(status.error());
  return places;
}

}  // namespace

std::string node_address(int number) { return fmt::format("10.77.0.{}", number); }

Fabric::~Fabric() {
  // The kernel would do it too, when it gets round to the closed namespaces (cleanup_net() runs
  // later, in a worker); until then a next lab in this universe would find eth0 taken.
  if (auto netlink = Netlink::connect())
    if (auto index = netlink->index("eth0")) (void)netlink->remove(*index);
}

Result<std::unique_ptr<Fabric>> Fabric::create(const std::vector<std::string>& names) {
  auto places = make_places(names.size() + 1);
  if (!places) return tl::make_unexpected(places.error());
  Netlink& fabric = places->back().netlink;
  for (std::size_t i = 0; i < names.size(); ++i)
    if (auto status =
            connect(fabric, names[i], (*places)[i], node_address(static_cast<int>(i) + 1));
        !status)
      return tl::make_unexpected(status.error());

  auto netns = current_netns();
  auto netlink = Netlink::connect();
  if (!netns || !netlink) return fail("cannot configure the clients' network");
  Place clients{std::move(*netns), std::move(*netlink)};
  if (auto status = gameday::lab::connect(fabric, "clients", clients, kClientsAddress); !status)
    return tl::make_unexpected(status.error());

  std::unique_ptr<Fabric> result(new Fabric);
  result->fabric_ = std::move(places->back().netns);
  for (std::size_t i = 0; i < names.size(); ++i)
    result->nodes_.push_back(std::move((*places)[i].netns));
  return result;
}

}  // namespace gameday::lab
