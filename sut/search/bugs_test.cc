#include "sut/search/bugs.h"

#include <gtest/gtest.h>

namespace gameday::search {
namespace {

TEST(Bugs, EveryEntryOfTheCatalogueSwitchesOneFlagOn) {
  int last = 0;
  for (const Bug& bug : bugs()) {
    EXPECT_GT(bug.number, last);
    last = bug.number;
    const auto on = parse_bugs({std::string(bug.name)});
    ASSERT_TRUE(on);
    const raft::Bugs& core = on->core;
    const int flags =
        core.vote_not_durable + core.no_log_up_to_date_check + core.ex_leader_rolls_back_committed +
        core.ack_before_quorum + core.lease_read_without_clock_bound +
        core.new_leader_reads_before_own_term_commit + core.peer_list_shrinks_to_self +
        core.job_id_reused + core.uncommitted_visible + core.no_prevote + on->no_fsync +
        on->torn_tail_accepted + on->fsync_error_ignored + on->reply_at_commit_read_before_apply +
        on->retry_applied_twice + on->dedup_table_per_host + on->apply_depends_on_local_clock;
    EXPECT_EQ(flags, 1) << bug.name;
    EXPECT_EQ(on->names, std::vector<std::string>{std::string(bug.name)});
  }
  EXPECT_EQ(bugs().size(), 16u);
}

TEST(Bugs, AnUnknownNameIsToldTheKnownOnes) {
  const auto on = parse_bugs({"vote-not-durable", "no-such-bug"});
  ASSERT_FALSE(on);
  EXPECT_NE(on.error().message.find("retry-applied-twice"), std::string::npos);
}

}  // namespace
}  // namespace gameday::search
