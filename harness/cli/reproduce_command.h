// `gameday reproduce [NAME...]`: runs findings of the catalogue and says which came out as
// published.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gameday::cli {

struct ReproduceOptions {
  std::vector<std::string> names;  // of findings or systems; empty: all whose system is installed
  std::filesystem::path store = "store";
  std::string expected;  // "invalid" or "valid": only those; empty: both
  int runs = 0;  // of each, whatever comes out; 0: until it is as expected, three times at most
  bool list = false;  // and run nothing
  bool json = false;
  bool quiet = false;
};
int reproduce_command(const ReproduceOptions& options);

}  // namespace gameday::cli
