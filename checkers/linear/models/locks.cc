// Locks that know who holds them: owner-aware and reentrant mutexes, and semaphores whose permits
// are released by their holder, as Jepsen's tests of Hazelcast (2017, and its CP subsystem) have
// them. A process that crashed comes back under another number, so it never releases what it held.
#include <fmt/format.h>

#include "checkers/linear/models/models.h"
#include "checkers/linear/value_model.h"

namespace gameday::linear {
namespace {

enum : std::int32_t { kAcquire, kRelease };
constexpr std::int64_t kHazelcastPermits = 2;

// Who holds how many permits, by process; of `permits` in all.
struct Permits {
  using State = std::vector<std::pair<std::int64_t, std::int64_t>>;
  std::int64_t permits;  // below 0: no limit
  bool one_holder;

  std::optional<State> step(State state, const Call& call) const {
    std::int64_t held = 0;
    auto own = state.end();
    for (auto it = state.begin(); it != state.end(); ++it) {
      held += it->second;
      if (it->first == call.given) own = it;
    }
    if (call.f == kRelease) {
      if (own == state.end()) return std::nullopt;
      if (--own->second == 0) state.erase(own);
      return state;
    }
    if (one_holder && !state.empty() && own == state.end()) return std::nullopt;
    if (permits >= 0 && held >= permits) return std::nullopt;
    if (own != state.end()) {
      ++own->second;
    } else {
      const std::pair<std::int64_t, std::int64_t> first{call.given, 1};
      state.insert(std::lower_bound(state.begin(), state.end(), first), first);
    }
    return state;
  }
  static std::string describe(const State& state) {
    std::string text;
    for (const auto& [process, count] : state) {
      text += fmt::format("{}held by process {}", text.empty() ? "" : ", ", process);
      if (count > 1) text += fmt::format(" {} times", count);
    }
    return text.empty() ? "free" : text;
  }
};

constexpr Function kFunctions[] = {
    {"acquire lock", kAcquire, Takes::process},
    {"release unlock", kRelease, Takes::process},
};

std::unique_ptr<Model> owner(Names& names, const ModelOptions&, std::span<const Operation>) {
  return std::make_unique<ValueModel<Permits>>(Permits{1, true}, Permits::State{}, names);
}
std::unique_ptr<Model> reentrant(Names& names, const ModelOptions& options,
                                 std::span<const Operation>) {
  return std::make_unique<ValueModel<Permits>>(Permits{options.permits.value_or(-1), true},
                                               Permits::State{}, names);
}
std::unique_ptr<Model> semaphore(Names& names, const ModelOptions& options,
                                 std::span<const Operation>) {
  return std::make_unique<ValueModel<Permits>>(
      Permits{options.permits.value_or(kHazelcastPermits), false}, Permits::State{}, names);
}

}  // namespace

const Object objects::kOwnerMutex{"the mutex", kFunctions, owner};
const Object objects::kReentrantMutex{"the mutex", kFunctions, reentrant};
const Object objects::kSemaphore{"the semaphore", kFunctions, semaphore};

}  // namespace gameday::linear
