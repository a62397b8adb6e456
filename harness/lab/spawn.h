// Starting processes; the only place that uses Boost.Process.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/lab/fd.h"

namespace gameday::lab {

struct ToolResult {
  int exit = 0;
  std::string out, err;
};

// Runs a tool inside a network namespace, `input` as its stdin, and waits for it.
Result<ToolResult> run_tool(const std::vector<std::string>& argv, const std::string& input,
                            int netns, const std::map<std::string, std::string>& environment);

// The first of these in PATH or the system's sbin folders (which an ordinary user's PATH lacks);
// empty: none.
std::string find_tool(const std::vector<std::string>& names);

// A child process in namespaces of its own.
class Child {
 public:
  virtual ~Child() = default;
  virtual pid_t pid() const = 0;
  virtual void kill() = 0;  // SIGKILL, by pidfd: never to another process with a recycled pid
  virtual void wait() = 0;  // until it is dead, and with it its PID namespace; call once
};

// Starts our own binary with these arguments in the network namespace and in new mount, PID, UTS
// and IPC namespaces; `socket` becomes its descriptor `as`.
Result<std::unique_ptr<Child>> spawn_self(const std::vector<std::string>& arguments, int netns,
                                          const Fd& socket, int as);

// The same in our own namespaces, for what stands beside the nodes.
Result<std::unique_ptr<Child>> spawn_helper(const std::vector<std::string>& arguments,
                                            const Fd& socket, int as);

}  // namespace gameday::lab
