// What works on this machine for this user, why not where not, and what would change it.
#pragma once

#include <string>
#include <vector>

#include "harness/core/error.h"

namespace gameday::cli {

struct Finding {
  std::string name;
  std::string group;  // mechanism, machine or fault
  bool works = false;
  std::string detail;  // what was found
  std::string why;     // why not, or what is worth a warning
  std::string fix;     // the one command that would change it, where there is one
  bool basic = false;  // without it no job runs
};

// Tries everything, in throw-away universes.
std::vector<Finding> examine();

// An error of the lab's mechanisms says why, and then what to do: after a semicolon or in brackets.
std::pair<std::string, std::string> why_and_fix(const std::string& message);

int doctor_command(bool json);

}  // namespace gameday::cli
