// The log as the core sees it: all entries since the last compaction, in memory.
#pragma once

#include <vector>

#include "sut/search/raft/message.h"

namespace gameday::search::raft {

// What is known of the entry just before the first one in the log. All zero for a log which was
// never compacted.
struct LogBase {
  Index index = 0;
  Term term = 0;
  std::uint64_t last_job = 0;
};

class Log {
 public:
  Log(LogBase base, std::vector<Entry> entries);

  Index first_index() const { return base_.index + 1; }
  Index last_index() const { return base_.index + entries_.size(); }
  Term last_term() const { return entries_.empty() ? base_.term : entries_.back().term; }
  std::uint64_t last_job() const { return job_at(last_index()); }

  // The term at an index from base to last; 0 outside.
  Term term_at(Index index) const;
  // The last job given out at or before an index (from base to last).
  std::uint64_t job_at(Index index) const;
  // Undefined outside of first_index() to last_index(), as with a vector.
  const Entry& at(Index index) const { return entries_[index - first_index()]; }

  void append(Entry entry) { entries_.push_back(std::move(entry)); }
  void truncate_from(Index index);  // drops the entry at index and all after it

  // Raft 5.4.1: the other log is at least as up to date as this one.
  bool is_up_to_date(Index last_index, Term last_term) const;
  // The largest index at most `index` whose term is at most `term`: where logs may agree.
  Index find_conflict(Index index, Term term) const;
  // Copies of the entries from first on, at least one, until max_bytes are full.
  std::vector<Entry> slice(Index first, Index last, std::size_t max_bytes) const;

 private:
  LogBase base_;
  std::vector<Entry> entries_;
};

}  // namespace gameday::search::raft
