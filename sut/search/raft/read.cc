// Linearizable reads without the log: the read index of thesis 6.4.
#include <algorithm>
#include <functional>
#include <utility>

#include "sut/search/raft/raft.h"

namespace gameday::search::raft {

void Raft::read_index(std::uint64_t context) {
  if (role_ == Role::leader) {
    add_read({.from = config_.id, .context = context});
  } else if (leader_ == 0) {
    failed_reads_.push_back(context);
  } else {
    const std::uint64_t id = next_read_id_++;
    forwarded_[id] = {.context = context};
    Message request = message_to(leader_, MessageType::read_index_request);
    request.context = id;
    send(std::move(request));
  }
}

// A new leader holds all committed entries but does not know which they are, until one of its own
// term has committed (6.4, step 1).
bool Raft::committed_in_own_term() const { return commit_ >= term_start_; }

void Raft::add_read(Read read) {
  // BUG new-leader-reads-before-own-term-commit: the commit index of its time as a follower is
  // good enough, though the old leader may have acknowledged more.
  if (!committed_in_own_term() && !config_.bugs.new_leader_reads_before_own_term_commit) {
    reads_before_commit_.push_back(read);
    return;
  }
  read.index = commit_;
  // BUG lease-read-without-clock-bound: who believes to be the leader asks nobody.
  if (config_.bugs.lease_read_without_clock_bound) return answer_read(read);
  reads_next_round_.push_back(read);
}

// All reads that came in since the last round share one exchange of heartbeats. It must begin
// after them: an answer to an older heartbeat says nothing about now.
void Raft::start_read_round() {
  ++read_round_;
  for (Read& read : reads_next_round_) {
    read.round = read_round_;
    reads_in_rounds_.push_back(read);
  }
  reads_next_round_.clear();
  release_confirmed_reads(config_.id, read_round_);
}

// A quorum's answers to a round show that no newer leader had been elected when it began.
void Raft::release_confirmed_reads(NodeId from, std::uint64_t round) {
  round_heard_[from] = std::max(round_heard_[from], round);
  std::vector<std::uint64_t> heard;
  for (const NodeId voter : voters_) heard.push_back(round_heard_[voter]);
  std::sort(heard.begin(), heard.end(), std::greater<>());
  const std::uint64_t confirmed = heard[quorum() - 1];
  std::erase_if(reads_in_rounds_, [&](const Read& read) {
    if (read.round > confirmed) return false;
    answer_read(read);
    return true;
  });
}

void Raft::answer_read(const Read& read) {
  if (read.from == config_.id) {
    ready_reads_.push_back({.context = read.context, .index = read.index});
    return;
  }
  Message answer = message_to(read.from, MessageType::read_index_response);
  answer.context = read.context;
  answer.log_index = read.index;
  send(std::move(answer));
}

void Raft::fail_read(const Read& read) {
  if (read.from == config_.id) {
    failed_reads_.push_back(read.context);
    return;
  }
  Message answer = message_to(read.from, MessageType::read_index_response);
  answer.context = read.context;
  answer.reject = true;
  send(std::move(answer));
}

void Raft::fail_leader_reads() {
  for (auto* reads : {&reads_before_commit_, &reads_next_round_, &reads_in_rounds_}) {
    for (const Read& read : *reads) fail_read(read);
    reads->clear();
  }
}

void Raft::fail_forwarded_reads() {
  for (const auto& [id, read] : forwarded_) failed_reads_.push_back(read.context);
  forwarded_.clear();
}

// The request or its answer may have been lost.
void Raft::age_forwarded_reads() {
  for (auto& [id, read] : forwarded_) ++read.age;
  std::erase_if(forwarded_, [this](const auto& item) {
    const ForwardedRead& read = item.second;
    if (read.age <= 2 * config_.election_ticks) return false;
    failed_reads_.push_back(read.context);
    return true;
  });
}

void Raft::handle_read_index_request(const Message& request) {
  const Read read{.from = request.from, .context = request.context};
  if (role_ == Role::leader) {
    add_read(read);
  } else {
    fail_read(read);
  }
}

void Raft::handle_read_index_response(const Message& answer) {
  const auto found = forwarded_.find(answer.context);
  if (found == forwarded_.end()) return;
  const std::uint64_t context = found->second.context;
  forwarded_.erase(found);
  if (answer.reject) {
    failed_reads_.push_back(context);
  } else {
    ready_reads_.push_back({.context = context, .index = answer.log_index});
  }
}

}  // namespace gameday::search::raft
