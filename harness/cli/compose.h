// The composition of the program: compose.cc is the only file that knows every catalogue. It turns
// what the command line asks for into a plan that harness/run can execute.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/run_record.h"
#include "harness/run/runner.h"

namespace gameday::cli {

struct RunOptions {
  std::string program = "gameday";  // how it was called, for the command that does it again
  std::string system = "search";
  std::string workload;             // empty: the first that the system offers
  std::vector<std::string> faults;  // names, composites, "all"
  double interval = 0;              // mean seconds from one fault to the next; 0: as the time allows
  int nodes = 3;
  int clients = 12;
  double rate = 400;      // ops a second of all clients; 0: as fast as they can
  double time_limit = 30;  // s
  std::optional<std::uint64_t> seed;  // none: a random one, shown
  std::filesystem::path schedule;     // a file or run to replay instead of drawing faults; empty: none
  std::vector<std::string> bugs;
  std::vector<std::string> settings;     // of the system: "key=value"
  std::vector<std::string> consistency;  // of transactions; empty: what the system promises
  std::filesystem::path store = "store";
  bool print_schedule = false;  // and run nothing
  bool quiet = false;
  bool fail_fast = false;  // ends the clients' time with the first violation that is proven
};

// A plan and what it points into.
struct Composition {
  run::RunPlan plan;
  std::unique_ptr<System> system;
};

// Of the catalogue, or from a file that describes it. An Error says what there is.
Result<const SystemKind*> kind_of(const std::string& system);

// The system that options.system names, with its settings. An Error says what is wrong with them, or what has
// to be installed.
struct Made {
  const SystemKind* kind = nullptr;
  Settings settings;
  std::string workload;
  std::unique_ptr<System> system;
};
Result<Made> make_system(const RunOptions& options);

// Errors name the option that is wrong and what it may be.
Result<Composition> compose(const RunOptions& options);

// Whether this machine can do the faults of the plan: the Error says which it cannot, why, and what to
// do about it.
Status machine_can(const run::RunPlan& plan);

// The schedule as a file of --schedule, an entry a line.
std::string print_schedule(const run::RunPlan& plan);

// Checks a record with these checkers (empty: all that fit): the content of results.json.
Json check_record(const RunRecord& record, const std::vector<std::string>& checkers);

// Writes report.html and junit.xml into the run's folder.
Status write_reports(const RunRecord& record);

// The words between spaces.
std::vector<std::string> words(std::string_view text);

// Tables for `gameday list`: what is one of systems, workloads, faults, checkers, bugs.
struct Listing {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> keys = {};  // of --json, if they are not the columns
  std::string title = {};
  std::vector<Listing> more = {};  // further tables below this one
};
std::optional<Listing> list(const std::string& what);
const std::vector<std::string>& listable();

}  // namespace gameday::cli
