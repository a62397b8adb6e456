#include "sut/search/node.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>
#include <random>
#include <utility>

#include "sut/search/log_line.h"

namespace gameday::search {
namespace asio = boost::asio;
using boost::system::error_code;
using namespace std::chrono_literals;

namespace {

// Short enough that election timeouts of nodes differ by several ticks.
std::chrono::milliseconds tick_length(const NodeOptions& options) {
  return std::clamp<std::chrono::milliseconds>(options.election / 15, 1ms, 50ms);
}

int ticks(std::chrono::milliseconds time, std::chrono::milliseconds tick) {
  return std::max(1, static_cast<int>(time / tick));
}

raft::Config core_config(const NodeOptions& options) {
  raft::Config config;
  config.id = options.id;
  for (const auto& [id, endpoint] : options.peers) config.voters.push_back(id);
  config.election_ticks = ticks(options.election, tick_length(options));
  config.heartbeat_ticks = ticks(options.heartbeat, tick_length(options));
  std::random_device random;
  config.seed = (std::uint64_t{random()} << 32) ^ random() ^ options.id;
  config.bugs = options.bugs.core;
  return config;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::open(asio::io_context& loop, NodeOptions options) {
  const auto begin = Clock::now();
  RecoveredLog recovered;
  auto store = LogStore::open(options.data, recovered, options.bugs);
  if (!store) return tl::make_unexpected(store.error());
  const auto& entries = recovered.entries;
  const JobId last_job = entries.empty() ? 0 : entries.back().first_job + entries.back().jobs - 1;
  if (recovered.torn_bytes > 0) {
    log_line("cut {} bytes of an unfinished write off the log", recovered.torn_bytes);
  }
  log_line("replayed {} entries ({} jobs, {} bytes), term {}, commit {}, in {} us", entries.size(),
           last_job, recovered.bytes, recovered.hard_state.term, recovered.hard_state.commit,
           std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin).count());

  std::unique_ptr<Node> node(
      new Node(loop, std::move(options), *std::move(store), std::move(recovered)));
  Node* self = node.get();
  Applier::Events events;
  events.in_state = [self](const Watermark& reached) {
    asio::post(self->loop_, [self, reached] { self->on_in_state(reached); });
  };
  events.searchable = [self](const Watermark& reached) {
    asio::post(self->loop_, [self, reached] { self->on_searchable(reached); });
  };
  const Bugs& bugs = node->options_.bugs;
  auto applier = Applier::start(node->options_.data / "index", bugs, events);
  if (!applier) return tl::make_unexpected(applier.error());
  node->applier_ = *std::move(applier);
  node->writes_ = std::make_unique<WritePath>(
      node->raft_, *node->applier_, bugs,
      [self](raft::NodeId to, FrameKind kind, std::string_view content) {
        return self->transport_.send(to, kind, content);
      });
  return node;
}

Node::Node(asio::io_context& loop, NodeOptions options, LogStore store, RecoveredLog recovered)
    : loop_(loop),
      options_(std::move(options)),
      tick_(tick_length(options_)),
      replay_until_(std::min<raft::Index>(recovered.hard_state.commit, recovered.entries.size())),
      raft_(core_config(options_), recovered.hard_state, std::move(recovered.entries)),
      transport_(loop, options_.id, options_.peers, handlers()),
      tick_timer_(loop),
      batch_timer_(loop),
      disk_(std::make_unique<Disk>(std::move(store), [this](std::vector<DiskWork> works) {
        asio::post(loop_, [this, works = std::move(works)] { on_durable(works); });
      })) {}

Node::~Node() = default;

Transport::Handlers Node::handlers() {
  Transport::Handlers handlers;
  handlers.message = [this](const raft::Message& message) {
    raft_.step(message);
    schedule_pump();
  };
  handlers.forward = [this](raft::NodeId from, const Forward& forward) {
    writes_->on_forward(from, forward);
    schedule_pump();
  };
  handlers.forward_reply = [this](raft::NodeId from, const ForwardReply& reply) {
    writes_->on_forward_reply(from, reply);
    schedule_pump();
  };
  return handlers;
}

Status Node::start() {
  if (auto started = transport_.start(); !started) return started;
  schedule_pump();  // what was committed before the restart can be applied at once
  tick();
  return {};
}

void Node::write(const std::vector<Job>& jobs, TimePoint deadline, WritePath::Done done) {
  writes_->submit(jobs, deadline, std::move(done));
  schedule_pump();
}

// Everything that the loop has ready is put into the core first, and shares one output.
void Node::schedule_pump() {
  if (std::exchange(pump_scheduled_, true)) return;
  asio::post(loop_, [this] {
    pump_scheduled_ = false;
    pump();
  });
}

void Node::pump() {
  ask_for_reads();
  const bool held_back = writes_->flush(Clock::now());
  handle(raft_.take_output());
  writes_->on_commit();
  note_role();
  if (!held_back || std::exchange(batch_timer_armed_, true)) return;
  batch_timer_.expires_after(WritePath::max_delay);
  batch_timer_.async_wait([this](error_code cancelled) {
    batch_timer_armed_ = false;
    if (!cancelled) schedule_pump();
  });
}

void Node::handle(raft::Output output) {
  send(output.messages);
  if (output.token != 0) {
    disk_->push({.token = output.token,
                 .hard_state = output.hard_state,
                 .entries = std::move(output.entries),
                 .messages_after = std::move(output.messages_after_persist)});
  }
  std::move(output.committed.begin(), output.committed.end(), std::back_inserter(to_apply_));
  // BUG 23 reply-at-commit-read-before-apply: nobody waits for it, so applying is left to the tick
  if (!options_.bugs.reply_at_commit_read_before_apply) apply_committed();
  for (const raft::ReadState& read : output.reads) on_read_state(read);
  for (const std::uint64_t context : output.failed_reads) on_failed_read(context);
  // dropped_proposals need nothing: their entries commit or are overwritten, WritePath sees which,
  // and a deadline bounds the wait.
}

void Node::apply_committed() {
  if (!to_apply_.empty()) applier_->push(std::exchange(to_apply_, {}));
}

void Node::send(const std::vector<raft::Message>& messages) {
  // Dropped where there is no connection: the core repeats what matters.
  for (const raft::Message& message : messages) {
    (void)transport_.send(message.to, FrameKind::raft, raft::encode(message));
  }
}

void Node::on_durable(const std::vector<DiskWork>& works) {
  for (const DiskWork& work : works) send(work.messages_after);
  raft_.persisted(works.back().token);
  schedule_pump();
}

void Node::on_in_state(const Watermark& reached) {
  in_state_ = reached;
  raft_.applied(reached.index);
  writes_->on_state(reached);
  while (!confirmed_reads_.empty() && confirmed_reads_.begin()->first <= reached.index) {
    const auto ready = std::move(confirmed_reads_.begin()->second.ready);
    confirmed_reads_.erase(confirmed_reads_.begin());
    ready({});
  }
  schedule_pump();
}

void Node::on_searchable(const Watermark& reached) {
  const bool was_replaying = replaying_searches();
  applied_ = reached;
  if (was_replaying && !replaying_searches()) log_line("applied the log up to job {}", reached.job);
}

void Node::tick() {
  // From now on, not from when it was due: after a pause there is nothing to catch up on.
  tick_timer_.expires_after(tick_);
  tick_timer_.async_wait([this](error_code cancelled) {
    if (cancelled) return;
    raft_.tick();
    apply_committed();
    const TimePoint now = Clock::now();
    writes_->on_tick(now);
    expire_reads(now);
    std::move(retried_reads_.begin(), retried_reads_.end(), std::back_inserter(new_reads_));
    retried_reads_.clear();
    schedule_pump();
    tick();
  });
}

void Node::note_role() {
  if (raft_.role() == noted_role_ && raft_.term() == noted_term_ &&
      raft_.leader() == noted_leader_) {
    return;
  }
  const bool led = noted_role_ == raft::Role::leader;
  noted_role_ = raft_.role();
  noted_term_ = raft_.term();
  noted_leader_ = raft_.leader();
  if (noted_role_ == raft::Role::leader) {
    log_line("became leader of term {}", noted_term_);
  } else if (led) {
    log_line("no longer leader, term {}", noted_term_);
  } else if (noted_leader_ != 0) {
    log_line("follows node {} in term {}", noted_leader_, noted_term_);
  } else {
    log_line("{} in term {}, no leader", raft::name(noted_role_), noted_term_);
  }
}

void Node::strong_read(TimePoint deadline, std::function<void(Status)> ready) {
  new_reads_.push_back({.deadline = deadline, .ready = std::move(ready)});
  schedule_pump();
}

// All reads that came in since the last pump share one question to the leader.
void Node::ask_for_reads() {
  if (new_reads_.empty() || raft_.leader() == 0) return;
  const std::uint64_t context = next_read_++;
  asked_reads_[context] = std::exchange(new_reads_, {});
  raft_.read_index(context);
}

void Node::on_read_state(const raft::ReadState& state) {
  auto found = asked_reads_.extract(state.context);
  if (found.empty()) return;
  for (Read& read : found.mapped()) {
    bool there = in_state_.index >= state.index;
    if (options_.bugs.reply_at_commit_read_before_apply) {
      there = true;  // BUG 23 reply-at-commit-read-before-apply: known to be committed is enough
    }
    if (there) {
      read.ready({});
    } else {
      confirmed_reads_.emplace(state.index, std::move(read));
    }
  }
}

void Node::on_failed_read(std::uint64_t context) {
  auto found = asked_reads_.extract(context);
  if (found.empty()) return;
  std::move(found.mapped().begin(), found.mapped().end(), std::back_inserter(retried_reads_));
}

void Node::expire_reads(TimePoint now) {
  std::vector<Read> expired;
  const auto take_expired = [&](std::vector<Read>& reads) {
    const auto live = std::stable_partition(reads.begin(), reads.end(),
                                            [&](const Read& read) { return read.deadline > now; });
    std::move(live, reads.end(), std::back_inserter(expired));
    reads.erase(live, reads.end());
  };
  take_expired(new_reads_);
  take_expired(retried_reads_);
  for (auto& [context, reads] : asked_reads_) take_expired(reads);
  std::erase_if(asked_reads_, [](const auto& item) { return item.second.empty(); });
  std::erase_if(confirmed_reads_, [&](auto& item) {
    if (item.second.deadline > now) return false;
    expired.push_back(std::move(item.second));
    return true;
  });
  for (const Read& read : expired) {
    read.ready(fail("no leader with a majority confirmed the read in time"));
  }
}

JobId Node::job_at(raft::Index index) const {
  if (index < raft_.first_index() || index > raft_.last_index()) return 0;
  const raft::Entry& entry = raft_.entry(index);
  return entry.first_job + entry.jobs - 1;
}

NodeState Node::state() const {
  NodeState state;
  state.role = raft_.role();
  state.term = raft_.term();
  state.leader = raft_.leader();
  state.last_job = raft_.last_job();
  if (state.last_job > 0) state.first_job = raft_.entry(raft_.first_index()).first_job;
  state.commit_job = job_at(raft_.commit());
  state.applied = applied_;
  return state;
}

}  // namespace gameday::search
