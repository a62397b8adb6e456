// The catalogue of bugs that searchd can be told to have (the mutants): the one source of
// `searchd --bug`, `gameday list bugs` and the mutation score.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "sut/search/raft/raft.h"

namespace gameday::search {

struct Bug {
  int number = 0;             // of the list of mutants
  std::string_view name;      // as --bug takes it
  std::string_view story;     // one line: what the node does wrong
  std::string_view citation;  // a system that shipped it, or the rule that it breaks
  std::string_view faults;  // K kill, P partition, A one-way, R replies, C clock, S pause, W power, E I/O
  std::string_view checker;  // what is expected to see it
};

std::span<const Bug> bugs();

// The bugs that are switched on. Those of the core are flags of raft::Bugs.
struct Bugs {
  raft::Bugs core;
  bool no_fsync = false;
  bool torn_tail_accepted = false;
  bool fsync_error_ignored = false;
  bool reply_at_commit_read_before_apply = false;
  bool retry_applied_twice = false;
  bool dedup_table_per_host = false;
  bool apply_depends_on_local_clock = false;
  std::vector<std::string> names;  // as given, for /1/status
};

// An unknown name is an error which lists the names.
Result<Bugs> parse_bugs(const std::vector<std::string>& names);

}  // namespace gameday::search
