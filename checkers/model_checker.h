// Models as checkers of a run.
#pragma once

#include <string_view>

#include "harness/core/checker.h"

namespace gameday {

// Judges a run's history by the model of this name, with its default options; nullptr: there is none.
const Checker* model_checker(std::string_view name);

}  // namespace gameday
