#include "harness/cli/compose.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "checkers/catalog.h"
#include "checkers/model.h"
#include "checkers/txn/consistency.h"
#include "harness/cli/fault_options.h"
#include "harness/cli/install.h"
#include "harness/cli/version.h"
#include "harness/run/journal.h"
#include "harness/run/store.h"
#include "reports/html.h"
#include "reports/junit.h"
#include "reports/view.h"
#include "sut/catalog.h"
#include "sut/custom/definition.h"
#include "sut/search/bugs.h"
#include "workloads/catalog.h"

namespace gameday::cli {
namespace fs = std::filesystem;
namespace {

// Where servers of our own stand: beside this program, in ../lib/gameday where it is installed, or,
// for somebody else's program that uses the library, where packages put them.
fs::path own_folder() {
  std::error_code ignored;
  const fs::path beside = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& folder : {beside, beside.parent_path() / "lib/gameday",
                                 fs::path("/usr/local/lib/gameday"), fs::path("/usr/lib/gameday")})
    if (fs::exists(folder / "searchd", ignored)) return folder;
  return beside;
}

template <typename Range>
std::string names_of(const Range& range) {
  std::vector<std::string> names;
  for (const auto* entry : range) names.emplace_back(entry->name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

std::vector<std::string> words(std::string_view text) {
  std::istringstream in{std::string(text)};
  return {std::istream_iterator<std::string>(in), {}};
}

Result<const SystemKind*> kind_of(const std::string& system) {
  if (system.ends_with(".json") || system.find('/') != std::string::npos) return custom::kind_of(system);
  if (const SystemKind* kind = sut::find(system)) return kind;
  if (::access(system.c_str(), F_OK) == 0)
    return fail("there is no system \"{0}\"; to test what the file {0} describes, say ./{0}", system);
  return fail("there is no system \"{}\"; known: {}, or a file that describes one (./mine.json)", system,
              names_of(sut::catalog()));
}

Result<Made> make_system(const RunOptions& options) {
  Made made;
  const auto kind = kind_of(options.system);
  if (!kind) return tl::make_unexpected(kind.error());
  made.kind = *kind;
  auto settings = complete(*made.kind, options.settings);
  if (!settings) return tl::make_unexpected(settings.error());
  made.settings = std::move(*settings);
  const auto offered = words(made.kind->workloads);
  // A file may say anything.
  for (const auto& workload : offered)
    if (workloads::find(workload) == nullptr)
      return fail("{}: client.workloads: there is no workload \"{}\"; `gameday list workloads` shows them",
                  options.system, workload);
  made.workload = options.workload.empty() ? offered.front() : options.workload;
  if (workloads::find(made.workload) == nullptr)
    return fail("--workload: there is no workload \"{}\"; `gameday list workloads` shows them",
                made.workload);
  if (std::ranges::find(offered, made.workload) == offered.end())
    return fail("--workload: {} has no {}; it offers {}", made.kind->name, made.workload,
                fmt::join(offered, ", "));
  for (const auto& program : words(made.kind->programs))
    if (file_at(program).empty())
      return fail("{} needs {}, which is not installed{}", made.kind->name, program,
                  packages_of(std::string(made.kind->name)).empty()
                      ? std::string()
                      : fmt::format(": gameday doctor --install {}", made.kind->name));
  if (!options.bugs.empty() && !made.kind->numbered)
    return fail("--bug: the bugs of `gameday list bugs` are those of the search cluster, not of {}",
                made.kind->name);
  auto system = made.kind->make({made.kind, made.settings, made.workload, options.bugs, own_folder()});
  if (!system) return tl::make_unexpected(system.error());
  made.system = std::move(*system);
  const std::string promised(made.system->promises());
  if (!txn::is_model(promised))
    return fail("{}: promises: there is no model \"{}\"; `gameday list consistency-models` shows them",
                options.system, promised);
  for (const auto& model : options.consistency)
    if (!txn::is_model(model))
      return fail("--consistency: there is no model \"{}\"; `gameday list consistency-models` shows them",
                  model);
  return made;
}

namespace {

std::string utc_now() {
  const std::time_t t = std::time(nullptr);
  std::tm tm{};
  gmtime_r(&t, &tm);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
  return text;
}

std::string shell_quoted(const std::string& text) {
  const bool plain = !text.empty() && text.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                         "_-./,=:+@%") == std::string::npos;
  if (plain) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string command_of(const RunOptions& o) {
  const RunOptions defaults;
  std::string command = fmt::format("{} run {}", shell_quoted(o.program), o.system);
  const auto add = [&](std::string_view flag, const std::string& value) {
    command += fmt::format(" {} {}", flag, shell_quoted(value));
  };
  add("--workload", o.workload);
  for (const auto& setting : o.settings) add("--set", setting);
  if (!o.consistency.empty()) add("--consistency", fmt::format("{}", fmt::join(o.consistency, ",")));
  if (!o.schedule.empty()) {
    add("--schedule", o.schedule.string());
  } else if (!o.faults.empty()) {
    add("--faults", fmt::format("{}", fmt::join(o.faults, ",")));
  }
  if (o.interval > 0) add("--interval", fmt::format("{}", o.interval));
  if (o.nodes != defaults.nodes) add("--nodes", std::to_string(o.nodes));
  if (o.clients != defaults.clients) add("--clients", std::to_string(o.clients));
  if (o.rate != defaults.rate) add("--rate", fmt::format("{}", o.rate));
  add("--time-limit", fmt::format("{}", o.time_limit));
  add("--seed", std::to_string(o.seed.value_or(0)));
  for (const auto& bug : o.bugs) add("--bug", bug);
  if (o.fail_fast) command += " --fail-fast";
  return command;
}

Json test_json(const RunOptions& o, const run::RunPlan& plan, const std::vector<std::string>& nodes) {
  Json schedule = Json::array();
  for (const auto& planned : plan.schedule) schedule.push_back(to_json(planned));
  Json left_out = Json::array();
  for (const auto& [fault, reason] : plan.left_out)
    left_out.push_back({{"fault", fault}, {"reason", reason}});
  return {{"name", plan.name},
          {"system", o.system},
          {"workload", o.workload},
          {"seed", *o.seed},
          {"nodes", nodes},
          {"faults", o.faults},
          {"faults-left-out", std::move(left_out)},
          {"bugs", o.bugs},
          {"settings", o.settings},
          {"clients", o.clients},
          {"rate", o.rate},
          {"time-limit", o.time_limit},
          {"command", command_of(o)},
          {"started", utc_now()},
          {"version", kVersion},
          {"schedule", std::move(schedule)}};
}

// Whom test.json names to judge a run of a system that does not promise the search cluster's invariants.
Json judges(const RunOptions& o, const Workload& workload, const System& system) {
  Json all = Json::array();
  for (const auto& judge : words(workload.judges)) {
    const auto colon = judge.find(':');
    if (colon == std::string::npos) {
      all.push_back({{"checker", judge}});
      continue;
    }
    Json entry = {{"model", judge.substr(colon + 1)}};
    if (judge.starts_with("txn:"))
      entry["consistency"] = o.consistency.empty() ? std::vector{system.promises()} : o.consistency;
    all.push_back(std::move(entry));
  }
  return all;
}

std::uint64_t random_seed() {
  std::random_device device;
  return device() % 1'000'000;  // short enough to be read aloud
}

Status check_limits(const RunOptions& o) {
  const auto within = [](double value, double low, double high, const char* flag) -> Status {
    if (value >= low && value <= high) return {};
    return fail("{} must be from {:g} to {:g}, not {:g}", flag, low, high, value);
  };
  for (const Status& s : {within(o.nodes, 1, 64, "--nodes"), within(o.clients, 1, 400, "--clients"),
                          within(o.rate, 0, 1e6, "--rate"),
                          within(o.interval, 0, 3600, "--interval"),
                          within(o.time_limit, 1, 86'400, "--time-limit")})
    if (!s) return s;
  return {};
}

}  // namespace

namespace {

std::optional<std::string> first_violation(const CheckInput& input) {
  for (const Checker* checker : fitting(input)) {
    if (!checker->early()) continue;
    const CheckResult result = check_safely(*checker, input);
    if (result.verdict == Verdict::invalid)
      return fmt::format("{}: {}", checker->name(),
                         result.anomalies.empty() ? result.summary : result.anomalies[0].summary);
  }
  return std::nullopt;
}

}  // namespace

Result<Composition> compose(const RunOptions& given) {
  RunOptions o = given;
  if (!o.seed) o.seed = random_seed();
  if (auto limits = check_limits(o); !limits) return tl::make_unexpected(limits.error());

  Composition c;
  auto made = make_system(o);
  if (!made) return tl::make_unexpected(made.error());
  c.system = std::move(made->system);
  o.workload = made->workload;
  c.plan.workload = workloads::find(o.workload);
  std::vector<std::string> nodes;
  for (int i = 1; i <= o.nodes; ++i) nodes.push_back(fmt::format("n{}", i));
  // What "latest" is now, for the command that reproduces this run.
  std::error_code ignored;
  if (const fs::path real = fs::canonical(o.schedule, ignored); !real.empty()) o.schedule = real;
  auto chosen = choose_faults(o, *c.system, nodes);
  if (!chosen) return tl::make_unexpected(chosen.error());
  o.faults = std::move(chosen->words);

  run::RunPlan& plan = c.plan;
  plan.store = o.store;
  plan.name = made->kind->name;
  plan.nodes = o.nodes;
  plan.clients = o.clients;
  plan.seconds = o.time_limit;
  plan.op_deadline = plan.workload->op_deadline;
  plan.workload_options = {*o.seed, o.clients, o.rate, nodes, made->kind->numbered};
  plan.system = c.system.get();
  plan.quiet = o.quiet;
  plan.schedule = std::move(chosen->schedule);
  plan.left_out = std::move(chosen->left_out);
  plan.faults = std::move(chosen->kinds);
  plan.test = test_json(o, plan, nodes);
  plan.test["fault-families"] = std::move(chosen->families);
  if (!made->kind->numbered) {
    plan.test["judges"] = judges(o, *plan.workload, *c.system);
    plan.test["final-reads"] = plan.workload->final_reads(plan.workload_options) != nullptr;
  }
  plan.check = [](const RunRecord& record) { return check_record(record, {}); };
  plan.report = write_reports;
  if (o.fail_fast) plan.watch = [test = plan.test, nodes](const History& history) {
    return first_violation({history, test, {}, nodes, {}});
  };
  return c;
}

namespace {

// Why the record does not hold what the test asked for; empty: it does. Ctrl-C is a person who has
// seen enough, and who reads that the run was interrupted; other signals come from a machine that
// only reads the exit code.
std::string shortfall(const RunRecord& record, const Json& end) {
  if (!record.damage.empty()) return fmt::format("the history ends early: {}", record.damage);
  if (!record.faults_damage.empty())
    return fmt::format("the run's record is damaged: {}", record.faults_damage);
  const bool is_run = record.test.contains("time-limit");
  if (is_run && end.is_null())
    return "the record ends before the run did: its controller was killed, or failed";
  if (!end.is_object() || !end.contains("signal") || end["signal"] == "SIGINT") return {};
  return fmt::format("the run was ended by {} before its time limit",
                     end["signal"].is_string() ? end["signal"].get<std::string>() : "a signal");
}

// A fault as results.json has it; times are ns since the start of the run, null where it did not happen.
Json fault_result(const FaultRecord& fault) {
  const auto time = [](std::int64_t ns) { return ns < 0 ? Json() : Json(ns); };
  Json json = {{"id", fault.id},
               {"fault", fault.fault},
               {"what", fault.summary},
               {"requested", time(fault.requested)},
               {"in-force", time(fault.in_force)},
               {"healed", time(fault.healed)},
               {"effective", fault.proof.effective},
               {"proof", fault.proof.summary}};
  if (!fault.error.empty()) json["error"] = fault.error;
  return json;
}

}  // namespace

Json check_record(const RunRecord& record, const std::vector<std::string>& checkers) {
  // The history says, too, when faults came and ended, and it is whole or known not to be.
  const auto faults = record.faults_damage.empty() ? record.faults : std::vector<FaultRecord>();
  const CheckInput input{record.history, record.test, faults, record.nodes, {}};
  auto results = check_all(input, checkers);
  // Counts and proofs alone are no reason to call anything VALID.
  const bool promise = !checkers.empty() || std::any_of(results.begin(), results.end(), [](auto& r) {
    return r.checker != "stats" && r.checker != "faults-proven" && r.checker != "recovery";
  });
  const Json ended = run::heal_all(record.history);
  if (const auto why = shortfall(record, ended); !why.empty() && checkers.empty()) {
    CheckResult& result = results.emplace_back();
    result.checker = "record";
    result.summary = why;
  }
  const Verdict verdict = promise ? merged(results) : merge(merged(results), Verdict::unknown);
  Json all = Json::array();
  for (const auto& result : results) all.push_back(to_json(result));
  std::int64_t counts[4] = {};
  std::int64_t end = 0;
  for (std::size_t i = 0; i < record.history.size(); ++i) {
    end = std::max(end, record.history.time(i));
    if (record.history.is_client(i)) ++counts[static_cast<int>(record.history.type(i))];
  }
  RunRecord judged;
  judged.test = record.test;
  judged.faults = record.faults;
  judged.nodes = record.nodes;
  judged.results = {{"verdict", to_string(verdict)},
                    {"summary", ""},
                    {"checkers", std::move(all)},
                    {"ops",
                     {{"invoked", counts[0]}, {"ok", counts[1]}, {"fail", counts[2]}, {"info", counts[3]}}},
                    {"duration", static_cast<double>(end) / 1e9},
                    {"faults", Json::array()}};
  for (const auto& fault : record.faults) judged.results["faults"].push_back(fault_result(fault));
  judged.results["summary"] = verdict_sentence(judged);
  if (const auto left = record.test.find("faults-left-out"); left != record.test.end() && !left->empty())
    judged.results["faults-left-out"] = *left;
  if (!promise) judged.results["summary"] = "no checker of a promise fits what was recorded.";
  if (ended.is_object() && ended.contains("fail-fast")) {
    judged.results["fail-fast"] = ended["fail-fast"];
    judged.results["summary"] = judged.results["summary"].get<std::string>() +
                                " --fail-fast ended the run with the first violation.";
  }
  if (ended.is_object() && ended.value("interrupted", Json()) == true) {
    judged.results["interrupted"] = true;
    judged.results["summary"] =
        judged.results["summary"].get<std::string>() + " The run was interrupted before its time limit.";
  }
  return judged.results;
}

Status write_reports(const RunRecord& record) {
  if (auto html = run::write_file(record.folder / "report.html", render_html(record)); !html)
    return html;
  return run::write_file(record.folder / "junit.xml", render_junit(record));
}

const std::vector<std::string>& listable() {
  static const std::vector<std::string> kWhat{"systems", "workloads", "faults", "checkers",
                                              "models",  "consistency-models", "bugs"};
  return kWhat;
}

std::optional<Listing> list(const std::string& what) {
  Listing l{{"name", "what it is"}, {}};
  if (what == "systems") {
    l.columns = {"name", "what it is", "workloads", "settings"};
    for (const SystemKind* kind : sut::catalog()) {
      std::vector<std::string> settings;
      for (const auto& s : kind->settings)
        settings.push_back(fmt::format("{}={} ({})", s.name, s.initial, s.meaning));
      l.rows.push_back({std::string(kind->name), std::string(kind->summary), std::string(kind->workloads),
                        fmt::format("{}", fmt::join(settings, "; "))});
    }
  } else if (what == "workloads") {
    l.columns = {"name", "what it does", "checkers"};
    for (const Workload* w : workloads::catalog())
      l.rows.push_back({std::string(w->name), std::string(w->summary), std::string(w->checkers)});
  } else if (what == "faults") {
    return list_faults();
  } else if (what == "checkers") {
    for (const Checker* c : checkers())
      l.rows.push_back({std::string(c->name()), std::string(c->summary())});
  } else if (what == "models") {
    l.columns = {"name", "what it is", "aliases"};
    for (const Model* m : models())
      l.rows.push_back({std::string(m->name), std::string(m->summary), std::string(m->aliases)});
  } else if (what == "consistency-models") {
    l.columns = {"name", "what it rules out"};
    for (const auto& name : txn::model_names())
      l.rows.push_back({name, fmt::format("{}", fmt::join(txn::anomalies_prohibited_by({name}), ", "))});
  } else if (what == "bugs") {
    l.columns = {"number", "name", "story", "seen in", "faults", "checker"};
    for (const auto& b : search::bugs())
      l.rows.push_back({std::to_string(b.number), std::string(b.name), std::string(b.story),
                        std::string(b.citation), std::string(b.faults), std::string(b.checker)});
  } else {
    return std::nullopt;
  }
  return l;
}

}  // namespace gameday::cli
