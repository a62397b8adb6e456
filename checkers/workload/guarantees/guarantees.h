// What each model of this folder checks; guarantees.cc has their table.
#pragma once

#include "checkers/model.h"

namespace gameday::guarantees {

CheckResult check_session(const ModelInput& input);  // all four of the next
CheckResult check_read_your_writes(const ModelInput& input);
CheckResult check_monotonic_reads(const ModelInput& input);
CheckResult check_monotonic_writes(const ModelInput& input);
CheckResult check_writes_follow_reads(const ModelInput& input);
CheckResult check_staleness(const ModelInput& input);
CheckResult check_k_atomicity(const ModelInput& input);
CheckResult check_kafka(const ModelInput& input);
CheckResult check_objectives(const ModelInput& input);
CheckResult check_convergence(const ModelInput& input);
CheckResult check_log_file_pattern(const ModelInput& input);
CheckResult check_unhandled_exceptions(const ModelInput& input);

}  // namespace gameday::guarantees
