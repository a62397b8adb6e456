#include "harness/cli/lab_command.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <fstream>
#include <random>

#include "harness/cli/commands.h"
#include "harness/cli/fault_options.h"
#include "harness/cli/lab_words.h"
#include "harness/cli/line_input.h"
#include "harness/core/verdict.h"
#include "harness/lab/enter.h"
#include "harness/lab/universe.h"
#include "harness/run/lab_session.h"
#include "harness/run/lab_socket.h"
#include "harness/run/stop_signals.h"
#include "harness/run/store.h"
#include "nemesis/catalog.h"

namespace gameday::cli {
namespace fs = std::filesystem;
namespace {

constexpr const char* kHelp =
    "  status                          the nodes, and the faults in force\n"
    "  inject FAULT [key=value ...]    put a fault in force; without key=value it is drawn at random.\n"
    "                                  The word inject may be left out: kill targets=n1\n"
    "  faults [FAULT]                  what is in force; with a name, what it can be told\n"
    "  heal ID | heal all              undo it, and say what it had done\n"
    "  exec [NODE] COMMAND             run a command in a node, or beside the clients; without a\n"
    "                                  command, a shell. Clocks and files are wrong for the server only\n"
    "  logs NODE [LINES]               the end of a server's log\n"
    "  quit                            heal everything and take the cluster down (or Ctrl-D, Ctrl-C)\n";

std::vector<std::string> node_names(int nodes) {
  std::vector<std::string> names;
  for (int i = 1; i <= nodes; ++i) names.push_back(fmt::format("n{}", i));
  return names;
}

// Which faults a lab is prepared for, and why not for others.
struct Faults {
  std::vector<const nemesis::Entry*> entries;
  std::vector<std::string> left_out;
};

Status possible(const nemesis::Entry& entry, int nodes, System& system) {
  if (auto does = fits(entry.name, system, static_cast<std::size_t>(nodes)); !does) return does;
  if (auto here = nemesis::available(entry); !here) return fail("{}: {}", entry.name, here.error().message);
  return {};
}

Result<Faults> choose(const RunOptions& o, System& system) {
  Faults faults;
  const bool all = o.faults.empty() || o.faults == std::vector<std::string>{"all"};
  std::vector<std::string> words = o.faults;
  if (all) words.clear();
  for (const auto& entry : nemesis::catalog())
    if (all) words.emplace_back(entry.name);
  for (const auto& word : words) {
    const nemesis::Entry* entry = nemesis::find(word);
    if (entry == nullptr)
      return fail("--faults: there is no fault \"{}\"; `gameday list faults` shows them, and \"all\" is all",
                  word);
    const auto can = possible(*entry, o.nodes, system);
    if (can) faults.entries.push_back(entry);
    else if (all) faults.left_out.push_back(can.error().message);
    else return fail("--faults: {}", can.error().message);
  }
  return faults;
}

// What servers must be started with so that any of this may come: whatever a word of a parameter, or
// parameters drawn at random, need.
lab::Preparation preparation(const Faults& faults, const std::vector<std::string>& nodes) {
  lab::Preparation prepare;
  Rng rng(1);
  for (const auto* entry : faults.entries) {
    prepare |= nemesis::needs_of(*entry, Json::object());
    for (const auto& parameter : entry->parameters)
      for (const auto& word : parameter.words)
        prepare |= nemesis::needs_of(*entry, Json{{std::string(parameter.name), word}});
    for (int i = 0; i < 50; ++i) prepare |= nemesis::needs_of(*entry, entry->plan(rng, nodes));
  }
  return prepare;
}

std::string last_lines(const fs::path& file, std::size_t count) {
  std::ifstream in(file);
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(std::move(line));
    if (lines.size() > count) lines.pop_front();
  }
  return fmt::format("{}\n", fmt::join(lines, "\n"));
}

// What a person types.
class Prompt {
 public:
  Prompt(run::LabSession& session, LineInput& input) : session_(session), input_(input) {}

  void run() {
    while (const auto line = input_.next())
      if (!obey(*line)) return;
  }

 private:
  // false: it is over.
  bool obey(const std::string& line) {
    const std::size_t from = line.find_first_not_of(" \t\r");
    if (from == std::string::npos || line[from] == '#') return true;
    const std::size_t to = line.find_first_of(" \t", from);
    const std::string verb = line.substr(from, to == std::string::npos ? to : to - from);
    const std::string rest = to == std::string::npos ? "" : line.substr(to + 1);
    if (verb == "quit" || verb == "exit") return false;
    if (verb == "exec") {
      execute(rest);
    } else if (const auto words = split_words(rest); !words) {
      complain(0, words.error().message);
    } else if (verb == "help") {
      fmt::print("{}", kHelp);
    } else if (verb == "status") {
      status();
    } else if (verb == "faults") {
      faults(*words);
    } else if (verb == "heal") {
      send(heal_request(words->size() == 1 ? words->front() : ""));
    } else if (verb == "logs") {
      logs(*words);
    } else if (verb == "inject") {
      send(inject_request(*words));
    } else if (nemesis::find(verb) != nullptr) {
      auto with_verb = *words;
      with_verb.insert(with_verb.begin(), verb);
      send(inject_request(with_verb));
    } else {
      complain(0, fmt::format("there is no command \"{}\"; `help` lists them", verb));
    }
    std::fflush(stdout);
    return true;
  }

  void send(const Result<Json>& request) {
    if (!request) complain(0, request.error().message);
    else print_answer(session_.perform(*request));
  }

  void status() {
    const Json answer = session_.perform({{"do", "status"}});
    fmt::print("{}{}", describe_nodes(answer.at("nodes")), describe_faults(answer.at("faults")));
  }

  void faults(const std::vector<std::string>& words) {
    if (words.empty()) {
      fmt::print("{}", describe_faults(session_.perform({{"do", "faults"}}).at("faults")));
      return;
    }
    const nemesis::Entry* entry = nemesis::find(words[0]);
    if (entry == nullptr) complain(0, inject_request(words).error().message);
    else fmt::print("{}: {}\n  {}\n", entry->name, entry->summary, nemesis::describe(entry->parameters));
  }

  bool is_node(const std::string& name) const { return session_.lab().node(name).has_value(); }

  void logs(const std::vector<std::string>& words) {
    const Json lines = words.size() == 2 ? parse_json(words[1]) : Json(20U);
    if (words.empty() || words.size() > 2 || !is_node(words[0]) || !lines.is_number_unsigned()) {
      complain(0, "logs NODE [LINES], as in: logs n1 50");
      return;
    }
    fmt::print("{}", last_lines(session_.lab().directory(words[0]) / "log", lines.get<std::size_t>()));
  }

  void execute(const std::string& rest) {
    const std::size_t from = std::min(rest.find_first_not_of(" \t"), rest.size());
    const std::size_t to = std::min(rest.find_first_of(" \t", from), rest.size());
    std::string node = rest.substr(from, to - from), command = rest.substr(to);
    if (!is_node(node)) {
      node.clear();
      command = rest.substr(from);
    }
    std::vector<std::string> argv{"sh", "-c", command};
    if (command.find_first_not_of(" \t") == std::string::npos) {
      if (::isatty(STDIN_FILENO) != 1) {
        complain(0, "exec [NODE] COMMAND: a shell needs a terminal");
        return;
      }
      const char* shell = std::getenv("SHELL");
      argv = {shell == nullptr || *shell == 0 ? "sh" : shell};
    }
    const auto code = lab::run_inside(session_.lab(), node, argv);
    if (!code) complain(0, code.error().message);
    else if (*code != 0 && argv.size() > 1) fmt::print("(exit code {})\n", *code);
  }

  run::LabSession& session_;
  LineInput& input_;
};

// The words that may come next.
std::vector<std::string> completions(const std::string& line, const std::vector<std::string>& nodes) {
  auto words = split_words(line).value_or(std::vector<std::string>());
  std::vector<std::string> found;
  if (words.empty())
    found = {"status", "inject", "faults", "heal", "exec", "logs", "help", "quit"};
  if (words == std::vector<std::string>{"inject"} || words == std::vector<std::string>{"faults"} ||
      words.empty())
    for (const auto& entry : nemesis::catalog()) found.emplace_back(entry.name);
  if (words == std::vector<std::string>{"heal"}) found = {"all"};
  if (!words.empty() && words[0] == "inject") words.erase(words.begin());
  if (const auto* entry = words.empty() ? nullptr : nemesis::find(words[0])) {
    if (!line.ends_with('=') && !line.ends_with(','))
      for (const auto& p : entry->parameters) found.emplace_back(p.name);
    for (const auto& p : entry->parameters)
      if (line.ends_with(std::string(p.name) + "="))
        for (const auto& word : p.words) found.emplace_back(word);
  }
  if (!words.empty()) found.insert(found.end(), nodes.begin(), nodes.end());
  return found;
}

struct Lab {
  LabOptions options;
  std::unique_ptr<System> system;
  Faults faults;
  fs::path folder;
  LineSource source = LineSource::nothing;
  int pid = 0;  // outside
};

void introduce(const Lab& lab, run::LabSession& session) {
  const auto& nodes = session.nodes();
  fmt::print("{}, {} nodes on a private network\n", lab.system->name(), nodes.size());
  for (const auto& node : nodes) fmt::print("  {:<4}  {}\n", node.name, session.endpoint(node));
  for (const auto& reason : lab.faults.left_out) fmt::print("not here: {}\n", reason);
  fmt::print("folder  {}\nsocket  {}\n", lab.folder.string(), (lab.folder / "socket").string());
  fmt::print("From another terminal: gameday inject partition --lab {}\n", lab.folder.string());
  if (lab.source == LineSource::terminal)
    fmt::print("Here: `exec curl -s {}` talks to a node, `kill targets=n1` kills one, `help` has the "
               "rest.\n", session.endpoint(nodes.front()));
  std::fflush(stdout);
}

Status write_lab_json(const Lab& lab) {
  Json faults = Json::array();
  for (const auto* entry : lab.faults.entries) faults.push_back(entry->name);
  return run::write_file(lab.folder / "lab.json",
                         run::dump({{"system", lab.system->name()},
                                    {"nodes", node_names(lab.options.run.nodes)},
                                    {"bugs", lab.options.run.bugs},
                                    {"faults", faults},
                                    {"pid", lab.pid},
                                    {"socket", (lab.folder / "socket").string()}}, 2) + "\n");
}

run::LabPlan plan_of(const Lab& lab) {
  run::LabPlan plan;
  plan.folder = lab.folder;
  plan.system = lab.system.get();
  plan.nodes = lab.options.run.nodes;
  plan.seed = std::random_device()();
  for (const auto* entry : lab.faults.entries) plan.faults.push_back(fault_kind(*entry));
  const auto nodes = node_names(plan.nodes);
  plan.prepare = preparation(lab.faults, nodes);
  plan.check = [nodes](const std::string& fault, const Json& parameters) {
    return nemesis::check_parameters(nemesis::find(fault)->parameters, parameters, nodes);
  };
  return plan;
}

// The controller: in the universe.
int play(Lab& lab) {
  const run::StopSignals signals;
  if (lab.source == LineSource::terminal) {
    // The universe is another process group than the one that the terminal speaks to: give it the
    // terminal. SIGTTOU is ignored.
    ::setpgid(0, 0);
    ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  }
  const auto nodes = node_names(lab.options.run.nodes);
  const auto input = LineInput::make(lab.source, "gameday> ", [&nodes](const std::string& line) {
    return completions(line, nodes);
  });
  const std::stop_callback stopped(signals.main_phase(), [&] { input->interrupt(); });
  run::LabPlan plan = plan_of(lab);
  plan.notice = [&input](const std::string& text) { input->show(text); };
  auto session = run::LabSession::start(std::move(plan), signals.main_phase());
  if (!session) return complain(exit_code::tool_failed, session.error().message);
  auto socket = run::LabSocket::listen(lab.folder / "socket", [&](const Json& request) {
    Json answer = (*session)->perform(request);
    // Who sits here sees what is done from elsewhere.
    if (const auto text = answer.value("text", std::string());
        !text.empty() && request.value("do", Json()) != "wait")
      input->show(text);
    return answer;
  });
  if (!socket) return complain(exit_code::tool_failed, socket.error().message);
  // Also if something throws: the socket's end waits for those who wait for a heal.
  struct Ending {
    run::LabSession& session;
    ~Ending() { (void)session.close(); }
  } const ending{**session};
  introduce(lab, **session);
  Prompt(**session, *input).run();
  fmt::print(stderr, "{}healing, and taking the cluster down\n", signals.requested() ? "\n" : "");
  const auto closed = (*session)->close();
  if (!closed) return complain(exit_code::tool_failed, closed.error().message);
  return exit_code::valid;
}

LineSource source_of(const LabOptions& options) {
  if (!options.prompt) return LineSource::nothing;
  if (::isatty(STDIN_FILENO) != 1) return LineSource::pipe;
  // In the background there is nobody to ask.
  return ::tcgetpgrp(STDIN_FILENO) == ::getpgrp() ? LineSource::terminal : LineSource::nothing;
}

}  // namespace

int lab_command(const LabOptions& options) {
  const auto refuse = [](const Error& error) { return complain(exit_code::bad_arguments, error.message); };
  Lab lab;
  lab.options = options;
  if (options.run.nodes < 1 || options.run.nodes > lab::kMaxNodes)
    return refuse({fmt::format("--nodes must be from 1 to {}, not {}", lab::kMaxNodes, options.run.nodes)});
  auto system = make_system(options.run);
  if (!system) return refuse(system.error());
  lab.system = std::move(system->system);
  auto faults = choose(options.run, *lab.system);
  if (!faults) return refuse(faults.error());
  lab.faults = std::move(*faults);
  auto folder = run::create_run_folder(options.run.store, "lab", false);
  if (!folder) return refuse(folder.error());
  lab.folder = *folder;
  lab.source = source_of(options);
  lab.pid = ::getpid();
  if (auto written = write_lab_json(lab); !written) return refuse(written.error());
  const int code = lab::run_in_universe([&] { return play(lab); });
  if (lab.source == LineSource::terminal) ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  return code;
}

}  // namespace gameday::cli
