// Raft as a pure state machine: no socket, file, thread, clock or hidden randomness in it.
//
// References: "the paper" is Ongaro and Ousterhout, In Search of an Understandable Consensus
// Algorithm (extended version); "thesis" is Ongaro, Consensus: Bridging Theory and Practice.
//
// A driver (a server, or the simulation in sim.h) owns one Raft, calls it from one thread, and
// after any batch of inputs does what take_output() says:
//
//   1. send `messages` at once, before or while writing to disk (thesis 10.2.1: the leader writes
//      its own disk in parallel with replicating);
//   2. queue the output for the disk, in order: `entries` (the first index truncates everything at
//      or after it), then `hard_state`, then fsync if needs_sync(). Once that and every earlier
//      output is durable: send `messages_after_persist` and call persisted(token). Several outputs
//      may be in the queue; persisted(token) stands for all earlier tokens too;
//   3. answer the clients whose proposal has index <= commit and whose term is still
//      term_at(index): a majority holds it durably. Answer reads and dropped proposals;
//   4. apply `committed` in order and call applied(index).
//
// Restart: construct again from what is durable on disk, in full write order; nothing else is
// needed, and everything not yet persisted may be lost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "sut/search/raft/log.h"
#include "sut/search/raft/message.h"

namespace gameday::search::raft {

enum class Role : std::uint8_t { follower, precandidate, candidate, leader };
std::string_view name(Role role);

// The paper's persistent state (figure 2). `commit` is a hint that makes replay after a restart
// start early; it is written only along with other things and may lag.
struct HardState {
  Term term = 0;
  NodeId vote = 0;
  Index commit = 0;

  bool operator==(const HardState&) const = default;
};

// Known mistakes of real systems which can be switched on, one by one (the mutants of the search
// cluster). All false is correct Raft.
struct Bugs {
  bool vote_not_durable = false;         // term and vote are never part of an output
  bool no_log_up_to_date_check = false;  // a voter does not compare logs
  bool prior_term_commit_by_counting = false;  // a leader commits old entries by counting copies
  bool follower_commits_past_match = false;    // heartbeats speak of entries not checked
  bool ex_leader_rolls_back_committed = false;  // drops what not every peer had confirmed
  bool ack_before_quorum = false;               // the leader commits what it alone holds
  bool lease_read_without_clock_bound = false;  // reads need no quorum, and the lease hardly ends
  bool new_leader_reads_before_own_term_commit = false;
  bool peer_list_shrinks_to_self = false;  // peers that do not answer leave the voter list
  bool job_id_reused = false;              // a new leader counts jobs from its commit index
  bool uncommitted_visible = false;        // the leader hands out entries before they commit
  bool no_prevote = false;  // campaigns unasked, and whoever hears of a higher term follows it
};

struct Config {
  NodeId id = 0;
  std::vector<NodeId> voters;  // with id itself
  int election_ticks = 15;     // the timeout is drawn from [election_ticks, 2 * election_ticks)
  int heartbeat_ticks = 3;
  bool prevote = true;
  bool check_quorum = true;
  std::size_t max_entries_bytes_per_message = std::size_t{1} << 20;  // at least one entry is sent
  int max_inflight = 64;          // append messages to one peer without an answer
  std::size_t max_unapplied = 4096;  // entries handed out beyond what applied() has told
  // Must differ between nodes, and from one start of a node to its next: read ids come from it,
  // and the late answer to a read of an earlier life must not match a new read.
  std::uint64_t seed = 0;
  Bugs bugs;
};

// Where a proposal went. Its jobs are first_job .. first_job + jobs - 1. It is not yet committed.
struct Proposal {
  Index index = 0;
  Term term = 0;
  std::uint64_t first_job = 0;
  std::uint32_t jobs = 0;
};

// A linearizable read may be served from the state after `index` has been applied.
struct ReadState {
  std::uint64_t context = 0;
  Index index = 0;
};

struct Output {
  std::uint64_t token = 0;  // for persisted(); 0 when there is nothing to queue for the disk
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;
  std::vector<Message> messages;
  std::vector<Message> messages_after_persist;

  Index commit = 0;              // what a majority holds durably: proposals can be acknowledged
  std::vector<Entry> committed;  // to apply next; also durable on this node, in order, each once
  std::vector<ReadState> reads;
  std::vector<std::uint64_t> failed_reads;  // contexts; the server may retry them
  // Proposals of this node that were not committed when it lost leadership. Their outcome is
  // unknown: they may still be committed (with the same index and term) or be overwritten.
  std::vector<Proposal> dropped_proposals;

  bool needs_sync() const { return hard_state.has_value() || !entries.empty(); }
  // Nothing to do; commit may have moved on all the same.
  bool empty() const;
};

// The leader's view of a peer (thesis 10.2.1; the states are those of etcd's raft).
struct Progress {
  enum class State : std::uint8_t {
    probe,      // where the logs agree is not known: one message at a time
    replicate,  // known: messages are pipelined, next runs ahead of match
  };
  State state = State::probe;
  Index match = 0;
  Index next = 1;
  Index commit_sent = 0;
  bool paused = false;         // probe: sent, waiting for an answer or the next heartbeat's
  bool recent_active = false;  // heard from since the last CheckQuorum
  std::deque<Index> inflight;  // replicate: last index of each message without an answer
};

class Raft {
 public:
  // From the state that is durable on disk. `log` starts at base.index + 1; applying starts there.
  Raft(Config config, HardState hard_state, std::vector<Entry> log, LogBase base = {});

  // Inputs.
  void tick();
  void step(const Message& message);  // of another voter, to this node; others are ignored
  // Appends a batch of `jobs` jobs. Nothing when this node is not the leader: see leader().
  std::optional<Proposal> propose(std::string payload, std::uint32_t jobs);
  // Asks for a linearizable read (thesis 6.4), forwarded when this node is a follower. The answer
  // comes in an Output: as a ReadState or in failed_reads, exactly once per call. A call with no
  // known leader fails, and so does one whose leader changes or stays silent.
  void read_index(std::uint64_t context);
  void persisted(std::uint64_t token);
  void applied(Index index);
  // Leader: hands leadership to a voter which holds the whole log (thesis 3.10). False: not now.
  bool transfer_leadership(NodeId to);

  Output take_output();

  // State.
  NodeId id() const { return config_.id; }
  Role role() const { return role_; }
  Term term() const { return term_; }
  NodeId vote() const { return vote_; }
  NodeId leader() const { return leader_; }  // 0: not known
  Index commit() const { return commit_; }
  Index applied() const { return applied_; }
  Index durable() const { return durable_; }  // the log is durable on this node up to here
  Index first_index() const { return log_.first_index(); }
  Index last_index() const { return log_.last_index(); }
  std::uint64_t last_job() const { return log_.last_job(); }  // 0: none yet
  Term term_at(Index index) const { return log_.term_at(index); }  // 0 outside of the log
  const Entry& entry(Index index) const { return log_.at(index); }  // first_index() to last_index()
  const std::vector<NodeId>& voters() const { return voters_; }
  const std::map<NodeId, Progress>& progress() const { return progress_; }  // empty: not leader

 private:
  // An output which the disk has not reported yet.
  struct InFlight {
    std::uint64_t token = 0;
    Index last_index = 0;  // the log is durable up to here once this one is
    Term term = 0;
    NodeId vote = 0;
  };
  struct Read {
    NodeId from = 0;  // who asked; this node itself for a local read
    std::uint64_t context = 0;
    Index index = 0;
    std::uint64_t round = 0;  // the heartbeat round that has to confirm it
  };
  struct ForwardedRead {
    std::uint64_t context = 0;
    int age = 0;  // ticks
  };

  // raft.cc
  bool handle_term(const Message& message);
  void handle_lower_term(const Message& message);
  void tick_leader();
  Message message_to(NodeId to, MessageType type) const;
  void send(Message message) { messages_.push_back(std::move(message)); }
  void send_after_persist(Message message) { messages_after_.push_back(std::move(message)); }
  void take_disk_work(Output& output);
  void take_committed(Output& output);
  std::size_t quorum() const { return voters_.size() / 2 + 1; }
  bool is_voter(NodeId id) const;

  // election.cc
  void become_follower(Term term, NodeId leader);
  void hear_leader(NodeId leader);
  void become_leader();
  void abdicate();
  void start_election();
  void campaign(bool prevote, bool force);
  void count_vote(NodeId from, bool granted);
  void handle_vote_request(const Message& message);
  void handle_vote_response(const Message& message);
  void check_quorum();
  bool in_lease() const;
  void reset_election_timer();
  void forget_silent_voters();
  void remember_voter(NodeId id);
  void roll_back_as_ex_leader();

  // replication.cc
  void append_as_leader(std::string payload, std::uint32_t jobs);
  void replicate();
  void replicate_to(NodeId peer, Progress& progress);
  void send_append(NodeId peer, Progress& progress, bool with_entries);
  void send_heartbeats();
  void handle_append_request(const Message& message);
  void accept_entries(const Message& message);
  void handle_append_response(const Message& message);
  void handle_append_refusal(const Message& message, Progress& progress);
  void handle_heartbeat_request(const Message& message);
  void handle_heartbeat_response(const Message& message);
  void truncate_from(Index index);
  void commit_to(Index index);
  void advance_commit();

  // read.cc
  void add_read(Read read);
  void start_read_round();
  void release_confirmed_reads(NodeId from, std::uint64_t round);
  void answer_read(const Read& read);
  void fail_read(const Read& read);
  void fail_leader_reads();
  void fail_forwarded_reads();
  void age_forwarded_reads();
  void handle_read_index_request(const Message& message);
  void handle_read_index_response(const Message& message);
  bool committed_in_own_term() const;

  Config config_;
  std::vector<NodeId> voters_;
  std::mt19937_64 rng_;

  Term term_ = 0;
  NodeId vote_ = 0;
  NodeId leader_ = 0;
  Role role_ = Role::follower;
  Log log_;
  Index commit_ = 0;
  Index applied_ = 0;
  Index handed_out_ = 0;  // the last entry given out in Output::committed

  // Disk.
  HardState written_;      // the last hard state given out
  Index unwritten_ = 1;    // the first entry not yet given out in Output::entries
  Index durable_ = 0;
  std::uint64_t next_token_ = 1;
  std::deque<InFlight> in_flight_;

  // Elections.
  int election_elapsed_ = 0;
  int election_timeout_ = 0;
  int heartbeat_elapsed_ = 0;
  std::map<NodeId, bool> votes_;
  int silent_campaigns_ = 0;  // only for Bugs::peer_list_shrinks_to_self
  std::map<NodeId, bool> heard_;  // likewise: who answered in those campaigns

  // Leading.
  std::map<NodeId, Progress> progress_;  // of the other voters
  Index term_start_ = 0;                 // the no-op of this leader's term

  // Reads. A leader's read waits for a commit in the leader's term, then for a heartbeat round
  // which begins after it, then for a quorum's answers to that round.
  std::vector<Read> reads_before_commit_;
  std::vector<Read> reads_next_round_;
  std::vector<Read> reads_in_rounds_;
  std::uint64_t read_round_ = 0;
  std::map<NodeId, std::uint64_t> round_heard_;  // the newest round each voter has answered
  std::uint64_t next_read_id_ = 0;
  std::map<std::uint64_t, ForwardedRead> forwarded_;

  // The next output.
  std::vector<Message> messages_;
  std::vector<Message> messages_after_;
  std::vector<ReadState> ready_reads_;
  std::vector<std::uint64_t> failed_reads_;
  std::vector<Proposal> dropped_proposals_;
};

}  // namespace gameday::search::raft
