#include "checkers/linear/decide/decide.h"

namespace gameday::linear {

Decision decide_stack(std::span<const Operation>) { return {}; }
Decision decide_priority_queue(std::span<const Operation>) { return {}; }

}  // namespace gameday::linear
