// Exact calls into the file system, for the tests of their faults.
#pragma once

#include <string>

namespace gameday::lab::testing {

// "<call> <path> [<bytes> or <second path>]": opens the file if the call is about an open one (and
// creates it), and makes this one call. "<errno> <ms>": 0 where it succeeded, and how long it took.
//   fsync fdatasync msync (of a file of a page or more) sync_file_range syncfs
//   write pwrite writev fallocate ftruncate
//   copy_file_range read open append create mkdir rename link unlink io_uring_setup
std::string file_call(const std::string& words);

}  // namespace gameday::lab::testing
