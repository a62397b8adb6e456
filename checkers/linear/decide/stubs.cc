#include "checkers/linear/decide/decide.h"

namespace gameday::linear {

Decision decide_stack(std::span<const Operation>) { return {}; }

}  // namespace gameday::linear
