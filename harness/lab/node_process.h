// One life of a node's server: from its start to its end, with everything it forked.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "harness/lab/init.h"
#include "harness/lab/spawn.h"
#include "harness/lab/syscall_supervisor.h"

namespace gameday::lab {

class NodeProcess {
 public:
  // Wait status of the server (waitpid(2)), as its init told it; nullopt: the init was killed.
  using OnEnd = std::function<void(std::optional<int> wait_status)>;

  // Returns when the server's exec has succeeded. `on_end` is called once, from a thread of this
  // object, when every process of this life is dead. `traps` outlives it, and answers what the
  // spec's filter traps, from before the exec on.
  static Result<std::unique_ptr<NodeProcess>> start(const InitSpec& spec, int netns,
                                                    const SyscallTable& traps, OnEnd on_end);
  ~NodeProcess();  // kills and waits

  void signal_all(int signal);  // every process of the node, at once
  void terminate();             // SIGTERM to the server, SIGCONT to all
  void kill();                  // SIGKILL to all, at once
  bool ended() const;
  bool wait_for_end(std::chrono::milliseconds timeout) const;
  void wait_for_end() const;

  const std::string& pid_namespace() const { return pid_namespace_; }  // as /proc/<pid>/ns/pid

 private:
  NodeProcess(std::unique_ptr<SyscallSupervisor> supervisor, std::unique_ptr<Child> child, Fd server,
              Fd socket, std::string pid_namespace);
  void watch(const OnEnd& on_end);
  void send(const std::string& message);

  std::unique_ptr<SyscallSupervisor> supervisor_;  // null: nothing is trapped. Outlives the child
  std::unique_ptr<Child> child_;  // the init
  Fd server_;                     // pidfd
  Fd socket_;
  std::string pid_namespace_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool ended_ = false;
  std::jthread watcher_;
};

}  // namespace gameday::lab
