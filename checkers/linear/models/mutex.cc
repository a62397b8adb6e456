// A lock: the shortest example of a model (ARCHITECTURE.md).
#include "checkers/linear/models/models.h"
#include "checkers/linear/value_model.h"

namespace gameday::linear {
namespace {

enum : std::int32_t { kAcquire, kRelease };

struct Mutex {
  using State = std::int64_t;  // 1: held
  static std::optional<State> step(State held, const Call& call) {
    if (held == (call.f == kAcquire ? 1 : 0)) return std::nullopt;
    return 1 - held;
  }
  static std::string describe(State held) { return held != 0 ? "held" : "free"; }
};

constexpr Function kFunctions[] = {
    {"acquire lock", kAcquire, Takes::nothing},
    {"release unlock", kRelease, Takes::nothing},
};

std::unique_ptr<Model> make(Names& names, const ModelOptions& options, std::span<const Operation>) {
  const bool held = options.initial == "true" || options.initial == ":held";
  return std::make_unique<ValueModel<Mutex>>(Mutex{}, held ? 1 : 0, names);
}

}  // namespace

const Object objects::kMutex{"the mutex", kFunctions, make};

}  // namespace gameday::linear
