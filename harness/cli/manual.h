// The manual page, from the command line itself.
#pragma once

#include <string>

#include "harness/cli/command_line.h"

namespace gameday::cli {

// In roff, for man(1).
std::string manual(const CLI::App& app);

Command define_manual(CLI::App& app);

}  // namespace gameday::cli
