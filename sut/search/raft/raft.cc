// Construction, the clock, dispatch by term and type, and outputs.
#include "sut/search/raft/raft.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace gameday::search::raft {

std::string_view name(Role role) {
  switch (role) {
    case Role::follower: return "follower";
    case Role::precandidate: return "precandidate";
    case Role::candidate: return "candidate";
    case Role::leader: return "leader";
  }
  return "unknown";
}

bool Output::empty() const {
  return token == 0 && messages.empty() && committed.empty() && reads.empty() &&
         failed_reads.empty() && dropped_proposals.empty();
}

Raft::Raft(Config config, HardState hard_state, std::vector<Entry> log, LogBase base)
    : config_(std::move(config)),
      voters_(config_.voters),
      rng_(config_.seed),
      term_(hard_state.term),
      vote_(hard_state.vote),
      log_(base, std::move(log)),
      // The hint may have reached the disk before the entries that it speaks of.
      commit_(std::clamp(hard_state.commit, base.index, log_.last_index())),
      applied_(base.index),
      handed_out_(base.index),
      written_(hard_state),
      unwritten_(log_.last_index() + 1),
      durable_(log_.last_index()),
      next_read_id_(rng_()) {
  reset_election_timer();
}

bool Raft::is_voter(NodeId id) const {
  return std::find(voters_.begin(), voters_.end(), id) != voters_.end();
}

Message Raft::message_to(NodeId to, MessageType type) const {
  Message message;
  message.type = type;
  message.from = config_.id;
  message.to = to;
  message.term = term_;
  return message;
}

void Raft::tick() {
  age_forwarded_reads();
  ++election_elapsed_;
  if (role_ == Role::leader) {
    tick_leader();
  } else if (election_elapsed_ >= election_timeout_ && is_voter(config_.id)) {
    start_election();
  }
}

void Raft::tick_leader() {
  if (config_.check_quorum) check_quorum();
  if (role_ != Role::leader) return;
  if (++heartbeat_elapsed_ >= config_.heartbeat_ticks) {
    heartbeat_elapsed_ = 0;
    // A new round, so that reads are not held up by the loss of an earlier round's messages.
    start_read_round();
    send_heartbeats();
  }
}

void Raft::step(const Message& message) {
  const auto& known = config_.voters;
  if (message.to != config_.id || message.from == config_.id) return;
  if (std::find(known.begin(), known.end(), message.from) == known.end()) return;
  remember_voter(message.from);
  if (!handle_term(message)) return;

  switch (message.type) {
    case MessageType::prevote_request:
    case MessageType::vote_request: return handle_vote_request(message);
    case MessageType::prevote_response:
    case MessageType::vote_response: return handle_vote_response(message);
    case MessageType::append_request: return handle_append_request(message);
    case MessageType::append_response: return handle_append_response(message);
    case MessageType::heartbeat_request: return handle_heartbeat_request(message);
    case MessageType::heartbeat_response: return handle_heartbeat_response(message);
    case MessageType::read_index_request: return handle_read_index_request(message);
    case MessageType::read_index_response: return handle_read_index_response(message);
    case MessageType::timeout_now:
      if (role_ == Role::follower) campaign(/*prevote=*/false, /*force=*/true);
      return;
  }
}

// The paper's "rules for all servers", with the exceptions that PreVote and leases make. Answers
// whether the message is to be handled further.
bool Raft::handle_term(const Message& message) {
  const bool asks_vote = message.type == MessageType::prevote_request ||
                         message.type == MessageType::vote_request;
  if (message.term < term_) {
    handle_lower_term(message);
    return false;
  }
  if (message.term == term_) return true;

  // Thesis 4.2.3: who hears from a leader neither votes nor takes over the asker's term, or
  // a node that comes back from a partition would depose a leader which works.
  // BUG no-prevote: without the one and without the other.
  if (asks_vote && !message.force && in_lease() && !config_.bugs.no_prevote) return false;
  if (message.type == MessageType::prevote_request) return true;  // a pre-vote changes no term
  if (message.type == MessageType::prevote_response && !message.reject) return true;

  const bool from_leader = message.type == MessageType::append_request ||
                           message.type == MessageType::heartbeat_request ||
                           message.type == MessageType::timeout_now;
  become_follower(message.term, from_leader ? message.from : 0);
  return true;
}

// A node behind the others is told the current term only where silence could block it: PreVote
// and leases mean that no vote request would ever tell it.
void Raft::handle_lower_term(const Message& message) {
  if (message.type == MessageType::prevote_request) {
    Message answer = message_to(message.from, MessageType::prevote_response);
    answer.reject = true;
    send_after_persist(std::move(answer));
  } else if (message.type == MessageType::append_request ||
             message.type == MessageType::heartbeat_request) {
    // The old leader steps down on the term alone: a refusal of nothing in particular.
    Message answer = message_to(message.from, MessageType::append_response);
    answer.reject = true;
    send_after_persist(std::move(answer));
  }
}

void Raft::persisted(std::uint64_t token) {
  HardState durable_vote{.term = 0, .vote = 0, .commit = 0};
  while (!in_flight_.empty() && in_flight_.front().token <= token) {
    const InFlight& done = in_flight_.front();
    durable_ = std::max(durable_, done.last_index);
    durable_vote = {.term = done.term, .vote = done.vote, .commit = 0};
    in_flight_.pop_front();
  }
  // A candidate counts its own vote only now, as it does with everyone else's.
  if (role_ == Role::candidate && durable_vote.term == term_ && durable_vote.vote == config_.id) {
    count_vote(config_.id, true);
  }
  if (role_ == Role::leader) advance_commit();
}

void Raft::applied(Index index) { applied_ = std::clamp(index, applied_, handed_out_); }

Output Raft::take_output() {
  if (role_ == Role::leader) {
    if (reads_in_rounds_.empty() && !reads_next_round_.empty()) {
      start_read_round();
      send_heartbeats();
    }
    replicate();
  }
  Output output;
  take_disk_work(output);
  output.messages = std::exchange(messages_, {});
  output.commit = commit_;
  take_committed(output);
  output.reads = std::exchange(ready_reads_, {});
  output.failed_reads = std::exchange(failed_reads_, {});
  output.dropped_proposals = std::exchange(dropped_proposals_, {});
  return output;
}

void Raft::take_disk_work(Output& output) {
  if (unwritten_ <= log_.last_index()) {
    output.entries =
        log_.slice(unwritten_, log_.last_index(), std::numeric_limits<std::size_t>::max());
    unwritten_ = log_.last_index() + 1;
  }
  // The commit index alone is not worth a write: figure 2 does not even keep it.
  const bool vote_changed = term_ != written_.term || vote_ != written_.vote;
  if (vote_changed || !output.entries.empty()) {
    written_ = {.term = term_, .vote = vote_, .commit = commit_};
    // BUG vote-not-durable: a node forgets in a crash that it has voted, and votes again.
    if (!config_.bugs.vote_not_durable) output.hard_state = written_;
  }
  const bool needs_token = output.needs_sync() || vote_changed;
  if (needs_token || (!messages_after_.empty() && !in_flight_.empty())) {
    output.token = next_token_++;
    in_flight_.push_back(
        {.token = output.token, .last_index = log_.last_index(), .term = term_, .vote = vote_});
    output.messages_after_persist = std::exchange(messages_after_, {});
    return;
  }
  // All that these messages depend on is durable already.
  for (Message& message : messages_after_) messages_.push_back(std::move(message));
  messages_after_.clear();
}

void Raft::take_committed(Output& output) {
  // Only what is durable here as well, so that no node's state is ever ahead of its own log.
  Index until = std::min(commit_, durable_);
  // BUG uncommitted-visible: the leader applies what it has just appended.
  if (config_.bugs.uncommitted_visible && role_ == Role::leader) until = log_.last_index();
  until = std::min(until, applied_ + config_.max_unapplied);
  for (; handed_out_ < until; ++handed_out_) {
    output.committed.push_back(log_.at(handed_out_ + 1));
  }
}

}  // namespace gameday::search::raft
