// Replication and job numbers, one rule at a time.
#include <gtest/gtest.h>

#include "sut/search/raft/raft_test_util.h"

namespace gameday::search::raft {
namespace {

using namespace testing_one_node;

TEST(RaftReplication, LeaderWritesItsDiskInParallel) {
  Raft raft(config(1), {}, {});
  elect(raft);
  settle(raft);
  raft.step(ack(2, raft.term(), 1));
  raft.step(ack(3, raft.term(), 1));
  settle(raft);
  raft.propose("a", 2);
  raft.propose("b", 3);
  const Output output = raft.take_output();
  EXPECT_EQ(output.entries.size(), 2u);
  ASSERT_EQ(output.messages.size(), 2u) << "both proposals in one message to each peer";
  EXPECT_EQ(output.messages[0].entries.size(), 2u);
  EXPECT_TRUE(output.messages_after_persist.empty());

  raft.step(ack(2, raft.term(), 3));
  EXPECT_EQ(raft.commit(), 1u) << "its own copy is not durable, so there is only one";
  raft.step(ack(3, raft.term(), 3));
  EXPECT_EQ(raft.commit(), 3u) << "two followers are a majority without it";
  EXPECT_TRUE(raft.take_output().committed.empty()) << "applied only when durable here";
  raft.persisted(output.token);
  EXPECT_EQ(raft.take_output().committed.size(), 2u);
}

TEST(RaftReplication, LeaderCountsItselfWhenPersisted) {
  Raft raft(config(1), {}, {});
  elect(raft);
  settle(raft);
  raft.propose("a", 1);
  const Output output = raft.take_output();
  raft.step(ack(2, raft.term(), 2));
  EXPECT_EQ(raft.commit(), 1u);
  raft.persisted(output.token);
  EXPECT_EQ(raft.commit(), 2u);
}

TEST(RaftReplication, AcknowledgementLeavesOnlyAfterPersist) {
  Raft raft(config(1), {.term = 1}, {});
  raft.step(append(2, 1, 0, 0, log_of({1, 1})));
  Output output = raft.take_output();
  EXPECT_EQ(output.entries.size(), 2u);
  EXPECT_TRUE(output.messages.empty());
  ASSERT_EQ(output.messages_after_persist.size(), 1u);
  EXPECT_EQ(output.messages_after_persist[0].log_index, 2u);

  raft.step(message(MessageType::heartbeat_request, 2, 1, 1));
  EXPECT_EQ(raft.take_output().messages.size(), 1u) << "heartbeats do not wait for a slow disk";
}

TEST(RaftReplication, NothingIsAppliedBeforeItIsDurableHere) {
  Raft raft(config(1), {.term = 1}, {});
  Message request = append(2, 1, 0, 0, log_of({1, 1}));
  request.commit = 2;
  raft.step(request);
  const Output output = raft.take_output();
  EXPECT_EQ(output.commit, 2u);
  EXPECT_TRUE(output.committed.empty());
  raft.persisted(output.token);
  EXPECT_EQ(raft.take_output().committed, log_of({1, 1}));
  EXPECT_TRUE(raft.take_output().committed.empty()) << "each entry once";
}

TEST(RaftReplication, PersistedBeforeATruncationDoesNotCountAfterIt) {
  Raft raft(config(1), {.term = 1}, {});
  raft.step(append(2, 1, 0, 0, log_of({1, 1, 1})));
  const Output first = raft.take_output();
  raft.step(append(3, 2, 1, 1, {{.term = 2, .index = 2, .first_job = 2}}));
  const Output second = raft.take_output();
  ASSERT_EQ(second.entries.size(), 1u);
  EXPECT_EQ(second.entries[0].index, 2u) << "its first index is what truncates the disk";
  raft.persisted(first.token);
  EXPECT_EQ(raft.durable(), 1u);
  raft.persisted(second.token);
  EXPECT_EQ(raft.durable(), 2u);
}

TEST(RaftReplication, LateAppendDoesNotTruncate) {
  Raft raft(config(1), {.term = 1}, log_of({1, 1, 1}));
  raft.step(append(2, 1, 0, 0, log_of({1})));
  EXPECT_EQ(raft.last_index(), 3u);
  EXPECT_EQ(settle(raft).of(MessageType::append_response).at(0).log_index, 1u)
      << "it speaks for what it has checked only";
}

TEST(RaftReplication, CommitEndsAtTheLastCheckedEntry) {
  Raft raft(config(1), {.term = 2}, log_of({1, 1, 1}));
  Message request = append(2, 2, 1, 1, {});
  request.commit = 3;
  raft.step(request);
  EXPECT_EQ(raft.commit(), 1u) << "entries 2 and 3 may conflict with the leader's";
}

// Figure 8: entry 2 of term 2 is on a majority, and may still be overwritten.
TEST(RaftReplication, EntriesOfOldTermsDoNotCommitByCounting) {
  for (const bool bug : {false, true}) {
    Config made = config(1);
    made.bugs.prior_term_commit_by_counting = bug;
    Raft raft(made, {.term = 3}, log_of({1, 2}));
    elect(raft);
    settle(raft);
    ASSERT_EQ(raft.last_index(), 3u) << "the no-op of its term";
    raft.step(ack(2, raft.term(), 2));
    EXPECT_EQ(raft.commit(), bug ? 2u : 0u);
    raft.step(ack(2, raft.term(), 3));
    EXPECT_EQ(raft.commit(), 3u);
  }
}

TEST(RaftReplication, BacktracksOverWholeTerms) {
  std::vector<Term> long_stale(5, 1);
  long_stale.insert(long_stale.end(), 300, 2);
  std::vector<Term> newer(5, 1);
  newer.insert(newer.end(), 200, 3);
  Raft leader(config(1), {.term = 3}, log_of(newer));
  Raft follower(config(2), {.term = 3}, log_of(long_stale));
  elect(leader);

  int refusals = 0;
  std::vector<Message> to_follower = settle(leader).messages;
  for (int rounds = 0; rounds < 50 && follower.last_index() != leader.last_index(); ++rounds) {
    for (const Message& sent : to_follower) follower.step(sent);
    for (const Message& answer : settle(follower).messages) {
      if (answer.type == MessageType::append_response && answer.reject) ++refusals;
      leader.step(answer);
    }
    to_follower = settle(leader).messages;
  }
  EXPECT_EQ(follower.last_index(), leader.last_index());
  EXPECT_EQ(follower.term_at(6), 3u);
  EXPECT_LE(refusals, 2) << "one for each term that differs, not one for each entry";
}

TEST(RaftReplication, LateRefusalsAreIgnored) {
  Raft raft(config(1), {.term = 1}, log_of({1, 1, 1, 1}));
  elect(raft);
  settle(raft);
  raft.step(ack(2, raft.term(), 5));
  Message refusal = ack(2, raft.term(), 4);
  refusal.reject = true;
  raft.step(refusal);
  EXPECT_EQ(raft.progress().at(2).state, Progress::State::replicate);
  EXPECT_EQ(raft.progress().at(2).match, 5u);
}

TEST(RaftReplication, PipelineIsBounded) {
  Config made = config(1);
  made.max_inflight = 3;
  made.max_entries_bytes_per_message = 1;
  Raft raft(made, {}, {});
  elect(raft);
  settle(raft);
  raft.step(ack(2, raft.term(), 1));
  for (int i = 0; i < 10; ++i) raft.propose("p", 1);
  auto sent = settle(raft).of(MessageType::append_request);
  std::erase_if(sent, [](const Message& m) { return m.entries.empty() || m.to != 2; });
  EXPECT_EQ(sent.size(), 3u) << "one entry each, without waiting for an answer";
  raft.step(ack(2, raft.term(), 2));
  sent = settle(raft).of(MessageType::append_request);
  std::erase_if(sent, [](const Message& m) { return m.entries.empty(); });
  EXPECT_EQ(sent.size(), 1u);
}

TEST(RaftReplication, LostAppendsAreFoundByTheNextHeartbeat) {
  Raft raft(config(1), {}, {});
  elect(raft);
  settle(raft);
  raft.step(ack(2, raft.term(), 1));
  raft.propose("lost", 1);
  settle(raft);
  raft.step(message(MessageType::heartbeat_response, 2, 1, raft.term()));
  const auto probe = settle(raft).of(MessageType::append_request).at(0);
  EXPECT_EQ(probe.log_index, 2u);
  Message refusal = ack(2, raft.term(), 2);
  refusal.reject = true;
  refusal.hint_index = 1;
  refusal.hint_term = raft.term();
  raft.step(refusal);
  EXPECT_EQ(settle(raft).of(MessageType::append_request).at(0).entries.size(), 1u);
}

TEST(RaftReplication, OnlyTheLeaderTakesProposals) {
  Raft raft(config(1), {.term = 1}, {});
  EXPECT_FALSE(raft.propose("x", 1));
  raft.step(message(MessageType::heartbeat_request, 2, 1, 1));
  EXPECT_FALSE(raft.propose("x", 1));
  EXPECT_EQ(raft.leader(), 2u);
}

TEST(RaftReplication, ProposalsAreReportedWhenLeadershipIsLost) {
  Raft raft(config(1), {}, {});
  elect(raft);
  const auto proposal = raft.propose("x", 2);
  settle(raft);
  raft.step(message(MessageType::heartbeat_request, 2, 1, raft.term() + 1));
  const Settled lost = settle(raft);
  ASSERT_EQ(lost.dropped.size(), 1u) << "and not the no-op";
  EXPECT_EQ(lost.dropped[0].index, proposal->index);
  EXPECT_EQ(lost.dropped[0].term, proposal->term);
}

TEST(RaftReplication, UnappliedEntriesAreBounded) {
  Config made = config(1);
  made.max_unapplied = 2;
  Raft raft(made, {.term = 1, .vote = 0, .commit = 5}, log_of({1, 1, 1, 1, 1}));
  EXPECT_EQ(raft.take_output().committed.size(), 2u);
  EXPECT_EQ(raft.take_output().committed.size(), 0u);
  raft.applied(2);
  EXPECT_EQ(raft.take_output().committed.size(), 2u);
}

// --- Job numbers ---

TEST(RaftJobs, FollowTheLastEntryOfTheLog) {
  Raft raft(config(1), {}, {});
  elect(raft);
  EXPECT_EQ(raft.last_job(), 0u) << "the no-op has no job";
  EXPECT_EQ(raft.propose("a", 3)->first_job, 1u);
  EXPECT_EQ(raft.propose("b", 1)->first_job, 4u);
  EXPECT_EQ(raft.last_job(), 4u);
}

TEST(RaftJobs, GoOnAcrossLeadersAndGiveBackWhatIsTruncated) {
  Raft raft(config(1), {.term = 1}, log_of({1, 1, 1}));
  raft.step(append(2, 2, 1, 1, {{.term = 2, .index = 2, .first_job = 2, .jobs = 0}}));
  EXPECT_EQ(raft.last_job(), 1u) << "jobs 2 and 3 were never acknowledged";
  elect(raft);
  EXPECT_EQ(raft.propose("a", 1)->first_job, 2u);
}

}  // namespace
}  // namespace gameday::search::raft
