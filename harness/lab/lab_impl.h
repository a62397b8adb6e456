// What a Lab holds, for the files that implement it: lab.cc and lab_power.cc.
#pragma once

#include <mutex>

#include "harness/lab/fabric.h"
#include "harness/lab/healed.h"
#include "harness/lab/lab.h"
#include "harness/lab/node_process.h"

namespace gameday::lab {

struct NodeState {
  Node node;
  std::filesystem::path directory;
  int netns = -1;
  std::unique_ptr<ClockControl> clock;
  std::unique_ptr<FileFaults> files;
  std::unique_ptr<Cgroup> cgroup;
  std::unique_ptr<Disk> disk;  // null: none, or not any more
  SyscallTable traps;               // complete before the first start
  std::vector<sock_filter> filter;  // of them

  std::mutex control;  // one start, kill, pause... at a time; held while they wait
  std::unique_ptr<NodeProcess> process;  // of the current life or the last one
  std::optional<ProcessSpec> spec;
  int pauses = 0;  // in force, in this life
  bool powered = true;
  bool start_when_powered = false;

  mutable std::mutex mutex;  // for what follows; never held while waiting
  unsigned incarnation = 0;
  bool running = false;
  bool asked_to_end = false;
  bool init_killed = false;  // in some life, and not by us
  std::int64_t oom_kills = 0;  // before this life
  std::string pid_namespace;
  std::optional<Exit> last_exit;
};

struct Lab::Impl {
  LabOptions options;
  bool preload_clocks = false;
  std::unique_ptr<Fabric> fabric;
  std::unique_ptr<Firewall> firewall;
  std::unique_ptr<Packets> packets;  // under `mutex`, once somebody wants it
  std::vector<std::unique_ptr<NodeState>> states;
  std::vector<Node> nodes;
  HealedChecks healed;
  std::chrono::nanoseconds build_time{0};
  mutable std::mutex mutex;
  std::vector<Exit> unexpected;

  NodeState* find(const std::string& name) const {
    for (const auto& state : states)
      if (state->node.name == name) return state.get();
    return nullptr;
  }

  void ended(NodeState& state, std::optional<int> wait_status);
  Status add_node(int number);
  InitSpec init_spec(const NodeState& state, const ProcessSpec& spec) const;
  Status start(NodeState& state, const ProcessSpec& spec);
  std::vector<std::string> keep_data();
  void add_healed_checks();
};

inline tl::unexpected<Error> no_node(const std::string& name) {
  return fail("there is no node {}", name);
}
inline tl::unexpected<Error> not_running(const std::string& name) {
  return fail("{} is not running", name);
}

}  // namespace gameday::lab
