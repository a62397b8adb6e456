// Reads that are wrong whatever the order of transactions.
#pragma once

#include "checkers/txn/anomalies.h"
#include "checkers/txn/registers.h"

namespace gameday::txn {

enum class Repeatable { no, yes };

// G1a, G1b, future-read, never-written, and internal: a read of a key that the transaction wrote
// before must return what it wrote last, and, if repeatable, one that it read before the same value.
void check_reads(const Registers& registers, Repeatable repeatable, const Limits& limits,
                 Anomalies& anomalies);

}  // namespace gameday::txn
