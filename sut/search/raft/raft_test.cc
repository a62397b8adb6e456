// A cluster of one, and starting from what is on disk.
#include <gtest/gtest.h>

#include "sut/search/raft/raft_test_util.h"

namespace gameday::search::raft {
namespace {

using namespace testing_one_node;

TEST(RaftAlone, LeadsCommitsAndReads) {
  Raft raft(config(1, 1), {}, {});
  elect(raft);
  raft.propose("a", 1);
  raft.read_index(3);
  const Settled done = settle(raft);
  EXPECT_EQ(raft.commit(), 2u);
  EXPECT_EQ(done.committed.size(), 1u) << "the no-op was handed out before";
  EXPECT_EQ(done.reads.size(), 1u);
}

TEST(RaftRestart, CommitHintBeyondTheLogIsCut) {
  Raft raft(config(1), {.term = 2, .vote = 0, .commit = 9}, log_of({1, 2}));
  EXPECT_EQ(raft.commit(), 2u);
  EXPECT_EQ(raft.take_output().committed.size(), 2u) << "applied anew from the log";
}

TEST(RaftRestart, LogMayStartAfterABase) {
  const std::vector<Entry> tail = {{.term = 4, .index = 11, .first_job = 21, .jobs = 2}};
  Raft raft(config(1), {.term = 4}, tail, {.index = 10, .term = 3, .last_job = 20});
  EXPECT_EQ(raft.first_index(), 11u);
  EXPECT_EQ(raft.last_job(), 22u);
  EXPECT_EQ(raft.term_at(10), 3u);
  EXPECT_EQ(raft.applied(), 10u);
  Raft empty(config(1), {.term = 4}, {}, {.index = 10, .term = 3, .last_job = 20});
  elect(empty);
  EXPECT_EQ(empty.propose("a", 1)->first_job, 21u);
}

TEST(RaftRestart, WritesNothingUntilSomethingHappens) {
  Raft raft(config(1), {.term = 2, .vote = 3}, log_of({1, 2}));
  EXPECT_TRUE(raft.take_output().empty());
}

}  // namespace
}  // namespace gameday::search::raft
