// Exact checks of read committed, read atomic and causal consistency.
#pragma once

#include "checkers/txn/anomalies.h"
#include "checkers/txn/registers.h"
#include "checkers/txn/weak/visible.h"

namespace gameday::txn::weak {

// What the anomaly is called that keeps transactions from having an order of commits.
inline constexpr std::string_view kCommitOrderCycle = "commit-order-cycle";

// Looks for that anomaly only; without sessions, clients' orders do not count.
void check_commit_order(const Registers& registers, Level level, bool sessions, const Limits& limits,
                        Anomalies& anomalies);

// The models of their own names: with sessions, and reads judged too.
CheckResult check_read_committed(const ModelInput& input);
CheckResult check_read_atomic(const ModelInput& input);
CheckResult check_causal(const ModelInput& input);

}  // namespace gameday::txn::weak
