// The system calls that touch files, in classes: which of them to trap, and what a trapped one is
// about to do to which file.
//
// What is not a call is not seen: writes to mapped memory (their msync is), and what the kernel does
// for io_uring. Where any class is trapped, io_uring_setup fails with ENOSYS, and where writes or
// reads are, io_setup too, so that programs fall back to calls; programs that cannot, do not work.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::lab {

class HeldCall;
class SyscallTable;

// Bits. A trapped call costs some 10 µs: nothing for a call that waits for a disk, much for a write
// into the page cache, which is why classes are prepared one by one.
enum CallClass : unsigned {
  kSyncCalls = 1,     // fsync, fdatasync, sync_file_range, syncfs, msync with MS_SYNC
  kWriteCalls = 2,    // write, pwrite, writev, pwritev, fallocate, (f)truncate, copy_file_range,
                      // sendfile, splice
  kReadCalls = 4,     // read, pread, readv, preadv
  kOpenCalls = 8,     // open, openat, openat2: all of them
  kCreateCalls = 16,  // opens with O_CREAT or O_TMPFILE, creat, mkdir, link, symlink
  kNameCalls = 32,    // rename, unlink, rmdir
};
using CallClasses = unsigned;

// "fsync", "write", "read", "open", "create", "rename"; 0: no such word.
CallClasses call_class(std::string_view word);
std::string_view word_of(CallClass call_class);

struct FileCall {
  CallClasses classes = 0;         // all that it belongs to
  std::vector<std::string> paths;  // absolute, as the node sees them; of a rename or link two
  std::uint64_t bytes = 0;         // that it asks to write
  bool grows = false;              // a full disk has no room for it
};

// Traps all calls of these classes for `handler`, which is called as SyscallTable::Handler is.
void trap_file_calls(SyscallTable& table, CallClasses classes,
                     const std::function<void(HeldCall)>& handler);

// nullopt: no file, as on a socket, or the thread is gone.
std::optional<FileCall> look_at(const HeldCall& call);

// Does what a call of the class kSyncCalls would do, from our side and on the same file, without
// answering it: so that a node can be killed after an fsync of which it never learns. msync, which
// is about the memory of its process, is done to the whole file. False: failed, or gone.
bool carry_out_sync(const HeldCall& call);

}  // namespace gameday::lab
