// The parts of the HTML report that the server side writes, each a complete piece of markup.
#pragma once

#include <string>

#include "harness/core/run_record.h"
#include "reports/view.h"

namespace gameday::report {

std::string html_figures(const RunView& view);
std::string html_facts(const RunView& view);
std::string html_anomalies(const RunRecord& run, const RunView& view);
std::string html_faults(const RunRecord& run);
std::string html_checkers(const RunView& view);
std::string html_reproduce(const RunView& view);
std::string html_files(const RunRecord& run, const RunView& view);

}  // namespace gameday::report
