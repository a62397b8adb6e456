#include "sut/search/raft/log.h"

#include <algorithm>
#include <utility>

namespace gameday::search::raft {

Log::Log(LogBase base, std::vector<Entry> entries) : base_(base), entries_(std::move(entries)) {}

Term Log::term_at(Index index) const {
  if (index == base_.index) return base_.term;
  if (index < base_.index || index > last_index()) return 0;
  return at(index).term;
}

std::uint64_t Log::job_at(Index index) const {
  if (index <= base_.index || entries_.empty()) return base_.last_job;
  const Entry& entry = at(std::min(index, last_index()));
  return entry.first_job + entry.jobs - 1;
}

void Log::truncate_from(Index index) {
  if (index > last_index()) return;
  const Index first_dropped = std::max(index, first_index());
  entries_.resize(first_dropped - first_index());
}

bool Log::is_up_to_date(Index other_index, Term other_term) const {
  if (other_term != last_term()) return other_term > last_term();
  return other_index >= last_index();
}

Index Log::find_conflict(Index index, Term term) const {
  Index at_most = std::min(index, last_index());
  while (at_most > base_.index && term_at(at_most) > term) --at_most;
  return at_most;
}

std::vector<Entry> Log::slice(Index first, Index last, std::size_t max_bytes) const {
  std::vector<Entry> entries;
  std::size_t bytes = 0;
  for (Index index = std::max(first, first_index()); index <= std::min(last, last_index());
       ++index) {
    bytes += encoded_size(at(index));
    if (!entries.empty() && bytes > max_bytes) break;
    entries.push_back(at(index));
  }
  return entries;
}

}  // namespace gameday::search::raft
