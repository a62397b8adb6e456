// Threads that stand still while the others of their process go on, as one does that waits for a lock
// or a disk for ever: ptrace(2), seized and interrupted. It needs neither root nor a cgroup, and unlike
// a signal, which stops the whole process, it hits one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <vector>

#include "harness/core/error.h"

namespace gameday::lab {

class ThreadHold {
 public:
  // Returns when all stand still. A thread that ends meanwhile, or is held already, is an Error.
  static Result<std::unique_ptr<ThreadHold>> create(const std::vector<pid_t>& threads,
                                                    std::chrono::milliseconds timeout);
  ~ThreadHold();  // lets them go
  ThreadHold(const ThreadHold&) = delete;
  ThreadHold& operator=(const ThreadHold&) = delete;

  // Lets them go. Those that were still there; the others' processes have ended meanwhile.
  std::vector<pid_t> release();

 private:
  struct Tracer;
  explicit ThreadHold(std::unique_ptr<Tracer> tracer);
  std::unique_ptr<Tracer> tracer_;
};

// Whether this user may hold threads of servers here. For `gameday doctor`; holds a child of its own.
Status grey_available();

}  // namespace gameday::lab
