// Elections, one rule at a time. All rules together, under faults: raft_sim_test.cc.
#include <gtest/gtest.h>

#include "sut/search/raft/raft_test_util.h"

namespace gameday::search::raft {
namespace {

using namespace testing_one_node;

TEST(RaftElection, VoteIsDeniedToAStaleLog) {
  const HardState state{.term = 3};
  struct Case {
    Index last_index;
    Term last_term;
    bool granted;
  };
  for (const Case& c : {Case{3, 3, true}, Case{2, 3, false}, Case{9, 2, false}, Case{1, 4, true}}) {
    Raft raft(config(1), state, log_of({1, 2, 3}));
    raft.step(vote_request(2, 4, c.last_index, c.last_term));
    const auto answers = settle(raft).of(MessageType::vote_response);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(!answers[0].reject, c.granted) << c.last_index << " of term " << c.last_term;
    EXPECT_EQ(raft.vote(), c.granted ? 2u : 0u);
    EXPECT_EQ(raft.term(), 4u);
  }
}

TEST(RaftElection, OneVoteInATerm) {
  Raft raft(config(1), {}, {});
  raft.step(vote_request(2, 1, 0, 0));
  raft.step(vote_request(3, 1, 0, 0));
  raft.step(vote_request(2, 1, 0, 0));
  const auto answers = settle(raft).of(MessageType::vote_response);
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_FALSE(answers[0].reject);
  EXPECT_TRUE(answers[1].reject);
  EXPECT_FALSE(answers[2].reject) << "the same candidate may ask again";
}

TEST(RaftElection, VoteSurvivesARestart) {
  Raft raft(config(1), {.term = 1, .vote = 2}, {});
  raft.step(vote_request(3, 1, 0, 0));
  EXPECT_TRUE(settle(raft).of(MessageType::vote_response).at(0).reject);
}

TEST(RaftElection, VoteLeavesOnlyAfterItIsDurable) {
  Raft raft(config(1), {}, {});
  raft.step(vote_request(2, 1, 0, 0));
  const Output output = raft.take_output();
  EXPECT_TRUE(output.messages.empty());
  ASSERT_EQ(output.messages_after_persist.size(), 1u);
  EXPECT_EQ(output.hard_state, (HardState{.term = 1, .vote = 2}));
  EXPECT_TRUE(output.needs_sync());
  EXPECT_NE(output.token, 0u);

  // What comes later waits for it too, though it has nothing to write itself.
  raft.step(vote_request(2, 1, 0, 0));
  const Output next = raft.take_output();
  EXPECT_TRUE(next.messages.empty());
  EXPECT_EQ(next.messages_after_persist.size(), 1u);
  EXPECT_FALSE(next.needs_sync());
  raft.persisted(next.token);
  raft.step(vote_request(2, 1, 0, 0));
  EXPECT_EQ(raft.take_output().messages.size(), 1u) << "nothing to wait for any more";
}

TEST(RaftElection, CandidateCountsItsOwnVoteOnlyWhenItIsDurable) {
  Config alone = config(1);
  alone.prevote = false;
  Raft raft(alone, {}, {});
  tick_until(raft, Role::candidate);
  const Output output = raft.take_output();
  EXPECT_TRUE(output.messages.empty()) << "a request must not be ahead of the vote for itself";
  raft.step(message(MessageType::vote_response, 2, 1, raft.term()));
  EXPECT_EQ(raft.role(), Role::candidate);
  raft.persisted(output.token);
  EXPECT_EQ(raft.role(), Role::leader);
}

TEST(RaftElection, RejectionsEndACampaign) {
  Raft raft(config(1), {}, {});
  tick_until(raft, Role::precandidate);
  for (const NodeId peer : {2u, 3u}) {
    Message answer = message(MessageType::prevote_response, peer, 1, 0);
    answer.reject = true;
    raft.step(answer);
  }
  EXPECT_EQ(raft.role(), Role::follower);
  EXPECT_EQ(raft.term(), 0u);
}

TEST(RaftElection, PreVoteChangesNoTerm) {
  Raft raft(config(1), {.term = 5}, {});
  for (int i = 0; i < 20 * election_ticks; ++i) raft.tick();
  EXPECT_EQ(raft.role(), Role::precandidate);
  EXPECT_EQ(raft.term(), 5u) << "a node alone stays in its term, and disturbs nobody later";
  EXPECT_EQ(settle(raft).of(MessageType::prevote_request).at(0).term, 6u);

  Message ask = vote_request(2, 9, 0, 0);
  ask.type = MessageType::prevote_request;
  raft.step(ask);
  EXPECT_EQ(raft.term(), 5u);
  const auto answer = settle(raft).of(MessageType::prevote_response).at(0);
  EXPECT_FALSE(answer.reject);
  EXPECT_EQ(answer.term, 9u);
}

TEST(RaftElection, WhoHearsALeaderIgnoresElections) {
  Raft raft(config(1), {.term = 1}, {});
  raft.step(message(MessageType::heartbeat_request, 2, 1, 1));
  settle(raft);
  Message prevote = vote_request(3, 7, 9, 1);
  prevote.type = MessageType::prevote_request;
  raft.step(prevote);
  raft.step(vote_request(3, 7, 9, 1));
  EXPECT_TRUE(settle(raft).messages.empty());
  EXPECT_EQ(raft.term(), 1u);

  Message forced = vote_request(3, 7, 9, 1);
  forced.force = true;
  raft.step(forced);
  EXPECT_EQ(raft.vote(), 3u) << "leadership transfer passes by the lease";
}

TEST(RaftElection, LeaseEndsWithTheElectionTimeout) {
  Raft raft(config(1), {.term = 1}, {});
  raft.step(message(MessageType::heartbeat_request, 2, 1, 1));
  for (int i = 0; i < election_ticks; ++i) raft.tick();
  raft.step(vote_request(3, 7, 9, 1));
  EXPECT_EQ(raft.vote(), 3u);
}

TEST(RaftElection, LeaderWithoutAQuorumStepsDown) {
  Raft raft(config(1), {}, {});
  elect(raft);
  const Term term = raft.term();
  for (int i = 0; i < 3 * election_ticks; ++i) {
    raft.tick();
    raft.step(message(MessageType::heartbeat_response, 2, 1, term));
  }
  EXPECT_EQ(raft.role(), Role::leader) << "one follower and itself are a quorum";
  for (int i = 0; i < 2 * election_ticks; ++i) raft.tick();
  EXPECT_NE(raft.role(), Role::leader);
}

TEST(RaftElection, OldLeaderIsToldTheTerm) {
  Raft raft(config(1), {.term = 5}, {});
  raft.step(message(MessageType::heartbeat_request, 2, 1, 3));
  EXPECT_EQ(settle(raft).of(MessageType::append_response).at(0).term, 5u);

  Raft leader(config(1), {}, {});
  elect(leader);
  Message answer = message(MessageType::append_response, 2, 1, leader.term() + 4);
  answer.reject = true;
  leader.step(answer);
  EXPECT_EQ(leader.role(), Role::follower);
}

TEST(RaftElection, LeadershipIsHandedToACaughtUpVoter) {
  Raft raft(config(1), {}, {});
  elect(raft);
  EXPECT_FALSE(raft.transfer_leadership(2)) << "it does not hold the log yet";
  raft.step(ack(2, raft.term(), raft.last_index()));
  EXPECT_TRUE(raft.transfer_leadership(2));
  EXPECT_EQ(settle(raft).of(MessageType::timeout_now).size(), 1u);

  Raft target(config(1), {.term = 1}, {});
  target.step(message(MessageType::timeout_now, 2, 1, 1));
  EXPECT_EQ(target.role(), Role::candidate);
  EXPECT_TRUE(settle(target).of(MessageType::vote_request).at(0).force);
}

TEST(RaftElection, StrangersAreIgnored) {
  Raft raft(config(1), {}, {});
  raft.step(vote_request(9, 4, 9, 9));
  Message misdirected = vote_request(2, 4, 9, 9);
  misdirected.to = 3;
  raft.step(misdirected);
  EXPECT_EQ(raft.term(), 0u);
  EXPECT_TRUE(settle(raft).messages.empty());
}

// A node that hears nobody: node 2 hears its leader, node 1, all the time.
TEST(RaftElection, BugNoPrevoteLetsADeafNodeRaiseTheTermOfAll) {
  for (const bool bug : {false, true}) {
    Config deaf_config = config(3);
    deaf_config.bugs.no_prevote = bug;
    Raft deaf(deaf_config, {.term = 1}, {});
    Config leading = config(1);
    leading.bugs.no_prevote = bug;
    Raft leader(leading, {}, {});
    elect(leader);
    const Term before = leader.term();
    for (int i = 0; i < 10 * election_ticks; ++i) {
      deaf.tick();
      leader.step(ack(2, leader.term(), leader.last_index()));
      leader.tick();
      (void)settle(leader);
      for (const Message& sent : settle(deaf).messages)
        if (sent.to == 1) leader.step(sent);
    }
    EXPECT_EQ(leader.role() == Role::leader, !bug);
    EXPECT_EQ(leader.term() > before + 2, bug) << leader.term();
    EXPECT_EQ(deaf.term() > 3, bug) << deaf.term();
  }
}

}  // namespace
}  // namespace gameday::search::raft
