// One run, from an empty folder to a report.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/run_record.h"
#include "harness/core/system.h"
#include "harness/core/workload.h"
#include "harness/run/schedule.h"
#include "harness/run/stop_signals.h"
#include "harness/run/watcher.h"

namespace gameday::run {

// The run as a value, with what it is made of. The composition of the program fills it in.
struct RunPlan {
  Json test = Json::object();  // test.json: the value, and the command that reproduces it
  std::filesystem::path store = "store";
  std::string name;  // the folder below the store
  int nodes = 3;
  int clients = 10;
  double seconds = 30;
  std::chrono::milliseconds op_deadline{};
  WorkloadOptions workload_options;
  const Workload* workload = nullptr;
  System* system = nullptr;
  std::vector<FaultKind> faults;
  std::vector<PlannedFault> schedule;
  std::vector<std::pair<std::string, std::string>> left_out;  // faults of `all` or without time; why
  bool quiet = false;

  // Judges a run: results.json.
  std::function<Json(const RunRecord&)> check;
  // Judges what has been recorded so far, again and again; a violation ends the clients' time.
  // Empty: the run goes on to its time limit.
  Watch watch;
  // Writes the report's files into the run's folder.
  std::function<Status(const RunRecord&)> report;
};

// Runs it. Must be called in a universe (harness/lab/universe.h). The run's folder is kept however
// it ends. An Error means that the tool itself failed: no cluster, no disk space, a fault that could
// not be healed.
struct Judged {
  RunRecord record;
  Status stored;  // an Error: results.json or a report could not be written
};
Result<Judged> execute(const RunPlan& plan, const StopSignals& signals);

// Checks a stored run and writes results.json and its reports.
Judged judge(const std::filesystem::path& folder, const RunPlan& plan);

}  // namespace gameday::run
