// TCP connections, ended from outside the processes that hold them: SOCK_DESTROY, sock_diag(7), as
// `ss -K` does. Both ends see an error at once instead of waiting for packets that never come.
#pragma once

#include <set>
#include <string>
#include <utility>

#include "harness/core/error.h"

namespace gameday::lab {

// Of the calling thread's network namespace: ends every connection between two of these addresses
// (local, remote). What they were, "10.77.0.1:7000-10.77.0.2:41234", the smaller end first, so that
// the two ends of one connection have one name. Listening sockets stay.
Result<std::set<std::string>> reset_connections(
    const std::set<std::pair<std::string, std::string>>& pairs);

// Whether the kernel can (CONFIG_INET_DIAG_DESTROY). Valid inside a universe.
Status reset_available();

}  // namespace gameday::lab
