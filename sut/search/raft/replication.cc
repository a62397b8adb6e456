// Log replication: paper 5.3 and 5.4.2, batched and pipelined (thesis 10.2).
#include <algorithm>
#include <functional>
#include <utility>

#include "sut/search/raft/raft.h"

namespace gameday::search::raft {

std::optional<Proposal> Raft::propose(std::string payload, std::uint32_t jobs) {
  if (role_ != Role::leader) return std::nullopt;
  append_as_leader(std::move(payload), jobs);
  const Entry& entry = log_.at(log_.last_index());
  return Proposal{
      .index = entry.index, .term = term_, .first_job = entry.first_job, .jobs = jobs};
}

void Raft::append_as_leader(std::string payload, std::uint32_t jobs) {
  Entry entry;
  entry.term = term_;
  entry.index = log_.last_index() + 1;
  entry.first_job = log_.last_job() + 1;
  // BUG job-id-reused: a new leader goes on from the last job it knows to be committed.
  if (config_.bugs.job_id_reused && entry.index == term_start_) {
    entry.first_job = log_.job_at(commit_) + 1;
  }
  entry.jobs = jobs;
  entry.payload = std::move(payload);
  log_.append(std::move(entry));
}

// Called once an output, so that proposals made in between share their messages.
void Raft::replicate() {
  for (auto& [peer, progress] : progress_) replicate_to(peer, progress);
}

void Raft::replicate_to(NodeId peer, Progress& progress) {
  if (progress.state == Progress::State::probe) {
    if (!progress.paused) send_append(peer, progress, /*with_entries=*/true);
    progress.paused = true;
    return;
  }
  while (progress.next <= log_.last_index() &&
         progress.inflight.size() < static_cast<std::size_t>(config_.max_inflight)) {
    send_append(peer, progress, /*with_entries=*/true);
  }
  // Followers learn at once what has committed, as they answer reads from it.
  if (progress.commit_sent < commit_) send_append(peer, progress, /*with_entries=*/false);
}

void Raft::send_append(NodeId peer, Progress& progress, bool with_entries) {
  // A peer behind the compacted log needs a snapshot instead; there are none yet.
  if (progress.next < log_.first_index()) return;
  Message append = message_to(peer, MessageType::append_request);
  append.log_index = progress.next - 1;
  append.log_term = log_.term_at(append.log_index);
  append.commit = commit_;
  if (with_entries) {
    append.entries = log_.slice(progress.next, log_.last_index(),
                                config_.max_entries_bytes_per_message);
  }
  if (progress.state == Progress::State::replicate && !append.entries.empty()) {
    progress.next = append.entries.back().index + 1;
    progress.inflight.push_back(append.entries.back().index);
  }
  progress.commit_sent = commit_;
  send(std::move(append));
}

void Raft::send_heartbeats() {
  for (const auto& [peer, progress] : progress_) {
    Message heartbeat = message_to(peer, MessageType::heartbeat_request);
    // A heartbeat does not check the log, so it must not speak of entries the peer may not hold.
    // BUG follower-commits-past-match: what it holds there may be an old leader's.
    heartbeat.commit = config_.bugs.follower_commits_past_match
                           ? commit_
                           : std::min(progress.match, commit_);
    heartbeat.context = read_round_;
    send(std::move(heartbeat));
  }
}

void Raft::handle_append_request(const Message& request) {
  hear_leader(request.from);
  Message answer = message_to(request.from, MessageType::append_response);
  if (request.log_index + 1 < log_.first_index()) {
    // Compacted here, hence committed.
    answer.log_index = commit_;
  } else if (request.log_index > log_.last_index() ||
             log_.term_at(request.log_index) != request.log_term) {
    answer.reject = true;
    answer.log_index = request.log_index;
    answer.hint_index = log_.find_conflict(request.log_index, request.log_term);
    answer.hint_term = log_.term_at(answer.hint_index);
  } else {
    accept_entries(request);
    answer.log_index = request.log_index + request.entries.size();
    commit_to(std::min(request.commit, answer.log_index));
  }
  // An acknowledgement is a promise about the disk.
  send_after_persist(std::move(answer));
}

// Only a conflict truncates (figure 2): a late message must not remove what came after it.
void Raft::accept_entries(const Message& request) {
  for (const Entry& entry : request.entries) {
    if (entry.index <= log_.last_index()) {
      if (log_.term_at(entry.index) == entry.term) continue;
      truncate_from(entry.index);
    }
    log_.append(entry);
  }
}

// In correct Raft nothing committed is ever truncated. If a switched-on bug leads to it, this node
// goes on like one that does not check, for the checkers of the framework to see it.
void Raft::truncate_from(Index index) {
  log_.truncate_from(index);
  const Index last = log_.last_index();
  unwritten_ = std::min(unwritten_, last + 1);
  commit_ = std::min(commit_, last);
  // What older outputs wrote past this point is no longer part of the log when they complete.
  durable_ = std::min(durable_, last);
  for (InFlight& output : in_flight_) output.last_index = std::min(output.last_index, last);
}

void Raft::handle_append_response(const Message& answer) {
  const auto found = progress_.find(answer.from);
  if (role_ != Role::leader || found == progress_.end()) return;
  Progress& progress = found->second;
  progress.recent_active = true;
  if (answer.log_index > log_.last_index()) return;
  if (answer.reject) return handle_append_refusal(answer, progress);

  progress.match = std::max(progress.match, answer.log_index);
  progress.next = std::max(progress.next, progress.match + 1);
  if (progress.state == Progress::State::probe) {
    progress.state = Progress::State::replicate;
    progress.next = progress.match + 1;
    progress.paused = false;
  }
  while (!progress.inflight.empty() && progress.inflight.front() <= progress.match) {
    progress.inflight.pop_front();
  }
  advance_commit();
}

// The logs differ at the refused index, or a message before this one was lost. Skips back over
// whole terms at a time (5.3, last paragraphs), but never below what is known to match.
void Raft::handle_append_refusal(const Message& answer, Progress& progress) {
  if (progress.state == Progress::State::replicate) {
    if (answer.log_index <= progress.match) return;  // late: it has been accepted since
    progress.state = Progress::State::probe;
    progress.inflight.clear();
    progress.next = progress.match + 1;
  } else {
    if (answer.log_index + 1 != progress.next) return;  // late: of an earlier probe
    const Index agree = log_.find_conflict(answer.hint_index, answer.hint_term);
    progress.next = std::max(std::min(agree + 1, answer.log_index), progress.match + 1);
  }
  progress.paused = false;
}

void Raft::handle_heartbeat_request(const Message& request) {
  hear_leader(request.from);
  commit_to(request.commit);
  Message answer = message_to(request.from, MessageType::heartbeat_response);
  answer.context = request.context;
  // Not after the disk: it promises nothing, and a slow disk must not cost the leader its quorum.
  send(std::move(answer));
}

void Raft::handle_heartbeat_response(const Message& answer) {
  const auto found = progress_.find(answer.from);
  if (role_ != Role::leader || found == progress_.end()) return;
  Progress& progress = found->second;
  progress.recent_active = true;
  progress.paused = false;
  // Something is without an answer: if it was lost, an empty append finds the gap.
  if (progress.state == Progress::State::replicate && progress.next > progress.match + 1) {
    send_append(answer.from, progress, /*with_entries=*/false);
  }
  release_confirmed_reads(answer.from, answer.context);
}

void Raft::commit_to(Index index) {
  commit_ = std::max(commit_, std::min(index, log_.last_index()));
}

void Raft::advance_commit() {
  std::vector<Index> match;
  for (const NodeId voter : voters_) {
    const auto found = progress_.find(voter);
    match.push_back(found == progress_.end() ? durable_ : found->second.match);
  }
  std::sort(match.begin(), match.end(), std::greater<>());
  Index held = match[quorum() - 1];
  // BUG ack-before-quorum: its own disk is enough for the leader.
  if (config_.bugs.ack_before_quorum) held = std::max(held, durable_);
  if (held <= commit_) return;
  // Only entries of the leader's term commit by counting (5.4.2, figure 8).
  // BUG prior-term-commit-by-counting: a majority of copies of any entry is enough.
  if (log_.term_at(held) != term_ && !config_.bugs.prior_term_commit_by_counting) return;
  commit_to(held);
  for (const Read& read : std::exchange(reads_before_commit_, {})) add_read(read);
}

}  // namespace gameday::search::raft
