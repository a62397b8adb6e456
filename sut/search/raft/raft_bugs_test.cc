// Each switched-on bug must be caught: a simulation that cannot fail checks nothing. It must be
// caught from outside as well, as all that the framework sees of a real cluster is what clients do.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "sut/search/raft/sim.h"

namespace gameday::search::raft {
namespace {

struct BugCase {
  const char* name;
  bool Bugs::*bug;
  const char* seen_as;       // the violation that clients see, or one of them
  std::uint64_t within = 0;  // seeds for the catch
};

class CaughtBug : public testing::TestWithParam<BugCase> {};

// Runs seeds until one violates anything, and says what and after how many.
std::pair<std::uint64_t, std::string> hunt(const BugCase& bug, std::size_t nodes, bool internal) {
  SimOptions options{.nodes = nodes, .internal_checks = internal};
  options.bugs.*bug.bug = true;
  for (options.seed = 1; options.seed <= bug.within; ++options.seed) {
    const SimResult result = Simulation(options).run();
    if (result.violation) return {options.seed, *result.violation};
  }
  return {0, ""};
}

TEST_P(CaughtBug, ByTheSimulation) {
  for (const std::size_t nodes : {3, 5}) {
    const auto [seed, violation] = hunt(GetParam(), nodes, /*internal=*/true);
    EXPECT_NE(seed, 0u) << "not caught with " << nodes << " nodes";
    std::printf("  %zu nodes: seed %d: %s\n", nodes, static_cast<int>(seed), violation.c_str());
  }
}

TEST_P(CaughtBug, ByWhatClientsSee) {
  const auto [seed, violation] = hunt(GetParam(), 3, /*internal=*/false);
  ASSERT_NE(seed, 0u) << "not caught";
  std::printf("  seed %d: %s\n", static_cast<int>(seed), violation.c_str());
  EXPECT_NE(violation.find(GetParam().seen_as), std::string::npos) << violation;
}

INSTANTIATE_TEST_SUITE_P(
    Bugs, CaughtBug,
    testing::Values(
        BugCase{"VoteNotDurable", &Bugs::vote_not_durable, "state machine safety", 200},
        BugCase{"NoLogUpToDateCheck", &Bugs::no_log_up_to_date_check, "state machine safety", 30},
        BugCase{"FollowerCommitsPastMatch", &Bugs::follower_commits_past_match,
                "state machine safety", 100},
        BugCase{"ExLeaderRollsBackCommitted", &Bugs::ex_leader_rolls_back_committed,
                "state machine safety", 100},
        BugCase{"AckBeforeQuorum", &Bugs::ack_before_quorum, "state machine safety", 30},
        BugCase{"LeaseReadWithoutClockBound", &Bugs::lease_read_without_clock_bound,
                "linearizable reads", 100},
        BugCase{"NewLeaderReadsBeforeOwnTermCommit",
                &Bugs::new_leader_reads_before_own_term_commit, "linearizable reads", 60},
        BugCase{"PeerListShrinksToSelf", &Bugs::peer_list_shrinks_to_self, "state machine safety",
                20},
        BugCase{"JobIdReused", &Bugs::job_id_reused, "job ids", 20},
        BugCase{"UncommittedVisible", &Bugs::uncommitted_visible, "dirty apply", 20}),
    [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace gameday::search::raft
