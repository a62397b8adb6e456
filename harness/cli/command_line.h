// The command line as CLI11 has it: the one source of --help, the manual page and shell completion.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace gameday::cli {

// A command, and what it does when it was given: the exit code.
using Command = std::pair<CLI::App*, std::function<int()>>;

struct CommandLine {
  std::shared_ptr<CLI::App> app;
  std::vector<Command> commands;
};
// `name`: of the program, as it was called.
CommandLine make_command_line(const std::string& name);

// The parts of it. Each adds its commands.
Command define_check(CLI::App& app);
std::vector<Command> define_play_commands(CLI::App& app);  // for a person at a keyboard

inline constexpr const char* kExitCodes =
    "Exit codes: 0 VALID, 1 INVALID, 2 UNKNOWN, 254 bad arguments, 255 the tool itself failed.";

// "a,b", also repeated.
void add_list(CLI::App& app, const std::string& name, std::vector<std::string>& into,
              const std::string& help);

}  // namespace gameday::cli
