// A command of a person's inside the lab: in a node, or beside the clients.
#pragma once

#include <string>
#include <vector>

#include "harness/lab/lab.h"

namespace gameday::lab {

// Runs a command and waits for it; it has the caller's terminal for itself, or no input. In a node: in all of
// its namespaces and its data directory, as one of its processes (a kill or a pause of the node hits
// it too); in its network alone where its server does not run. With no node: where the clients are.
// The exit code; 128 and the signal that killed it; 127:
// no such command.
Result<int> run_inside(const Lab& lab, const std::string& node, const std::vector<std::string>& argv);

}  // namespace gameday::lab
