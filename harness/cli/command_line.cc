#include "harness/cli/command_line.h"

#include <CLI/CLI.hpp>

#include "harness/cli/commands.h"
#include "harness/cli/completion.h"
#include "harness/cli/manual.h"
#include "harness/cli/version.h"

namespace gameday::cli {

// CLI11 takes whatever comes next for the value of `--faults=`.
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

namespace {

Command define_run(CLI::App& program) {
  CLI::App& app = *program.add_subcommand("run", "run a test: cluster, clients, faults, verdict");
  auto options = std::make_shared<RunOptions>();
  auto json = std::make_shared<bool>(false);
  RunOptions& o = *options;
  o.program = program.get_name();
  app.add_option("SYSTEM", o.system, 
                 "what to test: one of `gameday list systems`, or a file that describes a system of your own "
                 "(./mine.json; FORMAT.md beside its examples says how)")->required();
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
  app.add_flag("--json", *json, "print results.json, with the run's folder, instead of the summary");
  app.footer(std::string("Example: gameday run search --faults partition,kill --time-limit 20 "
                         "--bug ack-before-quorum\n\nCtrl-C heals everything, does the final reads "
                         "and writes the report; a second one skips what still goes on.\n\n") +
             kExitCodes);
  return {&app, [=] { return run_command(*options, *json); }};
}

Command define_report(CLI::App& app) {
  CLI::App* report = app.add_subcommand("report", "write the report of a stored run again");
  auto run = std::make_shared<std::string>("latest");
  auto store = std::make_shared<std::filesystem::path>("store");
  report->add_option("RUN", *run, "a run's folder, or a name below the store")->capture_default_str();
  report->add_option("--store", *store, "where runs are kept")->capture_default_str();
  return {report, [=] { return report_command(*run, *store); }};
}

Command define_list(CLI::App& app) {
  CLI::App* list = app.add_subcommand("list", "what there is");
  auto what = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  list->add_option("WHAT", *what, fmt::format("{}", fmt::join(listable(), ", ")))->required();
  list->add_flag("--json", *json, "as JSON");
  return {list, [=] { return list_command(*what, *json); }};
}

}  // namespace

CommandLine make_command_line(const std::string& name) {
  auto app = std::make_shared<CLI::App>(
      "gameday runs a cluster of real servers in a private network on this machine, hurts it on\n"
      "purpose, records what clients saw, and says whether the promises held.");
  app->name(name);
  app->require_subcommand(1);
  app->set_version_flag("--version", std::string(kVersion));
  app->footer(kExitCodes);
  CommandLine line{app, {define_run(*app), define_check(*app), define_report(*app), define_list(*app)}};
  for (auto& command : define_play_commands(*app)) line.commands.push_back(std::move(command));
  line.commands.push_back(define_completion(*app));
  line.commands.push_back(define_manual(*app));
  return line;
}

}  // namespace gameday::cli
