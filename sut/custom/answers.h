// What a client that is a process may answer: FORMAT.md's table, checked.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "harness/core/json.h"

namespace gameday::custom {

// What the result of an operation that happened must be, if it is not. A checker that was given
// something else would take it for a state of the system, such as a set that lost everything.
std::optional<std::string> misfit(std::string_view workload, std::string_view f, const Json& asked,
                                  const Json& answered);

}  // namespace gameday::custom
