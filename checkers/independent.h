// Histories of independent keys (Jepsen's jepsen.independent): every value is a pair [k v], and each
// key's history is judged alone.
#pragma once

#include "checkers/model.h"

namespace gameday {

// One check a key, several at once. A client's row whose value is no pair belongs to the key of its
// other half, or where that is none either, is an error (UNKNOWN); rows of no client go to no key.
// stats: keys, failures and unknown (keys, at most kAnomalyLimit each).
CheckResult check_independent(const Model& model, const ModelInput& input);

}  // namespace gameday
