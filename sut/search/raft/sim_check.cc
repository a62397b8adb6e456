#include "sut/search/raft/sim_check.h"

#include <fmt/core.h>

#include <algorithm>

namespace gameday::search::raft {

void SafetyCheck::fail(const Life& life, std::string what) {
  if (!violation_) violation_ = fmt::format("node {}: {}", life.node, what);
}

void SafetyCheck::observe(Life& life, const Raft& raft, const Output& output,
                          const std::map<NodeId, Disk>& disks) {
  if (internal_) {
    check_log(life, raft, output);
    check_leader(life, raft);
  }
  check_commit(life, raft, output, disks);
  check_applied(life, output, disks.at(life.node));
  check_reads(life, output);
}

// Election Safety and Leader Completeness.
void SafetyCheck::check_leader(Life& life, const Raft& raft) {
  if (raft.role() != Role::leader || life.leads_term == raft.term()) return;
  life.leads_term = raft.term();
  const auto [leader, first] = leaders_.emplace(raft.term(), life.number);
  if (!first) fail(life, fmt::format("election safety: second leader of term {}", raft.term()));
  for (const Committed& committed : truth_) {
    if (committed.known_in >= raft.term()) continue;
    const Index index = committed.entry.index;
    if (index > raft.last_index() || raft.entry(index) != committed.entry) {
      fail(life, fmt::format("leader completeness: leads term {} without entry {} of term {}",
                             raft.term(), index, committed.entry.term));
      return;
    }
  }
}

// Log Matching.
void SafetyCheck::check_log(const Life& life, const Raft& raft, const Output& output) {
  for (const Entry& entry : output.entries) {
    const Term before = raft.term_at(entry.index - 1);
    const auto [known, first] =
        written_.emplace(std::pair{entry.index, entry.term}, std::pair{entry, before});
    if (first) continue;
    if (known->second != std::pair{entry, before}) {
      fail(life, fmt::format("log matching: entry {} of term {} differs", entry.index, entry.term));
    }
  }
}

// State Machine Safety, up to the commit index that clients get their acknowledgement from.
void SafetyCheck::check_commit(Life& life, const Raft& raft, const Output& output,
                               const std::map<NodeId, Disk>& disks) {
  for (Index index = life.seen_commit + 1; index <= output.commit; ++index) {
    const Entry& entry = raft.entry(index);
    if (index > truth_.size()) {
      learn_committed(life, raft, entry, disks);
    } else if (truth_[index - 1].entry != entry) {
      fail(life, fmt::format("state machine safety: commits another entry {}, of term {} not {}",
                             index, entry.term, truth_[index - 1].entry.term));
    } else {
      truth_[index - 1].known_in = std::min(truth_[index - 1].known_in, raft.term());
    }
  }
  life.seen_commit = std::max(life.seen_commit, output.commit);
}

void SafetyCheck::learn_committed(const Life& life, const Raft& raft, const Entry& entry,
                                  const std::map<NodeId, Disk>& disks) {
  std::uint64_t next_job = 1;
  if (!truth_.empty()) next_job = truth_.back().entry.first_job + truth_.back().entry.jobs;
  if (entry.first_job != next_job) {
    fail(life, fmt::format("job ids: entry {} starts at job {}, not {}", entry.index,
                           entry.first_job, next_job));
  }
  const auto copies = std::count_if(disks.begin(), disks.end(),
                                    [&](const auto& disk) { return disk.second.holds(entry); });
  if (internal_ && static_cast<std::size_t>(copies) <= nodes_ / 2) {
    fail(life, fmt::format("durability: entry {} is acknowledged with {} durable copies",
                           entry.index, copies));
  }
  truth_.push_back({.entry = entry, .known_in = raft.term()});
}

void SafetyCheck::check_applied(Life& life, const Output& output, const Disk& disk) {
  for (const Entry& entry : output.committed) {
    if (entry.index != ++life.seen_applied) {
      fail(life, fmt::format("apply order: entry {} instead of {}", entry.index,
                             life.seen_applied));
      return;
    }
    if (entry.index > truth_.size()) {
      fail(life, fmt::format("dirty apply: entry {} is not committed", entry.index));
      return;
    }
    if (truth_[entry.index - 1].entry != entry) {
      fail(life, fmt::format("state machine safety: applies another entry {}", entry.index));
      return;
    }
    if (internal_ && !disk.holds(entry)) {
      fail(life, fmt::format("durability: applies entry {} before its disk holds it", entry.index));
    }
  }
}

void SafetyCheck::read_started(Life& life, std::uint64_t context) {
  life.reads[context] = truth_.size();
}

void SafetyCheck::check_reads(Life& life, const Output& output) {
  for (const ReadState& read : output.reads) {
    const auto open = life.reads.find(read.context);
    if (open == life.reads.end()) {
      fail(life, fmt::format("reads: answer to read {} which is not open", read.context));
      return;
    }
    if (read.index < open->second) {
      fail(life, fmt::format("linearizable reads: sees up to {}, though {} was acknowledged before",
                             read.index, open->second));
    }
    life.reads.erase(open);
    ++reads_served_;
  }
  for (const std::uint64_t context : output.failed_reads) {
    if (life.reads.erase(context) == 0) {
      fail(life, fmt::format("reads: failure of read {} which is not open", context));
    }
  }
}

void SafetyCheck::life_ended(const Life& life, bool quiet) {
  if (quiet && !life.reads.empty()) fail(life, "reads: never answered");
}

}  // namespace gameday::search::raft
