// What the page's charts draw, small whatever the size of the history: rates and quantiles per
// bucket of time, and the ops around the anomalies and faults.
#pragma once

#include <cstddef>

#include "harness/core/run_record.h"
#include "reports/view.h"

namespace gameday::report {

inline constexpr std::size_t kBuckets = 120;        // at most, over the whole run
inline constexpr std::size_t kAllOps = 6000;        // a run of at most so many ops is drawn whole
inline constexpr std::size_t kWindowOps = 400;      // else so many around each moment
inline constexpr std::size_t kOpBytes = 1'200'000;  // of text of ops, whatever their number
inline constexpr std::size_t kChartFaults = 80;
inline constexpr std::size_t kFaultMoments = 12;
inline constexpr std::size_t kAnomaliesShown = 96;  // the page's limit, also that of its text

// Times are in µs since the start of the run; the fields are described where report.js reads them
// (web/common.js).
Json chart_data(const RunRecord& run, const RunView& view);

// Whether an op is the harness asking a node how it is; the charts leave such ops out.
bool is_probe(const std::string& f);
bool is_read(const std::string& f);

}  // namespace gameday::report
