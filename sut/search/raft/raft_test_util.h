// One node at a time, its messages written by hand: for tests of single rules.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "sut/search/raft/raft.h"

namespace gameday::search::raft::testing_one_node {

inline constexpr int election_ticks = 10;

inline Config config(NodeId id, NodeId nodes = 3) {
  Config made;
  made.id = id;
  for (NodeId voter = 1; voter <= nodes; ++voter) made.voters.push_back(voter);
  made.election_ticks = election_ticks;
  made.heartbeat_ticks = 2;
  made.seed = id;
  return made;
}

// A log with entries of these terms, one job each.
inline std::vector<Entry> log_of(const std::vector<Term>& terms) {
  std::vector<Entry> log;
  for (const Term term : terms) {
    const Index index = log.size() + 1;
    log.push_back({.term = term, .index = index, .first_job = index, .jobs = 1, .payload = "x"});
  }
  return log;
}

inline Message message(MessageType type, NodeId from, NodeId to, Term term) {
  Message made;
  made.type = type;
  made.from = from;
  made.to = to;
  made.term = term;
  return made;
}

inline Message vote_request(NodeId from, Term term, Index last_index, Term last_term) {
  Message request = message(MessageType::vote_request, from, 1, term);
  request.log_index = last_index;
  request.log_term = last_term;
  return request;
}

inline Message append(NodeId from, Term term, Index after, Term after_term,
                      std::vector<Entry> entries) {
  Message request = message(MessageType::append_request, from, 1, term);
  request.log_index = after;
  request.log_term = after_term;
  request.entries = std::move(entries);
  return request;
}

inline Message ack(NodeId from, Term term, Index match) {
  Message answer = message(MessageType::append_response, from, 1, term);
  answer.log_index = match;
  return answer;
}

// All that has happened at a node whose disk is fast.
struct Settled {
  std::vector<Message> messages;
  std::vector<Entry> committed;
  std::vector<ReadState> reads;
  std::vector<std::uint64_t> failed_reads;
  std::vector<Proposal> dropped;

  std::vector<Message> of(MessageType type) const {
    std::vector<Message> found;
    std::copy_if(messages.begin(), messages.end(), std::back_inserter(found),
                 [type](const Message& sent) { return sent.type == type; });
    return found;
  }
};

inline Settled settle(Raft& raft) {
  Settled all;
  const auto add = [](auto& to, const auto& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  for (Output output = raft.take_output(); !output.empty(); output = raft.take_output()) {
    add(all.messages, output.messages);
    add(all.messages, output.messages_after_persist);
    add(all.committed, output.committed);
    add(all.reads, output.reads);
    add(all.failed_reads, output.failed_reads);
    add(all.dropped, output.dropped_proposals);
    if (output.token != 0) raft.persisted(output.token);
    raft.applied(raft.applied() + output.committed.size());
  }
  return all;
}

// Ticks a node and grants its requests until it leads.
inline void elect(Raft& raft) {
  for (int i = 0; i < 10 * election_ticks && raft.role() != Role::leader; ++i) {
    raft.tick();
    for (const Message& request : settle(raft).messages) {
      const bool prevote = request.type == MessageType::prevote_request;
      if (!prevote && request.type != MessageType::vote_request) continue;
      raft.step(message(prevote ? MessageType::prevote_response : MessageType::vote_response,
                        request.to, request.from, request.term));
    }
  }
  ASSERT_EQ(raft.role(), Role::leader);
}

inline void tick_until(Raft& raft, Role role) {
  for (int i = 0; i < 2 * election_ticks && raft.role() != role; ++i) raft.tick();
  ASSERT_EQ(raft.role(), role);
}

}  // namespace gameday::search::raft::testing_one_node
