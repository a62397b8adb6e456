// For the tests of membership: a cluster of real processes that agree on who their members are, and
// on nothing else. Each configuration is decided by a majority of the members of the one before
// (single-decree Paxos, one instance a configuration; the state is kept on disk).
#pragma once

#include <memory>
#include <vector>

#include "harness/core/system.h"

namespace gameday::nemesis::testing {

// main() of a server: argv[1] is "member-server".
int member_server(int argc, char** argv);
// How it is started: with all nodes as members, or as one that knows of none and waits to be told.
ProcessSpec member_spec(const Node& node, const std::vector<Node>& all, bool joins = false);

std::unique_ptr<Membership> make_membership();
// From now on the node tells that it is the only member.
void let_lie(const Node& node);

}  // namespace gameday::nemesis::testing
