// The search cluster as a system under test.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/system.h"

namespace gameday::search {

inline constexpr std::uint16_t kHttpPort = 7700;
inline constexpr std::uint16_t kPeerPort = 7701;

// searchd: the server's executable; bugs: names of its catalogue to be switched on in every node.
// An unknown bug or a missing executable is an Error.
Result<std::unique_ptr<System>> make_system(const std::filesystem::path& searchd,
                                            const std::vector<std::string>& bugs);

// A client of one node that retries on the others where a workload asks for it. It performs the
// functions of workloads/OPS.md.
std::unique_ptr<Client> make_client(const Node& node, const std::vector<Node>& all);

}  // namespace gameday::search
