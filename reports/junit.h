// The verdict of a run for CI systems: JUnit XML.
#pragma once

#include <string>

#include "harness/core/run_record.h"

namespace gameday {

// One test suite "gameday.<system>.<workload>" with one case a checker: INVALID is a failure,
// UNKNOWN an error. A run that was not checked has one case, which is an error. Always well-formed
// XML 1.0.
std::string render_junit(const RunRecord& run);

}  // namespace gameday
