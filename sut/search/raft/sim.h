// A whole Raft cluster in one thread, with a network and disks that misbehave by seed.
//
// The network drops, delays, duplicates and reorders; links are cut one way or both. Disks complete
// several outputs late and in order. A crash loses all that was not written, but may leave some
// writes that were never reported, the last of them torn. Nodes pause and their clocks drift. The
// same options give the same run, always.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sut/search/raft/raft.h"
#include "sut/search/raft/sim_check.h"

namespace gameday::search::raft {

struct SimOptions {
  std::size_t nodes = 3;
  std::uint64_t seed = 1;
  int steps = 500;  // with faults, after which all is healed and must recover
  bool prevote = true;
  bool check_quorum = true;
  bool internal_checks = true;
  Bugs bugs = {};
};

struct SimResult {
  std::optional<std::string> violation = {};
  int step = 0;  // at the end, or at the violation
  Index committed = 0;
  std::size_t reads = 0;
  std::size_t leaders = 0;
  std::size_t crashes = 0;
};

class Simulation {
 public:
  explicit Simulation(SimOptions options);
  SimResult run();

 private:
  struct Write {
    int due = 0;
    Output output;
  };
  struct Node {
    std::unique_ptr<Raft> raft;  // empty while crashed
    Life life;
    std::deque<Write> writes;
    int paused_until = 0;
    bool slow_disk = false;
    Index applied = 0;
  };
  struct Packet {
    NodeId to = 0;
    Message message;
  };

  bool chance(double probability);
  int between(int low, int high);  // both inclusive
  NodeId any_node();

  void step_once();
  void deliver_packets();
  void complete_writes(NodeId id, Node& node);
  void clients();
  void take_outputs(Node& node);
  void send(const Message& message);
  void start(NodeId id);
  void crash(NodeId id);
  static void write(Disk& disk, const Output& output);
  bool running(const Node& node) const { return node.raft && node.paused_until <= now_; }

  void inject_fault();
  void cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }
  void isolate(NodeId id, bool incoming, bool outgoing);
  void heal();
  bool recover();
  bool recovered(Index proposal) const;

  SimOptions options_;
  std::mt19937_64 rng_;
  SafetyCheck check_;
  int now_ = 0;
  std::map<NodeId, Node> nodes_;
  std::map<NodeId, Disk> disks_;
  std::multimap<int, Packet> packets_;  // by time of arrival
  std::set<std::pair<NodeId, NodeId>> cuts_;
  double drop_ = 0;
  int max_delay_ = 3;
  bool faults_ = true;
  std::uint64_t next_life_ = 1;
  std::uint64_t next_read_ = 1;
  std::uint64_t next_payload_ = 1;
  std::size_t crashes_ = 0;
};

}  // namespace gameday::search::raft
