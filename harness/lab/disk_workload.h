// Random programs against a disk that loses power, and a model of what must be there afterwards; for
// the test and the bench of disks.
#pragma once

#include <cstdint>
#include <string>

#include "harness/lab/disk.h"

namespace gameday::lab::testing {

struct WorkloadResult {
  std::string wrong;  // empty: all as it must be
  int operations = 0, losses = 0;
  int lost_something = 0;  // losses of these
};

// On an empty disk, which it leaves empty. Creates, writes, appends, truncates, renames, links, unlinks,
// makes and removes directories and syncs, and cuts the power a few times, with `tear` in the middle of
// writing. After each loss everything there is compared with the model: a FUSE disk must have exactly
// what the contract of disk.h says; on ext4 more may have survived, since the kernel may write at
// any time.
WorkloadResult run_workload(Disk& disk, std::uint64_t seed, bool tear);

}  // namespace gameday::lab::testing
