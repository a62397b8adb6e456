// The durable log: raft.log, checksummed records one after the other, the entries of the Raft log and
// its hard state in the order in which the core gave them out. An entry at an index that the file
// already has cuts off everything from there on, so a truncation is as durable as the entry which
// caused it.
//
// Record (little-endian): magic u32 | size u32 | crc32 u32 of all that follows |
// batch u64 | kind u8 | content, `size` bytes. `batch` is the file offset at which the record's
// batch begins. A batch is written only after the one before it is durable.
//
// raft.synced says how much of raft.log is known to be durable: magic u32 | bytes u64 | crc32 u32.
// It is written over itself after each fdatasync and is not synced: within one sector it is the old
// or the new value that survives, and what it says is never too much. So at a start
//   - damage after that point is an unfinished write: cut off, unless a later batch follows it;
//   - damage before it, a shorter log or no raft.synced: the disk has lost what it had confirmed. The
//     node would vote and acknowledge as if it had never had it, so opening fails
//     (Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018);
//   - what is whole after it is written and synced again. It may be in the page cache only: after a
//     failed fsync the kernel takes pages for clean, and the next fsync succeeds (Rebello et al.,
//     "Can Applications Recover from fsync Failures?", ATC 2020).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "sut/search/bugs.h"
#include "sut/search/raft/raft.h"

namespace gameday::search {

struct RecoveredLog {
  raft::HardState hard_state;
  std::vector<raft::Entry> entries;
  std::uint64_t bytes = 0;       // of the file, after repair
  std::uint64_t torn_bytes = 0;  // cut off at the end
};

// Used by one thread at a time. After an error of append or sync the object is of no more use: what
// the disk holds is not known (fsync does not report an error twice).
class LogStore {
 public:
  // Opens DIR/raft.log, creating both as needed (durably), and reads it.
  static Result<LogStore> open(const std::filesystem::path& directory, RecoveredLog& recovered,
                               const Bugs& bugs = {});

  LogStore(LogStore&& other) noexcept;
  LogStore& operator=(LogStore&&) = delete;
  ~LogStore();

  // Adds to the current batch, in memory only.
  void append(const std::optional<raft::HardState>& hard_state,
              std::span<const raft::Entry> entries);
  // Writes the batch and waits until it is on the disk (fdatasync). Cheap when there is nothing.
  Status sync();

 private:
  LogStore(int file, int note, const Bugs& bugs) : file_(file), note_(note), bugs_(bugs) {}
  Status recover(const std::filesystem::path& directory, RecoveredLog& recovered);
  Status make_durable();
  void add_record(std::uint8_t kind, const std::string& content);

  int file_ = -1;
  int note_ = -1;           // raft.synced
  std::uint64_t size_ = 0;  // of the durable part
  std::string batch_;
  Bugs bugs_;
};

}  // namespace gameday::search
