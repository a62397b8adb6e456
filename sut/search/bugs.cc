#include "sut/search/bugs.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace gameday::search {
namespace {

constexpr std::array<Bug, 16> catalogue{{
    {1, "vote-not-durable", "term and vote are not on disk when the vote is sent",
     "raft-java#57, robustmq#2039", "KW", "election-safety, set-full (I3)"},
    {3, "no-log-up-to-date-check", "a voter does not compare the candidate's log with its own",
     "Raft 5.4.1", "PK", "set-full (I3)"},
    {6, "ex-leader-rolls-back-committed",
     "a leader that steps down drops entries which a majority, but not every node, confirmed",
     "CCF#5674", "AR, PK", "set-full (I3), apply-order (I2)"},
    {10, "ack-before-quorum", "the leader acknowledges what it alone holds",
     "Elasticsearch resiliency page (#7572)", "P", "set-full (I3)"},
    {11, "no-fsync", "what was written is not synced before it is acknowledged", "robustmq#2039", "W",
     "set-full (I3), job-sequence (I1)"},
    {12, "torn-tail-accepted",
     "the records of the last write are taken for whole at a restart, without their checksums",
     "etcd#5230, redisraft#127", "W", "recovery, apply-order (I2)"},
    {13, "fsync-error-ignored", "a failed fsync is passed over, and what it was for acknowledged",
     "rostam#94", "EW", "set-full (I3), job-sequence (I1)"},
    {21, "lease-read-without-clock-bound", "a leader answers strong reads without asking anybody",
     "tikv#964, sofa-jraft#26", "CSP", "linearizable (I19)"},
    {22, "new-leader-reads-before-own-term-commit",
     "a new leader answers strong reads before it knows what has been committed",
     "a raft library's #41", "K", "linearizable (I19)"},
    {23, "reply-at-commit-read-before-apply",
     "strong reads do not wait for the state machine, which is applied at leisure", "NuRaft#288",
     "load", "linearizable (I19)"},
    {24, "no-prevote",
     "a node that hears nobody raises the term again and again, and all others follow it",
     "Cloudflare's outage of November 2020", "A", "election-safety (I5)"},
    {26, "retry-applied-twice", "a retry with a known idempotency key is applied again",
     "etcd#18424, jetcd#1444", "R", "exactly-once (I9)"},
    {27, "dedup-table-per-host",
     "a node knows the idempotency keys of what it was asked itself, not those of the others",
     "derived", "R, K", "exactly-once (I9)"},
    {30, "job-id-reused", "a new leader counts job ids from the last one it knows as committed",
     "Elasticsearch#19269, crate#3711", "PK", "job-sequence (I1)"},
    {32, "uncommitted-visible", "the leader shows writes to readers before a majority holds them",
     "Elasticsearch#20031", "P", "dirty-read, apply-order (I2)"},
    {38, "apply-depends-on-local-clock",
     "whether a write has expired is asked of each node's own clock when it is applied",
     "vespa#11686 (analogue)", "C", "apply-order (I2)"},
}};

bool* flag(Bugs& bugs, int number) {
  switch (number) {
    case 1:
      return &bugs.core.vote_not_durable;
    case 3:
      return &bugs.core.no_log_up_to_date_check;
    case 6:
      return &bugs.core.ex_leader_rolls_back_committed;
    case 10:
      return &bugs.core.ack_before_quorum;
    case 11:
      return &bugs.no_fsync;
    case 12:
      return &bugs.torn_tail_accepted;
    case 13:
      return &bugs.fsync_error_ignored;
    case 21:
      return &bugs.core.lease_read_without_clock_bound;
    case 22:
      return &bugs.core.new_leader_reads_before_own_term_commit;
    case 23:
      return &bugs.reply_at_commit_read_before_apply;
    case 24:
      return &bugs.core.no_prevote;
    case 26:
      return &bugs.retry_applied_twice;
    case 27:
      return &bugs.dedup_table_per_host;
    case 30:
      return &bugs.core.job_id_reused;
    case 32:
      return &bugs.core.uncommitted_visible;
    case 38:
      return &bugs.apply_depends_on_local_clock;
    default:
      return nullptr;
  }
}

}  // namespace

std::span<const Bug> bugs() { return catalogue; }

Result<Bugs> parse_bugs(const std::vector<std::string>& names) {
  Bugs on;
  for (const std::string& name : names) {
    const auto found = std::find_if(catalogue.begin(), catalogue.end(),
                                    [&](const Bug& bug) { return bug.name == name; });
    if (found == catalogue.end()) {
      std::vector<std::string_view> known;
      std::transform(catalogue.begin(), catalogue.end(), std::back_inserter(known),
                     [](const Bug& bug) { return bug.name; });
      return fail("unknown bug {}; there are: {}", name, fmt::join(known, ", "));
    }
    *flag(on, found->number) = true;
    on.names.push_back(name);
  }
  return on;
}

}  // namespace gameday::search
