// Linearizable reads, one rule at a time.
#include <gtest/gtest.h>

#include "sut/search/raft/raft_test_util.h"

namespace gameday::search::raft {
namespace {

using namespace testing_one_node;

TEST(RaftRead, WaitsForACommitOfItsOwnTerm) {
  Raft raft(config(1), {.term = 1, .vote = 0, .commit = 1}, log_of({1, 1}));
  elect(raft);
  raft.read_index(7);
  settle(raft);
  for (int i = 0; i < 4; ++i) raft.tick();
  const auto early = settle(raft).of(MessageType::heartbeat_request);
  ASSERT_FALSE(early.empty());
  Message heard = message(MessageType::heartbeat_response, 2, 1, raft.term());
  heard.context = early.back().context;
  raft.step(heard);
  EXPECT_TRUE(settle(raft).reads.empty()) << "a quorum answered, but nothing has committed";

  raft.step(ack(2, raft.term(), 3));
  const auto beats = settle(raft).of(MessageType::heartbeat_request);
  ASSERT_FALSE(beats.empty());
  heard.context = beats.back().context;
  raft.step(heard);
  const Settled after = settle(raft);
  ASSERT_EQ(after.reads.size(), 1u);
  EXPECT_EQ(after.reads[0].context, 7u);
  EXPECT_EQ(after.reads[0].index, 3u) << "and not the commit index of its time as a follower";
}

class RaftLeaderRead : public testing::Test {
 protected:
  void SetUp() override {
    elect(raft);
    settle(raft);
    raft.step(ack(2, raft.term(), 1));
    settle(raft);
  }
  Message heartbeat_answer(std::uint64_t round) {
    Message answer = message(MessageType::heartbeat_response, 2, 1, raft.term());
    answer.context = round;
    return answer;
  }

  Raft raft{config(1), {}, {}};
};

TEST_F(RaftLeaderRead, SharesOneRound) {
  for (std::uint64_t context = 1; context <= 5; ++context) raft.read_index(context);
  Settled asked = settle(raft);
  EXPECT_TRUE(asked.reads.empty());
  const auto beats = asked.of(MessageType::heartbeat_request);
  ASSERT_EQ(beats.size(), 2u) << "one heartbeat a peer for five reads";
  raft.step(heartbeat_answer(beats[0].context));
  EXPECT_EQ(settle(raft).reads.size(), 5u);
}

TEST_F(RaftLeaderRead, NeedsARoundThatBeganAfterIt) {
  raft.read_index(1);
  const auto first = settle(raft).of(MessageType::heartbeat_request).at(0);
  raft.read_index(2);
  settle(raft);
  raft.step(heartbeat_answer(first.context));
  Settled answered = settle(raft);
  ASSERT_EQ(answered.reads.size(), 1u);
  EXPECT_EQ(answered.reads[0].context, 1u) << "read 2 came after the round had begun";
  const auto second = answered.of(MessageType::heartbeat_request).at(0);
  EXPECT_GT(second.context, first.context);
  raft.step(heartbeat_answer(second.context));
  EXPECT_EQ(settle(raft).reads.at(0).context, 2u);
}

TEST_F(RaftLeaderRead, FailsWhenTheLeaderStepsDown) {
  raft.read_index(1);
  settle(raft);
  raft.step(message(MessageType::heartbeat_request, 3, 1, raft.term() + 1));
  EXPECT_EQ(settle(raft).failed_reads, std::vector<std::uint64_t>{1});
}

TEST_F(RaftLeaderRead, AnswersAFollower) {
  Message ask = message(MessageType::read_index_request, 3, 1, raft.term());
  ask.context = 99;
  raft.step(ask);
  const auto beat = settle(raft).of(MessageType::heartbeat_request).at(0);
  raft.step(heartbeat_answer(beat.context));
  const auto answer = settle(raft).of(MessageType::read_index_response).at(0);
  EXPECT_EQ(answer.to, 3u);
  EXPECT_EQ(answer.context, 99u);
  EXPECT_EQ(answer.log_index, 1u);
  EXPECT_FALSE(answer.reject);
}

TEST(RaftRead, IsForwardedByAFollower) {
  Raft raft(config(1), {.term = 1}, {});
  raft.read_index(1);
  EXPECT_EQ(settle(raft).failed_reads, std::vector<std::uint64_t>{1}) << "no leader is known";

  raft.step(message(MessageType::heartbeat_request, 2, 1, 1));
  raft.read_index(5);
  const auto asked = settle(raft).of(MessageType::read_index_request).at(0);
  EXPECT_EQ(asked.to, 2u);
  Message answer = message(MessageType::read_index_response, 2, 1, 1);
  answer.context = asked.context;
  answer.log_index = 12;
  raft.step(answer);
  raft.step(answer);
  const auto reads = settle(raft).reads;
  ASSERT_EQ(reads.size(), 1u) << "once, though the answer came twice";
  EXPECT_EQ(reads[0].context, 5u);
  EXPECT_EQ(reads[0].index, 12u);
}

TEST(RaftRead, ForwardedReadFailsWhenTheLeaderIsSilentOrChanges) {
  Raft raft(config(1), {.term = 1}, {});
  raft.step(message(MessageType::heartbeat_request, 2, 1, 1));
  raft.read_index(5);
  for (int i = 0; i < 3 * election_ticks; ++i) {
    raft.tick();
    raft.step(message(MessageType::heartbeat_request, 2, 1, 1));
  }
  EXPECT_EQ(settle(raft).failed_reads, std::vector<std::uint64_t>{5});
  raft.read_index(6);
  raft.step(message(MessageType::heartbeat_request, 3, 1, 2));
  EXPECT_EQ(settle(raft).failed_reads, std::vector<std::uint64_t>{6});
}

TEST(RaftRead, AnswerToAnEarlierLifeMatchesNoRead) {
  Config second_life = config(1);
  second_life.seed = 77;
  Raft before(config(1), {.term = 1}, {});
  Raft after(second_life, {.term = 1}, {});
  std::vector<std::uint64_t> ids;
  for (Raft* raft : {&before, &after}) {
    raft->step(message(MessageType::heartbeat_request, 2, 1, 1));
    raft->read_index(5);
    ids.push_back(settle(*raft).of(MessageType::read_index_request).at(0).context);
  }
  EXPECT_NE(ids[0], ids[1]);
}

}  // namespace
}  // namespace gameday::search::raft
