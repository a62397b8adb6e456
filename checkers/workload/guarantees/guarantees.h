// What each model of this folder checks; guarantees.cc has their table.
#pragma once

#include "checkers/model.h"

namespace gameday {

CheckResult check_objectives(const ModelInput& input);
CheckResult check_convergence(const ModelInput& input);
CheckResult check_log_file_pattern(const ModelInput& input);
CheckResult check_unhandled_exceptions(const ModelInput& input);

}  // namespace gameday
