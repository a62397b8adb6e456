#include <CLI/CLI.hpp>

#include "harness/cli/command_line.h"
#include "harness/cli/doctor.h"
#include "harness/cli/install.h"
#include "harness/cli/lab_command.h"
#include "harness/cli/reproduce_command.h"

namespace gameday::cli {
namespace {

Command define_lab(CLI::App& app) {
  CLI::App* lab = app.add_subcommand("lab", "keep a cluster up to play with");
  auto o = std::make_shared<LabOptions>();
  lab->add_option("SYSTEM", o->run.system, "`gameday list systems`")->required();
  lab->add_option("--nodes", o->run.nodes, "servers in the cluster")->capture_default_str();
  lab->add_option("--set", o->run.settings, "a setting of the system, key=value: `gameday list systems`")
      ->allow_extra_args(false);
  lab->add_option("--bug", o->run.bugs, "start every server with this bug: `gameday list bugs`")
      ->delimiter(',')->allow_extra_args(false);
  lab->add_option("--faults", o->run.faults,
                  "what servers are prepared for, separated by commas [all that this machine allows]")
      ->delimiter(',')->allow_extra_args(false);
  lab->add_option("--store", o->run.store, "its folder is made below this, in lab/")->capture_default_str();
  lab->add_flag("!--no-prompt", o->prompt, "listen to the socket only, until SIGTERM or Ctrl-C");
  lab->footer(
      "A prompt takes commands, one a line, also from a pipe; `help` there lists them. Servers live on\n"
      "a private network: `exec` runs a command beside the clients, or in a node. `gameday inject`\n"
      "applies faults from another terminal. What is done goes to the lab's folder (faults.jsonl,\n"
      "nodes/<n>/log). However it ends, nothing is left but that folder.\n\n"
      "Example:\n"
      "  $ gameday lab search\n"
      "  gameday> exec curl -s http://10.77.0.1:7700/1/status\n"
      "  gameday> partition shape=one order=leader\n"
      "  gameday> status\n"
      "  gameday> heal all\n\n"
      "Exit codes: 0 all was healed and taken down, 254 bad arguments, 255 the tool itself failed.");
  return {lab, [o] { return lab_command(*o); }};
}

Command define_inject(CLI::App& app) {
  CLI::App* inject = app.add_subcommand("inject", "apply a fault by hand to a running lab");
  auto o = std::make_shared<InjectOptions>();
  inject->add_option("FAULT", o->words,
                     "a fault of `gameday list faults` and its parameters as key=value; without any, they "
                     "are drawn at random");
  inject->add_option("--lab", o->lab, "its socket or folder; latest: the newest that runs")
      ->capture_default_str();
  inject->add_option("--for", o->seconds, "heal it after so many seconds, and wait for that")
      ->check(CLI::Range(0.001, 1e6));
  inject->add_option("--heal", o->heal, "undo the fault with this number, or all, instead");
  inject->add_flag("--list", o->list, "show what is in force instead");
  inject->add_option("--store", o->store, "where labs are kept")->capture_default_str();
  inject->add_flag("--json", o->json, "the lab's answer as JSON, one object a line");
  inject->footer(
      "A value is JSON where it parses, else text; lists may be written n1,n2.\n\n"
      "Examples, with a `gameday lab search` in another terminal:\n"
      "  gameday inject partition shape=one-way order=leader direction=in\n"
      "  gameday inject clock targets=n1,n2 offsets_ms=60000,-1000 --for 10\n"
      "  gameday inject --list\n"
      "  gameday inject --heal all\n\n"
      "Exit codes: 0 done, 254 bad arguments or no such lab, 255 it could not be injected or healed.");
  return {inject, [o] { return inject_command(*o); }};
}

Command define_doctor(CLI::App& app) {
  CLI::App* doctor = app.add_subcommand(
      "doctor", "what works on this machine for this user, why not where not, and what would change it");
  auto json = std::make_shared<bool>(false);
  auto systems = std::make_shared<std::vector<std::string>>();
  doctor->add_option("--install", *systems,
                     "install the packages of these systems under test instead, separated by commas; "
                     "none of their services is started")
      ->delimiter(',')->allow_extra_args(false);
  doctor->add_flag("--json", *json, "an array of {name, group, works, detail, why, fix, basic}");
  doctor->footer(
      "Every mechanism is really tried, in private universes that are thrown away (a second or so in all);\n"
      "nothing of the host is touched. \"basic\": without it no job runs. The others are needed by some\n"
      "faults only: those that say NO are left out of `--faults all`.\n\n"
      "Example: gameday doctor --json | jq '.[] | select(.works | not) | {name, fix}'\n\n"
      "Exit codes: 0 jobs can run here, maybe with fewer faults; 255 they cannot; 254 bad arguments.");
  return {doctor, [json, systems] {
            return systems->empty() ? doctor_command(*json) : install_command(*systems);
          }};
}

Command define_reproduce(CLI::App& app) {
  CLI::App* reproduce =
      app.add_subcommand("reproduce", "show published findings about real systems, on this machine");
  auto o = std::make_shared<ReproduceOptions>();
  reproduce->add_option("NAME", o->names, "findings, or systems with all of theirs [all]");
  reproduce->add_option("--expected", o->expected, "only findings that should come out so: invalid or valid")
      ->check(CLI::IsMember({"invalid", "valid"}));
  reproduce->add_option("--runs", o->runs, "runs of each [until one is as expected, at most three]")
      ->check(CLI::Range(1, 1000));
  reproduce->add_option("--store", o->store, "where runs and the table are kept")->capture_default_str();
  reproduce->add_flag("--list", o->list, "show what there is, and run nothing");
  reproduce->add_flag("--json", o->json, "the table as JSON");
  reproduce->add_flag("--quiet", o->quiet, "no progress on stderr");
  reproduce->footer(
      "Each finding is a system, a configuration, faults and a workload, with what was published about it:\n"
      "known-bad ones should be INVALID, known-good ones VALID. A run takes half a minute or so.\n\n"
      "Examples:\n  gameday doctor --install redis,etcd\n  gameday reproduce redis\n"
      "  gameday reproduce etcd-lock --json | jq '.[0].\"anomaly-types\"'\n\n"
      "Exit codes: 0 all as expected, 1 not all, 254 bad arguments, 255 the tool itself failed.");
  return {reproduce, [o] { return reproduce_command(*o); }};
}

}  // namespace

std::vector<Command> define_play_commands(CLI::App& app) {
  return {define_lab(app), define_inject(app), define_doctor(app), define_reproduce(app)};
}

}  // namespace gameday::cli
