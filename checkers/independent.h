// Histories of independent keys (Jepsen's jepsen.independent): every value is a pair [k v], and each
// key's history is judged alone.
#pragma once

#include "checkers/model.h"

namespace gameday {

// One check a key, several at once (check_keys of linear/by_key.h). Rows of no client go to no key.
CheckResult check_independent(const Model& model, const ModelInput& input);

}  // namespace gameday
