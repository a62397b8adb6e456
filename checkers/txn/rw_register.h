// rw-register: transactions of reads and writes of unique values. Versions are not seen in order, so
// dependencies follow from what can be told of the order of versions (Kingsbury and Alvaro, "Elle",
// VLDB 2020, section 4.2).
#pragma once

#include "checkers/model.h"

namespace gameday::txn {

CheckResult check_rw_register(const ModelInput& input);

}  // namespace gameday::txn
