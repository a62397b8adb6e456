// Disks of nodes, and what becomes of them when the power goes.
#include <thread>

#include "harness/core/rng.h"
#include "harness/lab/lab_impl.h"

namespace gameday::lab {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kKeptBytes = std::uint64_t{256} << 20;  // of a node's disk, at the end

struct Blackout {
  NodeProcess* process;  // null: does not run
  Disk& disk;
  PowerLoss& loss;  // what is lost and how long it took; the rest is the caller's
};

// Kills all, then cuts all disks; each tears in a way of its own.
Status black_out(const std::vector<Blackout>& nodes, const std::optional<Tear>& tear) {
  const auto begin = Clock::now();
  for (const auto& node : nodes)
    if (node.process) node.process->kill();
  std::vector<Status> failed(nodes.size());
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < nodes.size(); ++i)
      threads.emplace_back([&node = nodes[i], &status = failed[i], begin, own = tear]() mutable {
        if (node.process) node.process->wait_for_end();
        if (own) own->seed = Rng(own->seed).fork(node.loss.node).next();
        auto lost = node.disk.power_loss(own);
        node.loss.took = Clock::now() - begin;
        if (lost)
          node.loss.lost = std::move(*lost);
        else
          status = tl::make_unexpected(lost.error());
      });
  }
  for (const auto& status : failed)
    if (!status) return status;
  return {};
}

}  // namespace

std::vector<std::string> Lab::Impl::keep_data() {
  std::vector<std::string> notes;
  for (const auto& state : states) {
    if (!state->disk) continue;
    const auto left_out = state->disk->leave_behind(kKeptBytes);
    const std::string note = left_out ? *left_out : left_out.error().message;
    if (!note.empty()) notes.push_back(fmt::format("data of {}: {}", state->node.name, note));
    state->disk.reset();
  }
  return notes;
}

Result<std::vector<PowerLoss>> Lab::cut_power(const std::vector<std::string>& nodes,
                                              const std::optional<Tear>& tear) {
  std::vector<std::unique_lock<std::mutex>> controls;  // in the lab's order: no two can deadlock
  std::vector<NodeState*> targets;
  for (const auto& name : nodes) {
    if (!impl_->find(name)) return no_node(name);
    if (!impl_->find(name)->disk) return fail("the lab was made without disks that can lose power");
  }
  std::vector<PowerLoss> losses;
  for (const auto& state : impl_->states) {
    if (std::find(nodes.begin(), nodes.end(), state->node.name) == nodes.end()) continue;
    controls.emplace_back(state->control);
    losses.push_back({.node = state->node.name, .had_power = state->powered, .lost = {}});
    targets.push_back(state->powered ? state.get() : nullptr);
  }
  std::vector<Blackout> blackouts;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    NodeState* state = targets[i];
    if (!state) continue;
    const std::lock_guard lock(state->mutex);
    state->powered = false;
    state->start_when_powered = losses[i].ran = state->running;
    state->asked_to_end |= state->running;
    blackouts.push_back({state->running ? state->process.get() : nullptr, *state->disk, losses[i]});
  }
  if (auto status = black_out(blackouts, tear); !status) return tl::make_unexpected(status.error());
  return losses;
}

Status Lab::restore_power(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  const std::lock_guard control(state->control);
  if (std::exchange(state->powered, true)) return {};
  if (!std::exchange(state->start_when_powered, false)) return {};
  return impl_->start(*state, ProcessSpec(*state->spec));
}

bool Lab::powered(const std::string& node) const {
  NodeState* state = impl_->find(node);
  if (!state) return false;
  const std::lock_guard control(state->control);
  return state->powered;
}

Result<Disk*> Lab::disk(const std::string& node) {
  NodeState* state = impl_->find(node);
  if (!state) return no_node(node);
  if (!state->disk) return fail("the lab was made without disks that can lose power");
  return state->disk.get();
}

std::vector<std::string> Lab::keep_data() { return impl_->keep_data(); }

}  // namespace gameday::lab
