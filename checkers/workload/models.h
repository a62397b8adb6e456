// The models of this folder; models.cc has their names.
#pragma once

#include "checkers/model.h"

namespace gameday::workload {

CheckResult check_set(const ModelInput& input);
CheckResult check_set_full(const ModelInput& input);
CheckResult check_counter(const ModelInput& input);
CheckResult check_bank(const ModelInput& input);
CheckResult check_long_fork(const ModelInput& input);
CheckResult check_comments(const ModelInput& input);
CheckResult check_sequential(const ModelInput& input);
CheckResult check_queue(const ModelInput& input);
CheckResult check_total_queue(const ModelInput& input);
CheckResult check_unique_ids(const ModelInput& input);
CheckResult check_stats(const ModelInput& input);
CheckResult check_unhandled_exceptions(const ModelInput& input);
CheckResult check_session(const ModelInput& input);
CheckResult check_read_your_writes(const ModelInput& input);
CheckResult check_monotonic_reads(const ModelInput& input);
CheckResult check_monotonic_writes(const ModelInput& input);
CheckResult check_writes_follow_reads(const ModelInput& input);
CheckResult check_causal(const ModelInput& input);
CheckResult check_adya(const ModelInput& input);
CheckResult check_objectives(const ModelInput& input);
CheckResult check_convergence(const ModelInput& input);
CheckResult check_log_file_pattern(const ModelInput& input);
CheckResult check_kafka(const ModelInput& input);
CheckResult check_staleness(const ModelInput& input);

}  // namespace gameday::workload
