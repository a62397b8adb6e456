// gameday.log: what the run itself did, with wall-clock and elapsed time, for people.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "harness/run/store.h"

namespace gameday::run {

class Log {
 public:
  static Result<Log> create(const std::filesystem::path& path);
  void write(const std::string& text);  // any thread; a full disk is not a reason to stop

 private:
  explicit Log(LineFile file) : file_(std::make_shared<LineFile>(std::move(file))) {}
  std::shared_ptr<LineFile> file_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace gameday::run
