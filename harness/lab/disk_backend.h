// The two backends of disk.h.
#pragma once

#include "harness/lab/disk.h"

namespace gameday::lab {

Result<std::unique_ptr<Disk>> create_ext4_disk(const Disk::Options& options);
Result<std::unique_ptr<Disk>> create_fuse_disk(const Disk::Options& options);

// Whether they can be had; the reason why not, worded to follow "because".
Status ext4_available();
Status fuse_available();

// The process that serves a FUSE disk: `lab-disk` (universe.h, maybe_run_init). Its exit code.
inline constexpr const char* kDiskCommand = "lab-disk";
int serve_fuse_disk();

}  // namespace gameday::lab
