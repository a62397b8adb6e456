// The commands of the program: each takes its options and returns the exit code.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/cli/compose.h"

namespace gameday::cli {

int run_command(const RunOptions& options, bool json);

struct CheckOptions {
  std::string run = "latest";  // a run's folder, a name below the store, or a history file
  std::vector<std::string> checkers;
  std::filesystem::path store = "store";
  bool json = false;
};
int check_command(const CheckOptions& options);

int report_command(const std::string& run, const std::filesystem::path& store);

int list_command(const std::string& what, bool json);

}  // namespace gameday::cli
