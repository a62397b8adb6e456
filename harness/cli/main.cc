#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "harness/cli/check_model.h"
#include "harness/cli/commands.h"
#include "harness/cli/play_options.h"
#include "harness/cli/version.h"
#include "harness/core/verdict.h"
#include "harness/lab/universe.h"

namespace {

using namespace gameday;

constexpr const char* kExitCodes =
    "Exit codes: 0 VALID, 1 INVALID, 2 UNKNOWN, 254 bad arguments, 255 the tool itself failed.";

// "a,b", also repeated. CLI11 takes whatever comes next for the value of `--faults=`.
void add_list(CLI::App& app, const std::string& name, std::vector<std::string>& into,
              const std::string& help) {
  app.add_option(name, into, help)
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check([](const std::string& text) {
        return text.empty() || text[0] == '-' ? fmt::format("needs a list of names, not \"{}\"", text)
                                              : std::string();
      });
}

void define_run(CLI::App& app, cli::RunOptions& o, bool& json) {
  app.add_option("SYSTEM", o.system, "what to test: `gameday list systems`")->required();
  app.add_option("--workload", o.workload, "what clients do: `gameday list workloads` [the system's first]");
  app.add_option("--set", o.settings, "a setting of the system, key=value: `gameday list systems`")
      ->allow_extra_args(false);
  add_list(app, "--consistency", o.consistency,
           "what transactions must obey [what the system promises]: `gameday list consistency-models`");
  add_list(app, "--faults", o.faults,
           "faults to inject, separated by commas: `gameday list faults`, or all; without it, none");
  app.add_option("--interval", o.interval,
                 "mean seconds from one fault to the next [as the time limit allows]");
  app.add_option("--nodes", o.nodes, "servers in the cluster")->capture_default_str();
  app.add_option("--clients", o.clients, "client threads")->capture_default_str();
  app.add_option("--rate", o.rate, "operations a second of all clients; 0: as fast as they can")
      ->capture_default_str();
  app.add_option("--time-limit", o.time_limit, "seconds that the clients run")
      ->capture_default_str();
  app.add_option("--seed", o.seed, "replays workload and schedule; a random one if not given")
      ->check([](const std::string& text) {
        const bool digits = !text.empty() && text.size() <= 18 &&
                            text.find_first_not_of("0123456789") == std::string::npos;
        return digits ? std::string() : "must be a number of at most 18 digits, not " + text;
      });
  app.add_option("--schedule", o.schedule,
                 "faults to replay instead of --faults: a file (an array of faults, a test.json or a "
                 "faults.jsonl), or a run");
  app.add_flag("--print-schedule", o.print_schedule, "print the faults that would come, and run nothing");
  add_list(app, "--bug", o.bugs, "start every server with this bug: `gameday list bugs`");
  app.add_option("--store", o.store, "where runs are kept")->capture_default_str();
  app.add_flag("--fail-fast", o.fail_fast,
               "end the clients' time with the first violation that the history so far proves");
  app.add_flag("--quiet", o.quiet, "no progress on stderr");
  app.add_flag("--json", json, "print results.json, with the run's folder, instead of the summary");
  app.footer(std::string("Example: gameday run search --faults partition,kill --time-limit 20 "
                         "--bug ack-before-quorum\n\nCtrl-C heals everything, does the final reads "
                         "and writes the report; a second one skips what still goes on.\n\n") +
             kExitCodes);
}

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

void define_check(CLI::App& app, cli::CheckOptions& o, cli::ModelCheckOptions& m) {
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

int check_files(const CLI::App& app, cli::CheckOptions& o, cli::ModelCheckOptions& m) {
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
    return cli::check_command(o);
  }
  for (auto* names : {&m.options.consistency, &m.options.anomalies})
    for (auto& name : *names)
      if (name.starts_with(':')) name.erase(0, 1);  // as Clojure writes them
  if (!o.checkers.empty()) return refuse("--checker judges runs and --model histories: give one of them");
  if (m.files.empty()) return refuse("which histories? gameday check --model NAME FILE...");
  return cli::check_model_command(m);
}

// What a terminal, a closed pipe or a small limit would otherwise do to a run in its middle.
void prepare_process() {
  // Nothing of ours may get a descriptor that libraries take for standard output.
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO) fd = ::open("/dev/null", O_RDWR);
  if (fd > STDERR_FILENO) ::close(fd);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGTTOU, SIG_IGN);  // `stty tostop`, and a run is a process group of its own
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
  }
}

int dispatch(int argc, char** argv) {
  CLI::App app{
      "gameday runs a cluster of real servers in a private network on this machine, hurts it on\n"
      "purpose, records what clients saw, and says whether the promises held."};
  app.name("gameday");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string(cli::kVersion));
  app.footer(kExitCodes);

  cli::RunOptions run;
  bool run_json = false;
  CLI::App* run_app = app.add_subcommand("run", "run a test: cluster, clients, faults, verdict");
  define_run(*run_app, run, run_json);

  cli::CheckOptions check;
  cli::ModelCheckOptions model;
  CLI::App* check_app = app.add_subcommand(
      "check", "judge a stored run again, or anybody's histories by a model");
  define_check(*check_app, check, model);

  std::string report_run = "latest";
  std::filesystem::path report_store = "store";
  CLI::App* report_app = app.add_subcommand("report", "write the report of a stored run again");
  report_app->add_option("RUN", report_run, "a run's folder, or a name below the store")
      ->capture_default_str();
  report_app->add_option("--store", report_store, "where runs are kept")->capture_default_str();

  std::string what;
  bool list_json = false;
  CLI::App* list_app = app.add_subcommand("list", "what there is");
  list_app->add_option("WHAT", what, fmt::format("{}", fmt::join(cli::listable(), ", ")))->required();
  list_app->add_flag("--json", list_json, "as JSON");

  const auto play_commands = cli::define_play_commands(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_code::bad_arguments;
  }
  for (const auto& [command, action] : play_commands)
    if (*command) return action();
  if (*run_app) return cli::run_command(run, run_json);
  if (*check_app) return check_files(*check_app, check, model);
  if (*report_app) return cli::report_command(report_run, report_store);
  return cli::list_command(what, list_json);
}

}  // namespace

int main(int argc, char** argv) {
  gameday::lab::maybe_run_init(argc, argv);
  prepare_process();
  try {
    return dispatch(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gameday: {}\n", error.what());
    return gameday::exit_code::tool_failed;
  }
}
