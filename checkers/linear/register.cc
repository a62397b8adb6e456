#include "checkers/linear/register.h"

namespace gameday::linear {

std::int32_t Register::intern(const Json& value) {
  const auto [it, added] =
      ids_.try_emplace(value.dump(), static_cast<std::int32_t>(values_.size()));
  if (added) values_.push_back(it->first);
  return it->second;
}

State Register::step(State state, const Operation& op) const {
  if (const auto needed = requires_value(op); needed && *needed != state) return kIllegal;
  return produces(op).value_or(state);
}

bool Register::depends(const Operation& op, const Operation& source) const {
  const auto needed = requires_value(op);
  return needed && produces(source) == needed;
}

std::optional<State> Register::produces(const Operation& op) {
  switch (op.kind) {
    case kWrite:
      return op.a;
    case kCas:
      return op.b;
    default:
      return std::nullopt;
  }
}

std::optional<State> Register::requires_value(const Operation& op) {
  return op.kind == kWrite ? std::nullopt : std::optional<State>(op.a);
}

}  // namespace gameday::linear
