// The durable log: one append-only file of checksummed records, the entries of the Raft log and its
// hard state in the order in which the core gave them out. An entry at an index that the file
// already has cuts off everything from there on, so a truncation is as durable as the entry which
// caused it.
//
// Record (little-endian): magic u32 | size u32 | crc32 u32 of all that follows |
// batch u64 | kind u8 | content, `size` bytes. `batch` is the file offset at which the record's
// batch begins. A batch is written only after the one before it is durable, so a damaged record is
// a torn tail (cut off at opening) unless a later batch follows it: then the disk has lost what it
// had confirmed, and opening fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/core/error.h"
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
  static Result<LogStore> open(const std::filesystem::path& directory, RecoveredLog& recovered);

  LogStore(LogStore&& other) noexcept;
  LogStore& operator=(LogStore&&) = delete;
  ~LogStore();

  // Adds to the current batch, in memory only.
  void append(const std::optional<raft::HardState>& hard_state,
              std::span<const raft::Entry> entries);
  // Writes the batch and waits until it is on the disk (fdatasync). Cheap when there is nothing.
  Status sync();

 private:
  LogStore(int file, std::uint64_t size) : file_(file), size_(size) {}
  void add_record(std::uint8_t kind, const std::string& content);

  int file_ = -1;
  std::uint64_t size_ = 0;  // of the durable part
  std::string batch_;
};

}  // namespace gameday::search
