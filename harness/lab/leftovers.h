// What a universe has on the host that the kernel does not remove with it: cgroups, which are folders
// with a name. A small process, forked before the universe and outside of it, reads their paths from
// a pipe. When nobody is left who could write to it, the universe has ended, whoever was killed, and
// it removes them.
#pragma once

#include <filesystem>

#include "harness/core/error.h"
#include "harness/lab/fd.h"

namespace gameday::lab {

class Leftovers {
 public:
  static Result<Leftovers> watch();  // by the process that makes the universe, while it has one thread
  ~Leftovers();                      // in that process: waits until all are removed
  Leftovers(Leftovers&&) = default;

 private:
  Leftovers(Fd paths, Fd done) : paths_(std::move(paths)), done_(std::move(done)) {}
  Fd paths_, done_;
};

// From inside a universe, before the cgroup is made: removes it (an empty one; no other folder) when
// the universe has ended.
Status remove_with_universe(const std::filesystem::path& cgroup);

}  // namespace gameday::lab
