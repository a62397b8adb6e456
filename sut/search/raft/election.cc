// Elections: paper 5.2 and 5.4.1, PreVote (thesis 9.6), CheckQuorum (thesis 6.2) and leadership
// transfer (thesis 3.10).
#include <algorithm>
#include <limits>
#include <utility>

#include "sut/search/raft/raft.h"

namespace gameday::search::raft {

void Raft::reset_election_timer() {
  election_elapsed_ = 0;
  // Drawn anew each time, so that split votes do not repeat themselves (5.2).
  std::uniform_int_distribution<int> ticks(config_.election_ticks, 2 * config_.election_ticks - 1);
  election_timeout_ = ticks(rng_);
}

// Thesis 4.2.3. Without CheckQuorum a leader may be cut off and never know, so that the others
// must not wait for it.
bool Raft::in_lease() const {
  return config_.check_quorum && leader_ != 0 && election_elapsed_ < config_.election_ticks;
}

void Raft::become_follower(Term term, NodeId leader) {
  if (role_ == Role::leader) abdicate();
  if (term != term_ || leader != leader_) fail_forwarded_reads();
  if (term != term_) {
    term_ = term;
    vote_ = 0;
  }
  role_ = Role::follower;
  leader_ = leader;
  votes_.clear();
  reset_election_timer();
}

void Raft::hear_leader(NodeId leader) {
  if (role_ != Role::follower || leader_ != leader) become_follower(term_, leader);
  election_elapsed_ = 0;
  silent_campaigns_ = 0;
}

// Leaves the leader's role, while the term is still the one that was led.
void Raft::abdicate() {
  for (Index index = commit_ + 1; index <= log_.last_index(); ++index) {
    const Entry& entry = log_.at(index);
    if (entry.term != term_ || entry.jobs == 0) continue;
    dropped_proposals_.push_back({.index = index,
                                  .term = entry.term,
                                  .first_job = entry.first_job,
                                  .jobs = entry.jobs});
  }
  fail_leader_reads();
  if (config_.bugs.ex_leader_rolls_back_committed) roll_back_as_ex_leader();
  progress_.clear();
}

// BUG ex-leader-rolls-back-committed: drops the entries of its term that not every peer had
// confirmed. It took the least match for the majority's, so it drops committed ones as well.
void Raft::roll_back_as_ex_leader() {
  Index confirmed = std::numeric_limits<Index>::max();
  for (const auto& [peer, progress] : progress_) confirmed = std::min(confirmed, progress.match);
  if (progress_.empty()) return;
  truncate_from(std::max(confirmed, term_start_ - 1) + 1);
}

void Raft::start_election() {
  if (config_.bugs.peer_list_shrinks_to_self) forget_silent_voters();
  // BUG no-prevote: the term is raised before anybody has said that he would vote for it.
  campaign(config_.prevote && !config_.bugs.no_prevote, /*force=*/false);
}

// BUG peer-list-shrinks-to-self: after three campaigns in a row, peers that sent nothing in the
// meantime are no longer voters, so that a node left alone soon is a majority by itself.
void Raft::forget_silent_voters() {
  if (silent_campaigns_++ == 0) heard_.clear();
  if (silent_campaigns_ <= 3) return;
  std::erase_if(voters_, [this](NodeId id) { return id != config_.id && !heard_[id]; });
  silent_campaigns_ = 0;
}

void Raft::remember_voter(NodeId id) {
  heard_[id] = true;
  if (is_voter(id)) return;
  voters_.push_back(id);
  if (role_ == Role::leader) progress_[id].next = log_.last_index() + 1;
}

void Raft::campaign(bool prevote, bool force) {
  fail_forwarded_reads();
  leader_ = 0;
  votes_.clear();
  reset_election_timer();
  role_ = prevote ? Role::precandidate : Role::candidate;
  if (!prevote) {
    ++term_;
    vote_ = config_.id;
  }
  for (const NodeId peer : voters_) {
    if (peer == config_.id) continue;
    Message request = message_to(
        peer, prevote ? MessageType::prevote_request : MessageType::vote_request);
    if (prevote) request.term = term_ + 1;
    request.log_index = log_.last_index();
    request.log_term = log_.last_term();
    request.force = force;
    // Not before our own vote is durable: a candidate that forgot this campaign in a crash could
    // lead the same term twice, with the votes of its first life and the log of its second.
    send_after_persist(std::move(request));
  }
  // A pre-vote promises nothing. The real vote is counted in persisted().
  if (prevote) count_vote(config_.id, true);
}

void Raft::handle_vote_request(const Message& request) {
  const bool prevote = request.type == MessageType::prevote_request;
  const bool may_vote = prevote ? request.term > term_
                                : vote_ == request.from || (vote_ == 0 && leader_ == 0);
  // Leader completeness rests on this (5.4.1): who lacks a committed entry gets no majority.
  // BUG no-log-up-to-date-check: the first who asks gets the vote.
  const bool up_to_date = config_.bugs.no_log_up_to_date_check ||
                          log_.is_up_to_date(request.log_index, request.log_term);
  const bool granted = may_vote && up_to_date;

  if (granted && !prevote) {
    if (role_ == Role::precandidate) become_follower(term_, 0);
    vote_ = request.from;
    election_elapsed_ = 0;
  }
  Message answer = message_to(
      request.from, prevote ? MessageType::prevote_response : MessageType::vote_response);
  if (prevote && granted) answer.term = request.term;
  answer.reject = !granted;
  send_after_persist(std::move(answer));
}

void Raft::handle_vote_response(const Message& answer) {
  const bool prevote = answer.type == MessageType::prevote_response;
  if (role_ != (prevote ? Role::precandidate : Role::candidate)) return;
  const Term asked = prevote && !answer.reject ? term_ + 1 : term_;
  if (answer.term == asked) count_vote(answer.from, !answer.reject);
}

void Raft::count_vote(NodeId from, bool granted) {
  votes_.emplace(from, granted);
  std::size_t yes = 0;
  std::size_t no = 0;
  for (const NodeId voter : voters_) {
    const auto vote = votes_.find(voter);
    if (vote != votes_.end()) ++(vote->second ? yes : no);
  }
  if (yes >= quorum()) {
    if (role_ == Role::precandidate) {
      campaign(/*prevote=*/false, /*force=*/false);
    } else {
      become_leader();
    }
  } else if (no >= quorum()) {
    become_follower(term_, 0);
  }
}

void Raft::become_leader() {
  role_ = Role::leader;
  leader_ = config_.id;
  election_elapsed_ = 0;
  heartbeat_elapsed_ = 0;
  silent_campaigns_ = 0;
  round_heard_.clear();
  term_start_ = log_.last_index() + 1;
  progress_.clear();
  for (const NodeId peer : voters_) {
    if (peer != config_.id) progress_[peer].next = term_start_;
  }
  // Entries of earlier terms commit only under one of this term (5.4.2), so there must be one soon.
  append_as_leader({}, 0);
}

// A leader without a majority for an election timeout steps down (thesis 6.2), so that its clients
// look for another one and the leases of its followers end.
void Raft::check_quorum() {
  int limit = config_.election_ticks;
  // BUG lease-read-without-clock-bound: the lease lives on long after the others elect anew.
  if (config_.bugs.lease_read_without_clock_bound) limit *= 30;
  if (election_elapsed_ < limit) return;
  election_elapsed_ = 0;
  std::size_t active = 1;
  for (auto& [peer, progress] : progress_) active += std::exchange(progress.recent_active, false);
  if (active < quorum()) become_follower(term_, 0);
}

bool Raft::transfer_leadership(NodeId to) {
  const auto found = progress_.find(to);
  if (role_ != Role::leader || found == progress_.end()) return false;
  if (found->second.match != log_.last_index()) return false;
  send(message_to(to, MessageType::timeout_now));
  return true;
}

}  // namespace gameday::search::raft
