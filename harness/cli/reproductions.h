// The catalogue of published findings about real systems, and of the configurations that do not
// show them.
#pragma once

#include <span>
#include <string_view>

namespace gameday::cli {

struct Reproduction {
  std::string_view name;
  std::string_view system;
  std::string_view settings;  // of the system, between spaces
  std::string_view workload;
  std::string_view schedule;   // JSON, as --schedule takes it; empty: no fault
  bool invalid;                // what is expected, if it is not VALID
  std::string_view anomalies;  // any of these, between spaces
  std::string_view story;      // what happens, in one sentence
  std::string_view source;
  int nodes = 3;
  double seconds = 20;
  double rate = 200;  // operations a second
  std::string_view consistency = {};
  int runs = 3;  // of what is expected to be INVALID: until one is
};

std::span<const Reproduction> reproductions();

}  // namespace gameday::cli
