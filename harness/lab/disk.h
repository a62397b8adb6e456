// A node's data directory as a disk of its own, which can lose power.
//
// What survives a power loss, with either backend:
//   data      of a file what was synced by fsync(2), fdatasync(2), msync(2) or O_SYNC of that file
//   metadata  (creates, renames, unlinks, directories, attributes) in order: never a later operation
//             without an earlier one. An fsync of a file or directory makes all durable up to its
//             own last change, whatever they were about; so it makes the name of a new file durable,
//             too. That is ext4 in its default mode: one transaction for all. For an fdatasync only
//             making the file and changing its size count as changes. Overwriting a file counts only
//             on FUSE: ext4 changes nothing but its time stamp then, which stands still for a few ms (the
//             kernel's tick), so that an fsync soon after the last change has only data to write.
//   all else  vanishes, however old it is. Nothing is committed on its own, unless
//             - metadata fills the journal (ext4: some MiB of changed blocks; FUSE: 100,000 operations)
//               or the disk is full: then all metadata up to there is durable;
//             - on ext4 something overwrites blocks that are synced (also the rest of a block whose end a
//               truncate cut off): with O_DIRECT it is there at once, else as soon as the kernel
//               writes it back by itself, after 30 s (vm.dirty_expire_centisecs). FUSE undoes both.
//
// Backends, both in memory, neither needs anything on the host and both die with the universe:
//   ext4   on a loop device; FS_IOC_SHUTDOWN is the power loss and mounting again replays the
//          journal. Needs root outside of a user namespace, and loop devices.
//   fuse   a file system of our own (volatile_fs.h), served by a process beside the node. Needs to
//          open /dev/fuse. It can also tear: see Tear. The kernel does not tell it of sync(2) and
//          syncfs(2), which is why these are trapped: see sync_calls(). Writes go to the kernel's
//          cache, so that a full disk shows at fsync(2) or close(2).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/json.h"
#include "harness/lab/fd.h"

namespace gameday::lab {

class SyscallTable;

inline constexpr std::uint64_t kDiskBytes = std::uint64_t{512} << 20;

// A power loss in the middle of writing: of the sectors written but not synced, a random subset did
// reach the disk, in any order; of the last write the beginning; of the unsynced metadata operations
// the first few. What was synced stays whole: each of its sectors is as synced or as written since.
struct Tear {
  std::uint64_t seed = 0;
  unsigned sector = 512;  // bytes: 512 or 4096
};

// What a power loss took, seen from outside: all files before it against all files after it.
struct Loss {
  std::vector<std::string> vanished;  // paths under the disk that were there before it
  std::vector<std::string> returned;  // and those that are there only since (unlinked, renamed)
  std::vector<std::string> changed;   // files of other content than before
  std::uint64_t bytes = 0;            // of content that is gone, in blocks of 4 KiB
  Json torn;                          // what the backend says of a Tear; null: was none
  bool nothing() const { return vanished.empty() && returned.empty() && changed.empty(); }
};
std::string describe(const Loss& loss);  // "lost 3 files and 12 KiB in 2 others"
Json to_json(const Loss& loss);          // lists are cut at 20 names

class Disk {
 public:
  struct Options {
    std::filesystem::path directory;  // is mounted on; must exist
    std::uint64_t bytes = kDiskBytes;
    bool tear = false;  // Tear must work
    bool force_fuse = false;  // also where ext4 would do (tests)
  };
  static Result<std::unique_ptr<Disk>> create(const Options& options);
  virtual ~Disk() = default;  // unmounts

  virtual std::string_view backend() const = 0;  // "ext4", "fuse"

  // Power off and on again. Nobody may have anything open on it any more. When it returns the disk is
  // mounted, and was seen to work.
  Result<Loss> power_loss(const std::optional<Tear>& tear = {});

  // Creates, syncs and unlinks a file: the disk works and is writable.
  Status probe() const;

  // Copies what is on it to the directory that it is mounted on, to be found there once the disk is
  // gone; `cap` bytes at most. What was left out, in words; empty: nothing.
  Result<std::string> leave_behind(std::uint64_t cap) const;

  // Has sync(2) and syncfs(2) of a node make durable what they promise where the kernel alone does not
  // see to it, and the machine lets us trap calls: elsewhere they sync nothing. After all others
  // that trap these; before the node's first start.
  virtual void sync_calls(SyscallTable&) {}

  const std::filesystem::path& directory() const { return directory_; }

 protected:
  explicit Disk(std::filesystem::path directory);  // not yet mounted
  // The loss itself; what the backend has to say of a tear.
  virtual Result<Json> cut(const std::optional<Tear>& tear) = 0;

 private:
  const std::filesystem::path directory_;
  const Fd below_;  // the directory itself
};

// Whether this machine lets the caller have such disks, and which: "ext4", "fuse" or "ext4, fuse". An
// Error says why not and what one command would change it. For a universe with or without a user
// namespace; may be asked outside of one. Cheap.
Result<std::string> disk_backends();
Status disks_available();
Status torn_disks_available();  // and such that can tear

// How large disks for so many nodes may be on this machine: kDiskBytes, or less where memory is short.
std::uint64_t disk_size(int nodes);

}  // namespace gameday::lab
