// Playing with a cluster: `gameday lab` keeps one up, `gameday inject` applies a fault to it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/cli/compose.h"

namespace gameday::cli {

struct LabOptions {
  RunOptions run;  // system, nodes, bugs, faults (none: all that this machine allows), store
  bool prompt = true;
};
int lab_command(const LabOptions& options);

struct InjectOptions {
  std::vector<std::string> words;  // FAULT key=value...
  std::string lab = "latest";      // a socket, a lab's folder, or "latest"
  std::filesystem::path store = "store";
  double seconds = 0;  // heals itself then; 0: never
  std::string heal;    // a number or "all"; empty: none
  bool list = false;
  bool json = false;
};
int inject_command(const InjectOptions& options);

}  // namespace gameday::cli
