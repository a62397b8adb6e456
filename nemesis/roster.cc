#include "nemesis/roster.h"

#include <filesystem>
#include <thread>

#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kViewDeadline = 200ms;
constexpr auto kChangeDeadline = 1s;
constexpr auto kPatience = 5s;  // for a change that nobody sees
constexpr auto kPollInterval = 30ms;
constexpr auto kGrace = 2s;  // of SIGTERM

std::string listed(const std::set<std::string>& names) { return join({names.begin(), names.end()}); }

}  // namespace

Roster::Roster(const NemesisContext& context)
    : context_(context), state_(membership::start(node_names(context.lab))) {}

void Roster::poll() {
  for (const auto& node : context_.lab.nodes()) {
    if (!context_.lab.alive(node.name) || context_.lab.paused(node.name)) continue;
    const auto view = context_.membership->view(node, Clock::now() + kViewDeadline);
    if (!view) continue;
    const std::lock_guard lock(mutex_);
    state_ = membership::observe(std::move(state_), node.name, *view);
  }
  const std::lock_guard lock(mutex_);
  auto resolution = membership::resolve(std::move(state_), (Clock::now() - start_).count(),
                                        std::chrono::nanoseconds(kPatience).count());
  state_ = std::move(resolution.state);
  for (const auto& resolved : resolution.resolved) outcomes_[resolved.pending.id] = resolved.outcome;
}

Status Roster::learn(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    poll();
    if (const auto known = merged()) {
      const std::lock_guard lock(mutex_);
      if (all_.empty()) all_ = known->members;
      return {};
    }
    if (Clock::now() >= deadline) return fail("no majority of the nodes agrees on who the members are");
    std::this_thread::sleep_for(kPollInterval);
  }
}

std::optional<MemberView> Roster::merged() const {
  const std::lock_guard lock(mutex_);
  return state_.merged;
}

std::vector<MemberChange> Roster::possible(std::size_t floor) const {
  const std::lock_guard lock(mutex_);
  return membership::possible(state_, floor);
}

Result<int> Roster::begin(const MemberChange& change, std::size_t floor) {
  int id = 0;
  std::set<std::string> members;
  {
    const std::lock_guard lock(mutex_);
    auto begun = membership::begin(state_, change, floor, (Clock::now() - start_).count());
    if (!begun) return tl::make_unexpected(begun.error());
    state_ = std::move(*begun);
    id = state_.pending.back().id;
    members = state_.merged->members;
  }
  const Completion said = context_.membership->change(change, members, context_.lab.nodes(),
                                                      Clock::now() + kChangeDeadline);
  const std::lock_guard lock(mutex_);
  state_ = membership::answer(std::move(state_), id, said.type);
  answers_[id] = {{"change", describe(change)}, {"answer", to_string(said.type)}};
  if (!said.error.empty()) answers_[id]["error"] = said.error;
  return id;
}

std::optional<membership::Outcome> Roster::outcome(int id) const {
  const std::lock_guard lock(mutex_);
  const auto found = outcomes_.find(id);
  return found == outcomes_.end() ? std::nullopt : std::optional(found->second);
}

Json Roster::answers(int id) const {
  const std::lock_guard lock(mutex_);
  const auto found = answers_.find(id);
  return found == answers_.end() ? Json() : found->second;
}

Status Roster::let_go(const std::string& node, Leaver leaver) {
  if (leaver == Leaver::stays || !context_.lab.alive(node)) return {};
  if (auto ended = context_.lab.terminate(node, kGrace); !ended && context_.lab.alive(node))
    return tl::make_unexpected(ended.error());
  const std::lock_guard lock(mutex_);
  stopped_[node] = leaver;
  return {};
}

// Only if we had stopped it: who died of another fault is that one's to restart.
Status Roster::start_again(const std::string& node) {
  Leaver leaver{};
  std::set<std::string> members;
  {
    const std::lock_guard lock(mutex_);
    const auto stopped = stopped_.find(node);
    if (stopped == stopped_.end()) return {};
    leaver = stopped->second;
    stopped_.erase(stopped);
    members = state_.merged->members;
  }
  if (context_.lab.alive(node)) {
    if (!context_.membership->comes_back_empty()) return {};
    if (auto ended = context_.lab.terminate(node, kGrace); !ended && context_.lab.alive(node))
      return tl::make_unexpected(ended.error());
  }
  if (leaver == Leaver::stops) return context_.lab.restart(node);
  const Node found = *context_.lab.node(node);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(found.data, error))
    std::filesystem::remove_all(entry.path(), error);
  if (error) return fail("cannot empty {}: {}", found.data.string(), error.message());
  return context_.lab.start(node, context_.membership->joining(found, members, context_.lab.nodes()));
}

bool Roster::is_back(const std::string& node) const {
  const std::lock_guard lock(mutex_);
  for (const auto& pending : state_.pending)
    if (pending.change.out == node || pending.change.in == node) return false;
  return state_.merged && state_.merged->members.contains(node);
}

Result<bool> Roster::bring_back(const std::string& node, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  {
    const std::lock_guard lock(mutex_);
    owed_.insert(node);
  }
  for (;;) {
    poll();
    const auto known = merged();
    if (is_back(node)) break;
    if (known && !known->members.contains(node)) {
      if (context_.membership->comes_back_empty()) {
        const std::lock_guard lock(mutex_);
        stopped_[node] = Leaver::wiped;
      } else if (auto started = start_again(node); !started) {
        return tl::make_unexpected(started.error());
      }
      (void)begin({"", node}, 0);  // not while one is pending
    }
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  // One that is only started now, or whose departure was undone by somebody else.
  if (auto started = start_again(node); !started) return tl::make_unexpected(started.error());
  const std::lock_guard lock(mutex_);
  owed_.erase(node);
  return true;
}

Status Roster::settle(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    std::set<std::string> owed, all;
    {
      const std::lock_guard lock(mutex_);
      owed = owed_;
      all = all_;
    }
    if (all.empty()) return {};  // nobody has ever changed anything
    for (const auto& node : owed)
      if (auto back = bring_back(node, 500ms); !back) return tl::make_unexpected(back.error());
    poll();
    const std::lock_guard lock(mutex_);
    if (owed_.empty() && state_.pending.empty() && state_.merged->members == all_) return {};
    for (const auto& node : all_)
      if (!state_.merged->members.contains(node)) owed_.insert(node);
    if (Clock::now() >= deadline)
      return fail("the members are {} and should be {}{}", listed(state_.merged->members), listed(all_),
                  state_.pending.empty()
                      ? ""
                      : fmt::format("; \"{}\" is pending", describe(state_.pending[0].change)));
  }
}

}  // namespace gameday::nemesis
