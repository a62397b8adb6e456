#include "harness/lab/file_faults.h"

#include <fnmatch.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "harness/core/rng.h"
#include "harness/lab/syscall_supervisor.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr std::size_t kMostPaths = 64;

FileCounts& of_path(FileCounters& counters, const std::string& path) {
  if (counters.by_path.size() >= kMostPaths && !counters.by_path.contains(path))
    return counters.by_path["..."];
  return counters.by_path[path];
}

}  // namespace

struct FileFaults::Rule::State {
  std::shared_ptr<Core> core;
  FileRule rule;
  // With the core's mutex:
  Rng rng;
  bool ended = false;
  std::uint64_t bytes = 0;  // that calls asked to write
  FileCounters counters;
};

struct FileFaults::Watch::State {
  std::shared_ptr<Core> core;
  FileMatch match;
  std::uint64_t nth = 1;
  bool every = false;
  OnCall on_call;
  std::uint64_t seen = 0;  // with the core's mutex
  std::mutex running;      // held while on_call runs; of `ended`
  bool ended = false;
};

struct FileFaults::Core {
  using RuleState = std::shared_ptr<Rule::State>;
  using WatchState = std::shared_ptr<Watch::State>;

  // What becomes of a call.
  struct Decision {
    std::string path;  // for the counters
    int error = 0;
    RuleState failing;  // whose error it is
    nanoseconds delay{0};
    std::vector<RuleState> delaying;
    Clock::time_point since = Clock::now();
  };
  struct Delayed {
    HeldCall call;
    Decision decision;
  };

  std::vector<std::string> data;  // names of the data directory, without a slash at the end
  CallClasses classes = 0;
  std::atomic<bool> wanted = false;  // there are rules or watches

  std::mutex mutex;  // of what follows
  std::vector<RuleState> rules;
  std::vector<WatchState> watches;
  bool letting_go = false;
  bool failed_calls = false;  // of this life
  std::multimap<Clock::time_point, Delayed> delayed;
  std::condition_variable_any changed;
  std::jthread waiter;  // answers the delayed; started with the first rule that delays

  void serve(HeldCall call);
  void finish(HeldCall call, Decision decision);
  void answer_locked(HeldCall call, const Decision& decision);
  void wait(const std::stop_token& stop);
  std::optional<std::string> match(const FileMatch& wanted_calls, const FileCall& file) const;
  bool apply(Rule::State& state, const FileCall& file, const std::string& path);
  Decision decide(const FileCall& file);
  void forget_watch(const WatchState& state);
};

// The path by which the file matches, relative where it is in the data directory.
std::optional<std::string> FileFaults::Core::match(const FileMatch& wanted_calls,
                                                   const FileCall& file) const {
  if ((wanted_calls.calls & file.classes) == 0) return std::nullopt;
  if (wanted_calls.only_growing && !file.grows) return std::nullopt;
  const bool whole = wanted_calls.path.starts_with('/');
  for (const auto& path : file.paths) {
    std::string shown = path;
    bool inside = false;
    for (const auto& folder : data) {
      if (path != folder && !path.starts_with(folder + "/")) continue;
      inside = true;
      shown = path == folder ? "." : path.substr(folder.size() + 1);
      break;
    }
    if (!whole && !inside) continue;
    if (::fnmatch(wanted_calls.path.c_str(), (whole ? path : shown).c_str(), 0) == 0) return shown;
  }
  return std::nullopt;
}

// Whether something is done to a call that matches.
bool FileFaults::Core::apply(Rule::State& state, const FileCall& file, const std::string& path) {
  ++state.counters.seen;
  ++of_path(state.counters, path).seen;
  state.bytes += file.bytes;
  const FileRule& rule = state.rule;
  if (rule.nth != 0 && state.counters.seen != rule.nth) return false;
  if (rule.after_bytes != 0 && state.bytes <= rule.after_bytes) return false;
  return rule.probability >= 1 || state.rng.chance(rule.probability);
}

FileFaults::Core::Decision FileFaults::Core::decide(const FileCall& file) {
  Decision decision;
  for (const auto& state : rules) {
    const auto path = match(state->rule.match, file);
    if (!path || !apply(*state, file, *path)) continue;
    decision.path = *path;
    if (state->rule.error != 0 && decision.error == 0) {
      decision.error = state->rule.error;
      decision.failing = state;
    }
    if (state->rule.delay + state->rule.jitter > nanoseconds(0)) {
      decision.delay += state->rule.delay + std::chrono::duration_cast<nanoseconds>(
                                                state->rule.jitter * state->rng.unit());
      decision.delaying.push_back(state);
    }
  }
  return decision;
}

void FileFaults::Core::serve(HeldCall call) {
  if (!wanted) return;  // goes on
  const auto file = look_at(call);
  if (!file) return;
  Decision decision;
  std::vector<std::pair<WatchState, std::uint64_t>> told;
  {
    const std::lock_guard lock(mutex);
    decision = decide(*file);
    for (const auto& state : watches) {
      if (!match(state->match, *file)) continue;
      ++state->seen;
      if (state->every ? state->seen % state->nth == 0 : state->seen == state->nth)
        told.emplace_back(state, state->seen);
    }
  }
  if (told.empty()) return finish(std::move(call), std::move(decision));
  // Whoever lets go last lets it go on.
  const std::shared_ptr<HeldCall> shared(
      new HeldCall(std::move(call)),
      [core = told[0].first->core, decision = std::move(decision)](HeldCall* held) {
        core->finish(std::move(*held), decision);
        delete held;
      });
  for (const auto& [state, count] : told) {
    const std::lock_guard running(state->running);
    if (!state->ended) state->on_call({*file, count, shared});
  }
}

void FileFaults::Core::finish(HeldCall call, Decision decision) {
  const std::lock_guard lock(mutex);
  if (decision.delay == nanoseconds(0) || letting_go)
    return answer_locked(std::move(call), decision);
  const auto due = Clock::now() + decision.delay;
  delayed.emplace(due, Delayed{std::move(call), std::move(decision)});
  changed.notify_all();
}

// A rule that has ended meanwhile does nothing any more, and counts nothing.
void FileFaults::Core::answer_locked(HeldCall call, const Decision& decision) {
  const bool fails = decision.failing && !decision.failing->ended;
  const nanoseconds waited = Clock::now() - decision.since;
  const bool got_it = fails ? call.fail(decision.error) : call.go_on();
  if (!got_it) return;
  if (fails) {
    failed_calls = true;
    ++decision.failing->counters.failed;
    ++of_path(decision.failing->counters, decision.path).failed;
  }
  for (const auto& state : decision.delaying) {
    if (state->ended) continue;
    for (FileCounts* counts :
         {static_cast<FileCounts*>(&state->counters), &of_path(state->counters, decision.path)}) {
      ++counts->delayed;
      counts->waited += waited;
    }
  }
}

void FileFaults::Core::wait(const std::stop_token& stop) {
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    if (delayed.empty()) {
      changed.wait(lock, stop, [this] { return !delayed.empty(); });
      continue;
    }
    const auto due = delayed.begin()->first;
    if (Clock::now() < due) {
      changed.wait_until(lock, stop, due, [&] { return delayed.empty() || delayed.begin()->first < due; });
      continue;
    }
    auto node = delayed.extract(delayed.begin());
    answer_locked(std::move(node.mapped().call), node.mapped().decision);
  }
}

void FileFaults::Core::forget_watch(const WatchState& state) {
  const std::lock_guard lock(mutex);
  std::erase(watches, state);
  wanted = !rules.empty() || !watches.empty();
}

FileFaults::FileFaults(const fs::path& data, CallClasses classes) : core_(std::make_shared<Core>()) {
  core_->classes = classes;
  // As given, for paths in calls, and as the kernel says it of descriptors.
  std::error_code error;
  for (const fs::path& name : {data.lexically_normal(), fs::weakly_canonical(data, error)}) {
    std::string text = name.string();
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    if (!text.empty() && (core_->data.empty() || core_->data[0] != text)) core_->data.push_back(text);
  }
}

FileFaults::~FileFaults() {
  let_go(true);
  core_->waiter = {};
}

void FileFaults::register_in(SyscallTable& table) {
  trap_file_calls(table, core_->classes,
                  [core = core_](HeldCall call) { core->serve(std::move(call)); });
}

CallClasses FileFaults::classes() const { return core_->classes; }

namespace {

Status prepared_for(CallClasses wanted, CallClasses prepared) {
  // Creating opens are among all opens.
  if ((prepared & kOpenCalls) != 0 && wanted == kCreateCalls) return {};
  for (CallClasses bit = 1; bit <= kNameCalls; bit <<= 1)
    if ((wanted & bit) != 0 && (prepared & bit) == 0)
      return fail("the lab was made without trapping {} calls", word_of(static_cast<CallClass>(bit)));
  return {};
}

}  // namespace

Result<FileFaults::Rule> FileFaults::add(const FileRule& rule) {
  if (auto status = prepared_for(rule.match.calls, core_->classes); !status)
    return tl::make_unexpected(status.error());
  auto state = std::make_shared<Rule::State>(Rule::State{core_, rule, Rng(rule.seed), false, 0, {}});
  const std::lock_guard lock(core_->mutex);
  if (rule.delay + rule.jitter > nanoseconds(0) && !core_->waiter.joinable())
    core_->waiter = std::jthread([core = core_.get()](const std::stop_token& stop) { core->wait(stop); });
  core_->rules.push_back(state);
  core_->wanted = true;
  return Rule(std::move(state));
}

FileFaults::Rule::Rule(std::shared_ptr<State> state) : state_(std::move(state)) {}
FileFaults::Rule::Rule(Rule&&) noexcept = default;
FileFaults::Rule& FileFaults::Rule::operator=(Rule&& other) noexcept {
  if (state_ && this != &other) (void)end();
  state_ = std::move(other.state_);
  return *this;
}
FileFaults::Rule::~Rule() {
  if (state_) (void)end();
}

FileCounters FileFaults::Rule::counters() const {
  const std::lock_guard lock(state_->core->mutex);
  return state_->counters;
}

FileCounters FileFaults::Rule::end() {
  Core& core = *state_->core;
  const std::lock_guard lock(core.mutex);
  std::erase(core.rules, state_);
  core.wanted = !core.rules.empty() || !core.watches.empty();
  // Those that waited for nothing but this rule did wait: they are counted.
  for (auto at = core.delayed.begin(); at != core.delayed.end();) {
    const auto& delaying = at->second.decision.delaying;
    if (delaying.size() != 1 || delaying[0] != state_) {
      ++at;
      continue;
    }
    if (at->second.decision.failing == state_) at->second.decision.failing.reset();
    core.answer_locked(std::move(at->second.call), at->second.decision);
    at = core.delayed.erase(at);
  }
  state_->ended = true;
  return state_->counters;
}

Result<FileFaults::Watch> FileFaults::watch(FileMatch match, std::uint64_t nth, bool every,
                                            OnCall on_call) {
  if (auto status = prepared_for(match.calls, core_->classes); !status)
    return tl::make_unexpected(status.error());
  if (nth == 0) return fail("calls are counted from 1");
  auto state = std::make_shared<Watch::State>();
  state->core = core_;
  state->match = std::move(match);
  state->nth = nth;
  state->every = every;
  state->on_call = std::move(on_call);
  const std::lock_guard lock(core_->mutex);
  core_->watches.push_back(state);
  core_->wanted = true;
  return Watch(std::move(state));
}

FileFaults::Watch::Watch(std::shared_ptr<State> state) : state_(std::move(state)) {}
FileFaults::Watch::Watch(Watch&&) noexcept = default;
FileFaults::Watch& FileFaults::Watch::operator=(Watch&& other) noexcept {
  if (this != &other) end();
  state_ = std::move(other.state_);
  return *this;
}
FileFaults::Watch::~Watch() { end(); }

void FileFaults::Watch::end() {
  if (!state_) return;
  state_->core->forget_watch(state_);
  const std::lock_guard running(state_->running);
  state_->ended = true;
}

std::uint64_t FileFaults::Watch::seen() const {
  const std::lock_guard lock(state_->core->mutex);
  return state_->seen;
}

void FileFaults::let_go(bool yes) {
  const std::lock_guard lock(core_->mutex);
  core_->letting_go = yes;
  if (!yes) return;
  for (auto& [due, item] : std::exchange(core_->delayed, {}))
    core_->answer_locked(std::move(item.call), item.decision);
}

void FileFaults::begin_life() {
  const std::lock_guard lock(core_->mutex);
  core_->letting_go = false;
  core_->failed_calls = false;
}

bool FileFaults::failed_calls() const {
  const std::lock_guard lock(core_->mutex);
  return core_->failed_calls;
}

std::size_t FileFaults::rules_in_force() const {
  const std::lock_guard lock(core_->mutex);
  return core_->rules.size();
}

std::size_t FileFaults::delayed_now() const {
  const std::lock_guard lock(core_->mutex);
  return core_->delayed.size();
}

}  // namespace gameday::lab
