// The commands of the program: each takes its options and returns the exit code.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/cli/compose.h"

namespace gameday::cli {

int run_command(const RunOptions& options, bool json);

struct CheckOptions {
  std::string run = "latest";  // a run's folder, a name below the store, or a history file
  std::vector<std::string> checkers;
  std::filesystem::path store = "store";
  std::string format = "auto";  // of a history file
  bool json = false;
};
int check_command(const CheckOptions& options);

int report_command(const std::string& run, const std::filesystem::path& store);

int list_command(const std::string& what, bool json);

// The message on stderr; returns the code.
int complain(int code, const std::string& message);
// Columns of the terminal that stdout is; nullopt: it is none, or too small to tell.
std::optional<int> terminal_width();
// For CI that reads the answer from a file on a full disk: 0, or the code of the failure.
int flushed();

}  // namespace gameday::cli
