// closed-predicate: transactions of rows that are read by key and by predicate (table.h). The
// dependencies are Adya's ("Weak Consistency", MIT 1999, section 3.1): a predicate read depends on
// all states that it selected, also where they do not match, which what it left out tells
// (table_reads.h).
#pragma once

#include "checkers/model.h"

namespace gameday::txn {

CheckResult check_closed_predicate(const ModelInput& input);

}  // namespace gameday::txn
