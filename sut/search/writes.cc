#include "sut/search/writes.h"

#include <algorithm>

namespace gameday::search {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t max_batch_jobs = 256;
constexpr std::size_t max_batch_bytes = 256 * 1024;
constexpr std::size_t max_queued_jobs = 20'000;
constexpr std::size_t max_queued_bytes = std::size_t{64} << 20;
constexpr auto refusal_delay = 10ms;
constexpr auto reply_timeout = 500ms;  // then a keyed write is sent again

}  // namespace

WritePath::WritePath(raft::Raft& raft, const Applier& applier, const Bugs& bugs, Send send)
    : raft_(raft), applier_(applier), bugs_(bugs), send_(std::move(send)) {}

void WritePath::submit(const std::vector<Job>& jobs, TimePoint deadline, Done done) {
  auto write = std::make_shared<Write>();
  for (const Job& job : jobs) {
    encode(job, write->jobs.emplace_back());
    write->bytes += write->jobs.back().size();
    write->all_keyed = write->all_keyed && !job.key.empty();
    write->conditional = write->conditional || job.condition.has_value() || job.expires_ms != 0;
  }
  write->done = std::move(done);
  deadlines_.emplace(deadline, write);
  requeue(write);
}

void WritePath::requeue(const WritePtr& write) {
  write->stage = Stage::queued;
  write->queued_at = Clock::now();
  queue_.push_back(write);
  queued_bytes_ += write->bytes;
  queued_jobs_ += write->jobs.size();
}

bool WritePath::flush(TimePoint now) {
  // More than this is never acknowledged in time; the newest are told at once.
  while (queued_jobs_ > max_queued_jobs || queued_bytes_ > max_queued_bytes) {
    const WritePtr write = queue_.back();
    queue_.pop_back();
    queued_bytes_ -= write->bytes;
    queued_jobs_ -= write->jobs.size();
    if (write->stage == Stage::queued) expire(write);
  }
  while (!queue_.empty()) {
    const raft::NodeId leader = raft_.leader();
    if (leader == 0 || now < hold_until_) return false;  // the next tick looks again
    const bool leading = leader == raft_.id();
    const bool previous_left = leading ? raft_.durable() == raft_.last_index() : sent_.empty();
    const bool full = queued_jobs_ >= max_batch_jobs || queued_bytes_ >= max_batch_bytes;
    if (!previous_left && !full && now - queue_.front()->queued_at < max_delay) return true;
    const std::vector<WritePtr> batch = take_batch();
    if (batch.empty()) continue;
    if (!(leading ? propose_own(batch) : forward(leader, batch, now))) {
      hold_until_ = now + refusal_delay;
      for (const WritePtr& write : batch) requeue(write);
      return false;
    }
  }
  return false;
}

std::vector<WritePath::WritePtr> WritePath::take_batch() {
  std::vector<WritePtr> batch;
  std::size_t jobs = 0;
  std::size_t bytes = 0;
  while (!queue_.empty()) {
    const WritePtr write = queue_.front();
    const bool fits =
        jobs + write->jobs.size() <= max_batch_jobs && bytes + write->bytes <= max_batch_bytes;
    if (!batch.empty() && !fits) break;
    queue_.pop_front();
    queued_bytes_ -= write->bytes;
    queued_jobs_ -= write->jobs.size();
    if (write->stage != Stage::queued) continue;  // its deadline has passed
    jobs += write->jobs.size();
    bytes += write->bytes;
    batch.push_back(write);
  }
  return batch;
}

bool WritePath::propose_own(const std::vector<WritePtr>& batch) {
  std::vector<std::string_view> jobs;
  for (const WritePtr& write : batch)
    jobs.insert(jobs.end(), write->jobs.begin(), write->jobs.end());
  const auto places = propose(raft_.id(), jobs);
  if (!places) return false;
  auto next = places->begin();
  for (const WritePtr& write : batch) {
    const auto end = next + static_cast<std::ptrdiff_t>(write->jobs.size());
    place(write, {next, end});
    next = end;
  }
  return true;
}

bool WritePath::forward(raft::NodeId leader, const std::vector<WritePtr>& batch, TimePoint now) {
  Forward request{.id = next_forward_, .writes = {}};
  for (const WritePtr& write : batch) request.writes.push_back(write->jobs);
  if (!send_(leader, FrameKind::forward, encode(request))) return false;
  for (const WritePtr& write : batch) write->stage = Stage::sent;
  sent_[next_forward_++] = {.leader = leader, .at = now, .writes = batch};
  return true;
}

void WritePath::on_forward(raft::NodeId from, const Forward& forward) {
  std::vector<std::string_view> jobs;
  for (const auto& write : forward.writes) jobs.insert(jobs.end(), write.begin(), write.end());
  ForwardReply reply{.id = forward.id, .accepted = false, .places = {}};
  if (auto places = propose(from, jobs)) {
    reply.accepted = true;
    reply.places = *std::move(places);
  }
  // A lost reply is the asker's problem: it knows that the fate is unknown.
  (void)send_(from, FrameKind::forward_reply, encode(reply));
}

void WritePath::on_forward_reply(raft::NodeId from, const ForwardReply& reply) {
  const auto found = sent_.find(reply.id);
  if (found == sent_.end() || found->second.leader != from) return;
  const SentBatch batch = std::move(found->second);
  sent_.erase(found);
  if (!reply.accepted) hold_until_ = Clock::now() + refusal_delay;
  std::size_t next = 0;
  for (const WritePtr& write : batch.writes) {
    const std::size_t first = next;
    next += write->jobs.size();
    if (write->stage != Stage::sent) continue;  // its deadline has passed
    if (!reply.accepted) {
      requeue(write);
    } else if (next <= reply.places.size()) {
      place(write, {reply.places.begin() + static_cast<std::ptrdiff_t>(first),
                    reply.places.begin() + static_cast<std::ptrdiff_t>(next)});
    }
  }
}

// Appends the jobs to the log, but for those whose key the log has already: they are given the
// place of the first one.
std::optional<std::vector<Place>> WritePath::propose(raft::NodeId asked,
                                                     const std::vector<std::string_view>& jobs) {
  if (raft_.role() != raft::Role::leader) return std::nullopt;
  if (keys_term_ != raft_.term()) remember_log_keys();
  const raft::Index index = raft_.last_index() + 1;
  const JobId first_job = raft_.last_job() + 1;
  std::vector<Place> places;
  std::string payload = begin_payload(wall_clock_ms());
  std::uint32_t fresh = 0;
  for (const std::string_view job : jobs) {
    const std::string key(key_of(job));
    auto known = key.empty() ? std::nullopt : known_place(key);
    if (bugs_.retry_applied_twice) known.reset();  // BUG 26 retry-applied-twice: always new
    if (bugs_.dedup_table_per_host && !key.empty()) {
      // BUG 27 dedup-table-per-host: new to whoever was not asked before.
      const auto own = host_keys_.find({asked, key});
      known = own == host_keys_.end() ? std::nullopt : std::optional(own->second);
    }
    if (known) {
      places.push_back(*known);
      continue;
    }
    places.push_back({.index = index, .term = raft_.term(), .job = first_job + fresh++});
    payload += job;
    if (key.empty()) continue;
    remember_key(key, places.back());
    if (bugs_.dedup_table_per_host) host_keys_[{asked, key}] = places.back();
  }
  if (fresh > 0) (void)raft_.propose(std::move(payload), fresh);
  return places;
}

std::optional<Place> WritePath::known_place(const std::string& key) const {
  if (const auto found = log_keys_.find(key); found != log_keys_.end()) return found->second;
  const auto job = applier_.read([&](const State& state) { return state.job_of_key(key); });
  if (!job) return std::nullopt;
  return Place{.index = 0, .term = 0, .job = *job};
}

// A new leader's log may hold keys that it did not propose itself.
void WritePath::remember_log_keys() {
  keys_term_ = raft_.term();
  log_keys_.clear();
  log_keys_order_.clear();
  const raft::Index first = std::max(state_index_ + 1, raft_.first_index());
  for (raft::Index index = first; index <= raft_.last_index(); ++index) {
    const raft::Entry& entry = raft_.entry(index);
    const auto jobs = decode_jobs(entry.payload);
    if (!jobs) continue;
    JobId id = entry.first_job;
    for (const Job& job : *jobs) {
      if (!job.key.empty()) {
        remember_key(job.key, {.index = index, .term = entry.term, .job = id});
      }
      ++id;
    }
  }
}

void WritePath::remember_key(const std::string& key, const Place& place) {
  if (log_keys_.emplace(key, place).second) log_keys_order_.emplace_back(place.index, key);
}

void WritePath::place(const WritePtr& write, std::vector<Place> places) {
  write->places = std::move(places);
  write->stage = Stage::placed;
  raft::Index last = 0;
  for (const Place& place : write->places) last = std::max(last, place.index);
  placed_.emplace(last, write);
}

void WritePath::on_commit() {
  while (!placed_.empty() && placed_.begin()->first <= raft_.commit()) {
    const WritePtr write = placed_.begin()->second;
    placed_.erase(placed_.begin());
    if (write->stage == Stage::placed) decide(write);
  }
}

// All entries that the write is in have been committed, or others in their places: then this
// attempt certainly came to nothing, and the next leader may be asked.
void WritePath::decide(const WritePtr& write) {
  const bool committed =
      std::all_of(write->places.begin(), write->places.end(), [this](const Place& place) {
        return place.index == 0 || raft_.term_at(place.index) == place.term;
      });
  if (!committed) return requeue(write);
  write->stage = Stage::committed;
  const JobId job = write->places.back().job;
  if (write->conditional && state_job_ < job) {
    committed_.emplace(job, write);
  } else {
    acknowledge(*write);
  }
}

void WritePath::acknowledge(Write& write) {
  WriteResult result{.outcome = WriteResult::Outcome::acknowledged, .jobs = {}, .message = {}};
  for (const Place& place : write.places) result.jobs.push_back(place.job);
  if (write.conditional) {
    const bool met = applier_.read([&](const State& state) {
      const AppliedJob* job = state.job(result.jobs.back());
      return job != nullptr && job->condition_met;
    });
    if (!met) result.outcome = WriteResult::Outcome::condition_failed;
  }
  finish(write, std::move(result));
}

void WritePath::on_state(const Watermark& reached) {
  state_job_ = reached.job;
  state_index_ = reached.index;
  while (!log_keys_order_.empty() && log_keys_order_.front().first <= state_index_) {
    log_keys_.erase(log_keys_order_.front().second);
    log_keys_order_.pop_front();
  }
  while (!committed_.empty() && committed_.begin()->first <= state_job_) {
    const WritePtr write = committed_.begin()->second;
    committed_.erase(committed_.begin());
    if (write->stage == Stage::committed) acknowledge(*write);
  }
}

// Whether a reply is not worth waiting for any more: it is lost or late. Writes with keys can be
// sent again without harm, whatever became of them; the others wait for it until their deadline.
bool WritePath::give_up_on(const SentBatch& batch, TimePoint now) {
  const bool other_leads = raft_.leader() != 0 && raft_.leader() != batch.leader;
  if (!other_leads && now - batch.at < reply_timeout) return false;
  bool waiting = false;
  for (const WritePtr& write : batch.writes) {
    if (write->stage != Stage::sent) continue;
    waiting = true;
    if (!write->all_keyed) return false;
  }
  if (!waiting) return true;
  for (const WritePtr& write : batch.writes) {
    if (write->stage != Stage::sent) continue;
    write->maybe = true;
    requeue(write);
  }
  return true;
}

void WritePath::on_tick(TimePoint now) {
  std::erase_if(sent_, [&](auto& item) { return give_up_on(item.second, now); });
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const WritePtr write = deadlines_.begin()->second.lock();
    deadlines_.erase(deadlines_.begin());
    if (write && write->stage != Stage::finished) expire(write);
  }
}

void WritePath::expire(const WritePtr& write) {
  WriteResult result;
  if (write->stage == Stage::queued && !write->maybe) {
    result.outcome = WriteResult::Outcome::refused;
    result.message = raft_.leader() == 0 ? "no leader" : "the leader takes no writes";
  } else {
    result.outcome = WriteResult::Outcome::unknown;
    result.message = write->stage == Stage::committed ? "committed, but not applied in time"
                                                      : "not known to be committed in time";
  }
  finish(*write, std::move(result));
}

void WritePath::finish(Write& write, WriteResult result) {
  write.stage = Stage::finished;
  const Done done = std::move(write.done);
  done(result);
}

}  // namespace gameday::search
