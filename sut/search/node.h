// One node: drives the Raft core with the network, the disk, the apply thread and the clock, and
// offers writes and linearizable reads to the API. All members are for the loop thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "sut/search/applier.h"
#include "sut/search/bugs.h"
#include "sut/search/disk.h"
#include "sut/search/raft/raft.h"
#include "sut/search/transport.h"
#include "sut/search/writes.h"

namespace gameday::search {

struct NodeOptions {
  raft::NodeId id = 0;
  std::map<raft::NodeId, Endpoint> peers;   // with this node
  std::filesystem::path data;               // raft.log and index/ are kept there
  std::chrono::milliseconds election{150};  // the timeout is drawn from [election, 2 * election)
  std::chrono::milliseconds heartbeat{30};
  Bugs bugs;
};

// What a node says of itself. Jobs are 0 where there is none.
struct NodeState {
  raft::Role role = raft::Role::follower;
  raft::Term term = 0;
  raft::NodeId leader = 0;  // 0: not known
  JobId first_job = 0;
  JobId last_job = 0;
  JobId commit_job = 0;
  Watermark applied;  // searchable
};

class Node {
 public:
  // Reads the log; an error when it is damaged. The loop must outlive the node, and run nothing
  // while the node is destroyed.
  static Result<std::unique_ptr<Node>> open(boost::asio::io_context& loop, NodeOptions options);
  ~Node();

  Status start();  // listens for peers and takes part from now on

  // Before the process ends: what was given to the disk is durable, and nothing more is written.
  void finish_disk_work() { disk_.reset(); }

  void write(const std::vector<Job>& jobs, TimePoint deadline, WritePath::Done done);

  // Calls ready once: without an error as soon as the state here holds every write that was
  // acknowledged before this call.
  void strong_read(TimePoint deadline, std::function<void(Status)> ready);

  // After a restart, until what was known as committed is applied again: reads, and then searches,
  // would go back in time.
  bool replaying() const { return in_state_.index < replay_until_; }
  bool replaying_searches() const { return applied_.index < replay_until_; }

  NodeState state() const;
  Applier& applier() { return *applier_; }
  const NodeOptions& options() const { return options_; }

 private:
  struct Read {
    TimePoint deadline;
    std::function<void(Status)> ready;
  };

  Node(boost::asio::io_context& loop, NodeOptions options, LogStore store, RecoveredLog recovered);
  Transport::Handlers handlers();
  void schedule_pump();
  void pump();
  void handle(raft::Output output);
  void apply_committed();
  void send(const std::vector<raft::Message>& messages);
  void on_durable(const std::vector<DiskWork>& works);
  void on_in_state(const Watermark& reached);
  void on_searchable(const Watermark& reached);
  void tick();
  void note_role();

  void ask_for_reads();
  void on_read_state(const raft::ReadState& read);
  void on_failed_read(std::uint64_t context);
  void expire_reads(TimePoint now);
  JobId job_at(raft::Index index) const;

  boost::asio::io_context& loop_;
  NodeOptions options_;
  std::chrono::milliseconds tick_;
  raft::Index replay_until_ = 0;
  raft::Raft raft_;
  Transport transport_;
  std::unique_ptr<Applier> applier_;
  std::unique_ptr<WritePath> writes_;
  boost::asio::steady_timer tick_timer_;
  boost::asio::steady_timer batch_timer_;
  bool pump_scheduled_ = false;
  bool batch_timer_armed_ = false;
  raft::Role noted_role_ = raft::Role::follower;
  raft::Term noted_term_ = 0;
  raft::NodeId noted_leader_ = 0;

  Watermark in_state_;
  Watermark applied_;
  std::vector<raft::Entry> to_apply_;  // committed, not yet given to the applier
  std::uint64_t next_read_ = 1;
  std::vector<Read> new_reads_;
  std::vector<Read> retried_reads_;                         // asked again at the next tick
  std::map<std::uint64_t, std::vector<Read>> asked_reads_;  // by the context given to the core
  std::multimap<raft::Index, Read> confirmed_reads_;        // until the state is there

  std::unique_ptr<Disk> disk_;  // last: its thread ends first
};

}  // namespace gameday::search
