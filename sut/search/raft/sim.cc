#include "sut/search/raft/sim.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>

namespace gameday::search::raft {

Simulation::Simulation(SimOptions options)
    : options_(options),
      rng_(options.seed),
      check_(options.nodes, options.internal_checks) {
  for (NodeId id = 1; id <= options_.nodes; ++id) {
    disks_[id] = {};
    nodes_[id] = {};
    start(id);
  }
}

bool Simulation::chance(double probability) {
  return std::uniform_real_distribution<double>(0, 1)(rng_) < probability;
}

int Simulation::between(int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(rng_);
}

NodeId Simulation::any_node() {
  return static_cast<NodeId>(between(1, static_cast<int>(options_.nodes)));
}

SimResult Simulation::run() {
  while (now_ < options_.steps && !check_.violation()) step_once();
  std::optional<std::string> stuck;
  if (!check_.violation()) {
    heal();
    if (!recover()) stuck = "liveness: no proposal is applied everywhere after the heal";
  }
  for (const auto& [id, node] : nodes_) {
    if (!check_.violation() && !stuck) check_.life_ended(node.life, /*quiet=*/true);
  }
  return {.violation = check_.violation() ? check_.violation() : stuck,
          .step = now_,
          .committed = check_.committed(),
          .reads = check_.reads_served(),
          .leaders = check_.leaders(),
          .crashes = crashes_};
}

void Simulation::step_once() {
  ++now_;
  if (faults_ && chance(0.04)) inject_fault();
  deliver_packets();
  for (auto& [id, node] : nodes_) {
    complete_writes(id, node);
    if (running(node) && !chance(0.03)) node.raft->tick();
  }
  if (faults_) clients();
  for (auto& [id, node] : nodes_) take_outputs(node);
}

void Simulation::deliver_packets() {
  while (!packets_.empty() && packets_.begin()->first <= now_) {
    const Packet packet = std::move(packets_.begin()->second);
    packets_.erase(packets_.begin());
    Node& node = nodes_[packet.to];
    if (!node.raft) continue;
    if (!running(node)) {  // it waits in the socket
      packets_.emplace(node.paused_until + 1, packet);
      continue;
    }
    node.raft->step(packet.message);
    if (chance(0.3)) take_outputs(node);
  }
}

void Simulation::complete_writes(NodeId id, Node& node) {
  if (!running(node)) return;
  while (!node.writes.empty() && node.writes.front().due <= now_) {
    const Output done = std::move(node.writes.front().output);
    node.writes.pop_front();
    write(disks_[id], done);
    for (const Message& message : done.messages_after_persist) send(message);
    // A report may stand for several outputs.
    const bool next_is_done = !node.writes.empty() && node.writes.front().due <= now_;
    if (next_is_done && chance(0.5)) continue;
    node.raft->persisted(done.token);
  }
}

void Simulation::write(Disk& disk, const Output& output) {
  if (!output.entries.empty()) {
    disk.log.resize(output.entries.front().index - 1);
    disk.log.insert(disk.log.end(), output.entries.begin(), output.entries.end());
  }
  if (output.hard_state) disk.hard_state = *output.hard_state;
}

void Simulation::clients() {
  for (auto& [id, node] : nodes_) {
    if (!running(node)) continue;
    if (node.raft->role() == Role::leader && chance(0.3)) {
      const auto jobs = static_cast<std::uint32_t>(between(1, 3));
      node.raft->propose(fmt::format("payload {}", next_payload_++), jobs);
    }
    if (chance(0.1)) {
      const std::uint64_t context = next_read_++;
      check_.read_started(node.life, context);
      node.raft->read_index(context);
    }
  }
}

void Simulation::take_outputs(Node& node) {
  if (!running(node)) return;
  if (node.applied < node.life.seen_applied && chance(0.7)) {
    node.applied = node.life.seen_applied;
    node.raft->applied(node.applied);
  }
  Output output = node.raft->take_output();
  check_.observe(node.life, *node.raft, output, disks_);
  for (const Message& message : output.messages) send(message);
  if (output.token == 0) return;
  int due = now_ + (node.slow_disk ? between(5, 30) : between(0, 2));
  if (!node.writes.empty()) due = std::max(due, node.writes.back().due);
  node.writes.push_back({.due = due, .output = std::move(output)});
}

void Simulation::send(const Message& message) {
  if (cuts_.contains({message.from, message.to}) || chance(drop_)) return;
  Packet packet{.to = message.to, .message = message};
  if (chance(0.05)) {
    const auto decoded = decode(encode(message));
    if (decoded != message) throw std::logic_error("a message changed on the wire");
    packet.message = *decoded;
  }
  const int copies = faults_ && chance(0.03) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    int delay = between(1, max_delay_);
    if (faults_ && chance(0.03)) delay += between(1, 60);  // late, and out of order
    packets_.emplace(now_ + delay, packet);
  }
}

void Simulation::start(NodeId id) {
  Config config;
  config.id = id;
  for (NodeId voter = 1; voter <= options_.nodes; ++voter) config.voters.push_back(voter);
  config.election_ticks = 10;
  config.heartbeat_ticks = 2;
  config.prevote = options_.prevote;
  config.check_quorum = options_.check_quorum;
  config.max_entries_bytes_per_message = 150;
  config.max_inflight = 4;
  config.max_unapplied = 8;
  config.seed = rng_();
  config.bugs = options_.bugs;
  Node& node = nodes_[id];
  node.raft = std::make_unique<Raft>(config, disks_[id].hard_state, disks_[id].log);
  node.life = {};
  node.life.node = id;
  node.life.number = next_life_++;
  node.applied = 0;
  node.paused_until = 0;
}

void Simulation::crash(NodeId id) {
  Node& node = nodes_[id];
  if (!node.raft) return;
  ++crashes_;
  // Some of the queued writes may have reached the disk, and a part of one more.
  while (!node.writes.empty() && chance(0.4)) {
    write(disks_[id], node.writes.front().output);
    node.writes.pop_front();
  }
  if (!node.writes.empty() && !node.writes.front().output.entries.empty() && chance(0.3)) {
    Output torn;
    torn.entries = node.writes.front().output.entries;
    const int kept = between(1, static_cast<int>(torn.entries.size()));
    torn.entries.resize(static_cast<std::size_t>(kept));
    write(disks_[id], torn);
  }
  node.writes.clear();
  check_.life_ended(node.life, /*quiet=*/false);
  node.raft.reset();
}

void Simulation::isolate(NodeId id, bool incoming, bool outgoing) {
  for (const auto& [other, node] : nodes_) {
    if (other == id) continue;
    if (incoming) cut(other, id);
    if (outgoing) cut(id, other);
  }
}

void Simulation::inject_fault() {
  const NodeId id = any_node();
  Node& node = nodes_[id];
  switch (between(0, 12)) {
    case 0: return crash(id);
    case 1:
    case 2:
      for (const auto& [other, down] : nodes_) {
        if (!down.raft) start(other);
      }
      return;
    case 3: return isolate(id, true, true);
    case 4: return chance(0.5) ? isolate(id, true, false) : isolate(id, false, true);
    case 5: {
      const NodeId other = any_node();
      if (other == id) return;
      cut(id, other);
      if (chance(0.5)) cut(other, id);
      return;
    }
    case 6:
    case 7: return cuts_.clear();
    case 8: node.paused_until = now_ + between(5, 60); return;
    case 9: node.slow_disk = !node.slow_disk; return;
    case 10: drop_ = chance(0.5) ? 0 : 0.15; return;
    case 11:  // the leader: faults elsewhere mostly change little
      for (const auto& [other, leader] : nodes_) {
        if (!leader.raft || leader.raft->role() != Role::leader) continue;
        if (chance(0.3)) return crash(other);
        if (chance(0.3)) {
          nodes_[other].raft->transfer_leadership(id);
          return;
        }
        return isolate(other, chance(0.7), true);
      }
      return;
    case 12:  // the power fails; not all nodes come back at once
      for (const auto& [other, down] : nodes_) {
        if (chance(0.8)) crash(other);
        if (!down.raft && chance(0.7)) start(other);
      }
      return;
    default: return;
  }
}

void Simulation::heal() {
  faults_ = false;
  cuts_.clear();
  drop_ = 0;
  max_delay_ = 2;
  for (auto& [id, node] : nodes_) {
    if (!node.raft) start(id);
    node.slow_disk = false;
    node.paused_until = 0;
  }
}

// With no fault left, an entry proposed to whoever leads is soon applied everywhere. It is proposed
// again if the leader has changed.
bool Simulation::recover() {
  const int deadline = now_ + 600;
  std::optional<Proposal> proposal;
  while (now_ < deadline && !check_.violation()) {
    step_once();
    for (auto& [id, node] : nodes_) {
      if (node.raft->role() != Role::leader) continue;
      if (proposal && proposal->term >= node.raft->term()) continue;
      proposal = node.raft->propose("after the heal", 1);
    }
    if (proposal && recovered(proposal->index)) return true;
  }
  return false;
}

bool Simulation::recovered(Index proposal) const {
  return std::all_of(nodes_.begin(), nodes_.end(), [&](const auto& item) {
    return item.second.life.seen_applied >= proposal && item.second.life.reads.empty();
  });
}

}  // namespace gameday::search::raft
