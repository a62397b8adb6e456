#include "checkers/model.h"

namespace gameday {

std::span<const Model> linear_models() { return {}; }

}  // namespace gameday
