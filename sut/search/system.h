// The search cluster as a system under test.
#pragma once

#include <memory>

#include "harness/core/system.h"

namespace gameday::search {

inline constexpr std::uint16_t kHttpPort = 7700;
inline constexpr std::uint16_t kPeerPort = 7701;

// A client of one node that retries on the others where a workload asks for it. It performs the
// functions of workloads/OPS.md.
std::unique_ptr<Client> make_client(const Node& node, const std::vector<Node>& all);

}  // namespace gameday::search
