// The options of the commands for a person at a keyboard: lab, inject, doctor.
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace gameday::cli {

// Adds the commands; each with what it does when it was given. Returns the exit code.
std::vector<std::pair<CLI::App*, std::function<int()>>> define_play_commands(CLI::App& app);

}  // namespace gameday::cli
