// A private universe: namespaces in which one run lives, and which vanish with it. Nothing is
// registered anywhere (no bind mount, no named netns, no rule on the host), so however the run
// ends, SIGKILL included, the kernel removes every process, interface, rule and mount of it. Cgroups
// are the exception: leftovers.h.
//
//   caller ("outer")            waits, forwards signals, returns the exit code
//     `- init   (pid 1 inside)  reaps orphans; dies with the outer process
//          `- controller        runs `body`
//               `- nodes, helpers
//
// The controller is not pid 1 itself: the kernel ignores signals of default action for pid 1, and
// a pid 1 which reaps everybody's orphans would steal the children that Boost.Process waits for.
// A small single-threaded init does both jobs from its first instruction on.
#pragma once

#include <functional>
#include <string>

#include "harness/core/error.h"

namespace gameday::lab {

struct UniverseOptions {
  // Take a user namespace even where the caller has the right to do without (tests).
  bool force_user_namespace = false;
  std::string hostname = "gameday";
};

// What lab-init needs: must be the first statement of every main() that starts a Lab, tests too.
// When the process was started as a node's init, or to serve its disk, it runs that and never returns.
void maybe_run_init(int argc, char** argv);

// Runs `body` as the controller of a new universe: new PID, mount, network, IPC and UTS namespaces,
// and a user namespace (caller mapped to root) when the caller lacks CAP_SYS_ADMIN. The calling
// process must have one thread and no unflushed output that matters twice (stdio and iostreams are
// flushed here). Inside, `body` may use threads, signals and children like any process. Its network
// namespace is empty but for a loopback that is up; Lab adds the clients' interface.
//
// Returns what body returned (0..255), or 255 when a process of the universe was killed or body
// threw. SIGINT, SIGTERM, SIGHUP and SIGQUIT sent to the caller reach the controller once, also
// from a terminal's Ctrl-C (the universe is a process group of its own); default action unless
// body handles them. When this returns, every process of the universe is dead.
//
// An Error means that there was no universe, and says what to do about it.
Result<int> try_in_universe(const std::function<int()>& body, const UniverseOptions& options = {});

// The same for main(): prints the error to stderr and returns 255.
int run_in_universe(const std::function<int()>& body, const UniverseOptions& options = {});

// Whether this machine lets the caller have a universe; the Error is the one that try_in_universe
// would give. Makes one and throws it away (a few ms). For `gameday doctor`.
Status universe_available(const UniverseOptions& options = {});

// Whether /proc shows this universe only. False in a container that masks parts of /proc, where the
// kernel forbids a fresh mount (mount_too_revealing(), fs/namespace.c); everything works then too,
// but processes see the container's /proc. Valid inside a universe.
bool universe_has_own_proc();

}  // namespace gameday::lab
