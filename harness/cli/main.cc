#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>

#include "harness/cli/commands.h"
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
  app.add_option("--workload", o.workload, "what clients do: `gameday list workloads`")
      ->capture_default_str();
  add_list(app, "--faults", o.faults,
           "faults to inject, separated by commas: `gameday list faults`; without it, none");
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
                 "a file of faults to replay (an array, or a run's test.json) instead of --faults");
  add_list(app, "--bug", o.bugs, "start every server with this bug: `gameday list bugs`");
  app.add_option("--store", o.store, "where runs are kept")->capture_default_str();
  app.add_flag("--quiet", o.quiet, "no progress on stderr");
  app.add_flag("--json", json, "print results.json, with the run's folder, instead of the summary");
  app.footer(std::string("Example: gameday run search --faults partition,kill --time-limit 20 "
                         "--bug ack-before-quorum\n\nCtrl-C heals everything, does the final reads "
                         "and writes the report; a second one skips what still goes on.\n\n") +
             kExitCodes);
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
  CLI::App* check_app = app.add_subcommand("check", "judge a stored run, or a history file, again");
  check_app->add_option("RUN", check.run,
                        "a run's folder, a name below the store, or a history.jsonl")
      ->capture_default_str();
  add_list(*check_app, "--checker", check.checkers,
           "only these, separated by commas: `gameday list checkers`");
  check_app->add_option("--store", check.store, "where runs are kept")->capture_default_str();
  check_app->add_flag("--json", check.json, "print the results as JSON");
  check_app->footer(kExitCodes);

  std::string report_run = "latest";
  std::filesystem::path report_store = "store";
  CLI::App* report_app = app.add_subcommand("report", "write the report of a stored run again");
  report_app->add_option("RUN", report_run, "a run's folder, or a name below the store")
      ->capture_default_str();
  report_app->add_option("--store", report_store, "where runs are kept")->capture_default_str();

  std::string what;
  bool list_json = false;
  CLI::App* list_app = app.add_subcommand("list", "what there is");
  list_app->add_option("WHAT", what, "systems, workloads, faults, checkers or bugs")->required();
  list_app->add_flag("--json", list_json, "as JSON");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_code::bad_arguments;
  }
  if (*run_app) return cli::run_command(run, run_json);
  if (*check_app) return cli::check_command(check);
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
