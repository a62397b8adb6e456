// A node's init: pid 1 of the node's PID namespace. Our own binary started as `lab-init`. It makes
// the node's mounts, starts the server, reaps, passes signals on to every process of the node at
// once, and dies with the server; its death is, by the kernel, the death of all of them
// (pid_namespaces(7)). So a SIGKILL to it is a kill -9 of the whole node in one go.
//
// It talks over one end of a SOCK_SEQPACKET pair, kInitSocket, in text messages:
//   first, to it       the InitSpec as JSON
//   from it            "listener" with a descriptor (SCM_RIGHTS), if the spec has a filter: that of
//                      the server's seccomp filter. Its exec may wait for the first answer.
//   from it            "started <pid namespace>" with a pidfd of the server, or "failed <why>"
//   to it              "signal <n>": kill(-1, n), to every process of the node but itself
//                      "term": SIGTERM to the server and SIGCONT to all
//   from it, the last  "exited <wait status of the server>"
#pragma once

#include <linux/filter.h>

#include <map>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/json.h"

namespace gameday::lab {

inline constexpr int kInitSocket = 3;
inline constexpr const char* kInitCommand = "lab-init";
inline constexpr const char* kListenerMessage = "listener";

struct InitSpec {
  std::string hostname;
  std::string directory;  // the node's own, absolute; stays visible
  std::string data;       // the server's working directory
  std::string log;        // gets stdout and stderr
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // complete
  std::vector<sock_filter> filter;                 // of system calls; empty: none
  std::vector<std::string> cgroups = {};           // Cgroup::entrances()
  std::vector<std::string> foreign = {};           // disks of other nodes: not for this one to see
};
Json to_json(const InitSpec& spec);
Result<InitSpec> parse_init_spec(const std::string& text);

// The paths under `folder` that a server with this spec may need, so that a fresh tmpfs on `folder`
// does not hide them: the node's directory, and what argv and the environment name that exists.
std::vector<std::string> needed_under(const std::string& folder, const InitSpec& spec);

}  // namespace gameday::lab
