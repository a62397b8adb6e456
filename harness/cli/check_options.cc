#include <CLI/CLI.hpp>

#include "harness/cli/check_model.h"
#include "harness/cli/command_line.h"
#include "harness/cli/commands.h"
#include "harness/core/verdict.h"

namespace gameday::cli {
namespace check_options {
namespace {

// The options of models that only some of them read: `gameday list models` says what they judge.
void define_model_options(CLI::App& app, ModelOptions& o) {
  const char* const txn = "Transactions (list-append, rw-register)";
  const auto group = [](CLI::Option* option, const char* name) { return option->group(name); };
  group(app.add_option("-c,--consistency,--consistency-models", o.consistency,
                       "what the history must obey: strict-serializable, serializable, "
                       "snapshot-isolation, causal, read-atomic, read-committed, ...")
            ->delimiter(',')->allow_extra_args(false)->capture_default_str(), txn);
  group(app.add_option("-a,--anomalies", o.anomalies, "also INVALID with one of these: G0, G1a, ...")
            ->delimiter(',')->allow_extra_args(false), txn);
  group(app.add_flag("--linearizable-keys", o.linearizable_keys,
                     "each key alone is linearizable: order its versions by real time"), txn);
  group(app.add_flag("--sequential-keys", o.sequential_keys,
                     "each key alone is sequential: order its versions by process"), txn);
  group(app.add_flag("--wfr-keys", o.wfr_keys,
                     "within a transaction, writes follow reads: order a key's versions so"), txn);

  const char* const objects = "Objects (register, mutex, queue, set, ...)";
  group(app.add_option("--initial", o.initial, "the state to begin with, in EDN: 0, [1 2], {:x 3}"),
        objects);
  group(app.add_option("--permits", o.permits, "of a semaphore"), objects);
  group(app.add_flag("--set-linearizable", o.set_linearizable, "set-full: a stale read is INVALID"),
        objects);

  const char* const rest = "Workloads (bank, long-fork, sequential, staleness, objectives, ...)";
  group(app.add_flag("-n,--negative-balances,--allow-negative-balances", o.negative_balances,
                     "bank: balances may be negative"), rest);
  group(app.add_option("-o,--total-amount", o.total_amount, "bank: the sum of all balances"), rest);
  group(app.add_option("--max-transfer", o.max_transfer, "bank: the largest transfer"), rest);
  group(app.add_option("-g,--group-size", o.group_size, "long-fork: keys that are read together"), rest);
  group(app.add_option("--key-count", o.key_count, "sequential: subkeys of a key"), rest);
  group(app.add_option("--max-staleness-ms", o.max_staleness_ms, "staleness: the oldest read allowed"),
        rest);
  group(app.add_option("--max-staleness-versions", o.max_staleness_versions,
                       "staleness: how many versions a read may be behind"), rest);
  group(app.add_option("--max-latency-ms", o.max_latency_ms, "objectives: of --latency-quantile"), rest);
  group(app.add_option("--latency-quantile", o.latency_quantile, "objectives")->capture_default_str()
            ->check(CLI::Range(0.0, 1.0)), rest);
  group(app.add_option("--min-availability", o.min_availability, "objectives: share of ok, 0 to 1")
            ->check(CLI::Range(0.0, 1.0)), rest);
  group(app.add_option("--pattern", o.pattern, "log-file-pattern: a regular expression"), rest);
  group(app.add_option("--log-file", o.log_files, "log-file-pattern: where to look for it")
            ->allow_extra_args(false), rest);
}

void define(CLI::App& app, CheckOptions& o, ModelCheckOptions& m) {
  app.add_option("FILE", m.files,
                 "histories (- is standard input); without --model a run's folder, a name below the "
                 "store, or a history file [latest]");
  app.add_option("-m,--model", m.model, "what to judge histories by: `gameday list models`");
  app.add_option("-f,--format", m.format,
                 "auto, jsonl, json, edn, text (history.txt), etcd or kv (Porcupine's logs), or awdit; "
                 "gzip and zstd are unpacked")->capture_default_str();
  app.add_flag("--independent", m.independent, "values are pairs [k v]: judge each k alone");
  app.add_option("--memory", m.memory, "UNKNOWN rather than more than this: 512M, 4G [3/4 of what is free]");
  app.add_option("--timeout", m.timeout, "UNKNOWN rather than more seconds a file")
      ->check(CLI::PositiveNumber);
  app.add_option("--threads", m.threads, "[one a core]")->check(CLI::Range(1, 256));
  define_model_options(app, m.options);
  add_list(app, "--checker", o.checkers,
           "of a run: only these, separated by commas: `gameday list checkers`");
  app.add_option("--store", o.store, "where runs are kept")->capture_default_str();
  app.add_flag("--json", m.json, "one JSON object a file, with every anomaly, instead of its verdict line");
  app.add_option("--output", "text or json: --output json is --json")
      ->check(CLI::IsMember({"text", "json"}))
      ->each([&m](const std::string& form) { m.json = form == "json"; });
  app.add_flag("--quiet", m.quiet, "no explanations on stderr");
  // Of elle-cli, for scripts that give them: plots there are none, and no cycle search gives up.
  for (const char* name : {"-d,--directory", "-p,--plot-format", "-t,--plot-timeout", "-b,--max-plot-bytes",
                           "-s,--cycle-search-timeout"})
    app.add_option(name, "ignored")->group("");
  app.footer(std::string("Examples:\n"
                         "  gameday check --model list-append history.edn\n"
                         "  gameday check --model cas-register --independent --json h1.jsonl h2.edn.gz\n"
                         "  gameday check store/latest --checker linearizable\n\n"
                         "elle-cli's options of plots and of its cycle search are accepted and ignored.\n"
                         "With --model, stdout has one line a file: its name, a tab, and true, false or "
                         "unknown.\n") + kExitCodes);
}

int check_files(const CLI::App& app, CheckOptions& o, ModelCheckOptions& m) {
  const auto refuse = [](const std::string& message) {
    fmt::print(stderr, "gameday: {}\n", message);
    return exit_code::bad_arguments;
  };
  if (m.model.empty()) {
    for (const CLI::Option* option : app.get_options())
      if (option->count() > 0 && (option->check_lname("independent") ||
                                  option->get_group().find('(') != std::string::npos))
        return refuse(fmt::format("{} goes with --model NAME", option->get_name()));
    if (m.files.size() > 1) return refuse("without --model, one run or history at a time");
    if (!m.files.empty()) o.run = m.files[0];
    o.format = m.format;
    o.json = m.json;
    return check_command(o);
  }
  for (auto* names : {&m.options.consistency, &m.options.anomalies})
    for (auto& name : *names)
      if (name.starts_with(':')) name.erase(0, 1);  // as Clojure writes them
  if (!o.checkers.empty()) return refuse("--checker judges runs and --model histories: give one of them");
  if (m.files.empty()) return refuse("which histories? gameday check --model NAME FILE...");
  return check_model_command(m);
}

}  // namespace
}  // namespace check_options

Command define_check(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("check", "judge a stored run again, or anybody's histories by a model");
  auto run = std::make_shared<CheckOptions>();
  auto model = std::make_shared<ModelCheckOptions>();
  check_options::define(*command, *run, *model);
  return {command, [=] { return check_options::check_files(*command, *run, *model); }};
}

}  // namespace gameday::cli
