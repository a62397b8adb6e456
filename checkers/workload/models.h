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
CheckResult check_causal(const ModelInput& input);
CheckResult check_adya(const ModelInput& input);

}  // namespace gameday::workload
