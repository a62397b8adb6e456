// `gameday check --model NAME FILE...`: anybody's histories, judged by a model.
#pragma once

#include <string>
#include <vector>

#include "checkers/model.h"

namespace gameday::cli {

struct ModelCheckOptions {
  std::string model;
  std::vector<std::string> files;
  std::string format = "auto";
  bool independent = false;
  std::string memory;        // "4G"; empty: three quarters of what is free
  double timeout = 0;        // s for each file; 0: none
  unsigned threads = 0;      // 0: one a core
  bool json = false;
  bool quiet = false;        // no explanations on stderr
  ModelOptions options;
};

// One verdict line a file on stdout, explanations on stderr. The exit code is the worst file's:
// 254 where one cannot be read, else INVALID, UNKNOWN, VALID.
int check_model_command(const ModelCheckOptions& options);

}  // namespace gameday::cli
