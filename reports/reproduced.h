// The table of `gameday reproduce`: published findings, and what came of each.
#pragma once

#include <string>

#include "harness/core/json.h"

namespace gameday {

// `rows` is the list that reproduce.json holds. One page that works from file://; links to reports
// are relative to `folder`.
std::string render_reproduced_html(const Json& rows, const std::string& folder);
// For a terminal of so many columns.
std::string render_reproduced_text(const Json& rows, std::size_t width);
// The same rows before they were run: what there is to be reproduced.
std::string render_findings_text(const Json& rows, std::size_t width);

}  // namespace gameday
