#include "harness/cli/reproduce_command.h"

#include <unistd.h>

#include <algorithm>
#include <map>

#include "harness/cli/commands.h"
#include "harness/cli/install.h"
#include "harness/cli/reproductions.h"
#include "harness/cli/version.h"
#include "harness/core/verdict.h"
#include "harness/lab/universe.h"
#include "harness/run/store.h"
#include "reports/reproduced.h"
#include "sut/catalog.h"

namespace gameday::cli {
namespace fs = std::filesystem;
namespace {

// One finding and what became of it.
struct Outcome {
  const Reproduction* what = nullptr;
  std::string verdict;  // of the last run; "not run" with the reason in `error`
  std::vector<std::string> anomaly_types;
  fs::path folder;
  std::string version;  // of the system, as Debian calls it
  std::string error, summary, command;
  int runs = 0, invalid = 0;  // how many there were, and came out INVALID
  bool as_expected = false;
};

std::string_view expected(const Reproduction& r) { return r.invalid ? "INVALID" : "VALID"; }

Json to_json(const Outcome& o) {
  Json json = {
      {"name", o.what->name},
      {"system", o.what->system},
      {"version", o.version},
      {"settings", o.what->settings},
      {"nodes", o.what->nodes},
      {"workload", o.what->workload},
      {"schedule", o.what->schedule.empty() ? Json::array() : Json::parse(o.what->schedule)},
      {"expected", expected(*o.what)},
      {"expected-anomalies", words(o.what->anomalies)},
      {"verdict", o.verdict},
      {"anomaly-types", o.anomaly_types},
      {"as-expected", o.as_expected},
      {"runs", o.runs},
      {"invalid-runs", o.invalid},
      {"finding", o.what->story},
      {"source", o.what->source},
      {"summary", o.summary},
      {"folder", o.folder.string()},
      {"command", o.command}};
  if (!o.error.empty()) json["error"] = o.error;
  return json;
}

RunOptions options_of(const Reproduction& r, const fs::path& schedule, const ReproduceOptions& o,
                      int seed) {
  RunOptions run;
  run.system = r.system;
  run.settings = words(r.settings);
  run.workload = r.workload;
  run.nodes = r.nodes;
  run.time_limit = r.seconds;
  run.rate = r.rate;
  run.consistency = words(r.consistency);
  if (!r.schedule.empty()) run.schedule = schedule;
  run.seed = static_cast<std::uint64_t>(seed);
  run.store = o.store;
  run.quiet = o.quiet;
  return run;
}

// What one run said, from its folder: it ran in a process of its own.
void read_results(Outcome& o) {
  const auto folder = run::find_run(o.folder.parent_path(), o.folder.filename());
  const Json results = folder ? run::load_run(*folder).results : Json();
  if (!results.is_object()) return;
  o.verdict = results.value("verdict", std::string("UNKNOWN"));
  o.summary = results.value("summary", std::string());
  o.anomaly_types.clear();
  for (const Json& checker : results.value("checkers", Json::array()))
    for (const auto& type : checker.value("anomaly-types", std::vector<std::string>()))
      if (std::ranges::find(o.anomaly_types, type) == o.anomaly_types.end())
        o.anomaly_types.push_back(type);
}

bool matches(const Outcome& o) {
  if (o.verdict != expected(*o.what)) return false;
  const auto wanted = words(o.what->anomalies);
  return wanted.empty() ||
         std::ranges::find_first_of(o.anomaly_types, wanted) != o.anomaly_types.end();
}

// One run; false: it could not be run at all.
bool run_once(Outcome& o, const ReproduceOptions& options, int seed) {
  const fs::path schedule = options.store / "schedules" / (std::string(o.what->name) + ".json");
  if (!o.what->schedule.empty())
    if (auto written = run::write_file(schedule, std::string(o.what->schedule) + "\n"); !written) {
      o.error = written.error().message;
      return false;
    }
  auto composition = compose(options_of(*o.what, schedule, options, seed));
  if (!composition) {
    o.error = composition.error().message;
    return false;
  }
  if (const auto possible = machine_can(composition->plan); !possible) {
    o.error = possible.error().message;
    return false;
  }
  o.command = composition->plan.test.value("command", std::string());
  const int code = lab::run_in_universe([&] {
    const run::StopSignals signals;
    const auto judged = run::execute(composition->plan, signals);
    if (!judged) return complain(exit_code::tool_failed, judged.error().message);
    if (signals.requested()) return 130;
    return judged->stored ? 0 : exit_code::tool_failed;
  });
  ++o.runs;
  std::error_code ignored;
  o.folder = fs::canonical(options.store / composition->plan.name / "latest", ignored);
  o.verdict = "UNKNOWN";
  if (code == 0 || code == 130) read_results(o);
  o.error = code == 0 ? "" : code == 130 ? "interrupted" : "the run failed";
  o.invalid += o.verdict == "INVALID" ? 1 : 0;
  return code != 130;
}

void reproduce(Outcome& o, const ReproduceOptions& options) {
  const int most = options.runs > 0 ? options.runs : o.what->invalid ? o.what->runs : 1;
  for (int seed = 1; seed <= most; ++seed) {
    if (!run_once(o, options, seed)) {
      if (o.runs == 0) o.verdict = "not run";
      return;
    }
    // One run that shows it is enough for a known-bad one; a known-good one is done when none does.
    o.as_expected = o.what->invalid ? o.as_expected || matches(o) : o.invalid == 0 && matches(o);
    if (options.runs == 0 && o.as_expected) return;
  }
}

int list_them(const std::vector<Outcome>& outcomes, bool json) {
  Json all = Json::array();
  for (const auto& o : outcomes) all.push_back(to_json(o));
  const auto width = static_cast<std::size_t>(terminal_width().value_or(100));
  fmt::print("{}", json ? run::dump(all, 2) + "\n" : render_findings_text(all, width));
  return flushed();
}

}  // namespace

int reproduce_command(const ReproduceOptions& options) {
  std::vector<Outcome> outcomes;
  std::map<std::string_view, std::string> versions;
  for (const Reproduction& r : reproductions()) {
    const bool named = options.names.empty() ||
                       std::ranges::find(options.names, r.name) != options.names.end() ||
                       std::ranges::find(options.names, r.system) != options.names.end();
    const bool wanted = options.expected.empty() || (options.expected == "invalid") == r.invalid;
    if (!named || !wanted) continue;
    outcomes.emplace_back().what = &r;
    if (!versions.contains(r.system)) {
      const auto programs = words(sut::find(r.system)->programs);
      versions[r.system] = programs.empty() ? std::string(kVersion) : version_of(file_at(programs.front()));
    }
    outcomes.back().version = versions[r.system];
  }
  for (const auto& name : options.names)
    if (std::ranges::none_of(reproductions(),
                             [&](auto& r) { return r.name == name || r.system == name; }))
      return complain(
          exit_code::bad_arguments,
          fmt::format("there is no finding \"{}\"; `gameday reproduce --list` shows them", name));
  if (options.list) return list_them(outcomes, options.json);
  std::error_code error;
  fs::create_directories(options.store / "schedules", error);
  if (error || ::access(options.store.c_str(), W_OK) != 0)
    return complain(exit_code::bad_arguments,
                    fmt::format("--store: cannot write to {}", options.store.string()));
  Json all = Json::array();
  bool interrupted = false;
  std::size_t as_expected = 0;
  for (auto& o : outcomes) {
    if (interrupted) {
      o.verdict = "not run";
      o.error = "interrupted";
    } else {
      if (!options.quiet) fmt::print(stderr, "{} ({} expected)\n", o.what->name, expected(*o.what));
      reproduce(o, options);
    }
    interrupted |= o.error == "interrupted";
    as_expected += o.as_expected ? 1 : 0;
    all.push_back(to_json(o));
    // After every run: a table that is half done is worth something.
    for (const auto& [name, text] :
         {std::pair{"reproduce.json", run::dump(all, 2) + "\n"},
          std::pair{"reproduce.html",
                    render_reproduced_html(all, fs::absolute(options.store).string())}})
      if (auto written = run::write_file(options.store / name, text); !written)
        return complain(exit_code::tool_failed, written.error().message);
  }
  if (options.json)
    fmt::print("{}\n", run::dump(all, 2));
  else
    fmt::print(
        "{}{} and reproduce.json have the table\n",
        render_reproduced_text(all, static_cast<std::size_t>(terminal_width().value_or(100))),
        (options.store / "reproduce.html").string());
  if (const int failed = flushed(); failed != 0) return failed;
  return as_expected == outcomes.size() ? exit_code::valid : exit_code::invalid;
}

}  // namespace gameday::cli
