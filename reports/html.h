// The report of a run for people: one file that works from file:// without a network.
//
// The text of a system under test can be hostile. The C++ parts escape it, the page's JavaScript
// only ever sets textContent, and the page's Content-Security-Policy allows no script, style or
// connection but its own, whatever slips through.
#pragma once

#include <string>

#include "harness/core/run_record.h"

namespace gameday {

// The verdict, the anomalies in words, the faults and the checkers are plain HTML and can be read
// without JavaScript, which adds the charts. Stays under 3 MB for any history.
std::string render_html(const RunRecord& run);

}  // namespace gameday
