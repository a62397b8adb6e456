// The network of the lab: a router ("fabric") with one cable to every node and one to the clients.
//
//   node i:   eth0 10.77.0.<i>/32, everything via 10.77.0.254
//   clients:  eth0 10.77.1.1/32, the same, in the controller's own network namespace
//   fabric:   one interface per node, named after it, and "clients"; a /32 route to each
//
// Host routes only, so nothing is ever delivered but through the fabric's FORWARD chain. All
// namespaces are held by descriptors alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/lab/fd.h"

namespace gameday::lab {

std::string node_address(int number);  // from 1
inline constexpr const char* kClientsAddress = "10.77.1.1";
inline constexpr const char* kGateway = "10.77.0.254";

class Fabric {
 public:
  // Node i (from 0) of the names gets node_address(i + 1). Must run in a universe.
  static Result<std::unique_ptr<Fabric>> create(const std::vector<std::string>& names);
  ~Fabric();  // takes the clients' interface out of the controller's namespace
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  int netns() const { return fabric_.get(); }
  int node_netns(std::size_t i) const { return nodes_[i].get(); }

 private:
  Fabric() = default;
  Fd fabric_;
  std::vector<Fd> nodes_;
};

}  // namespace gameday::lab
