// One node's wall clock, through libfaketime: the server's CLOCK_REALTIME is the machine's plus an
// offset that can be changed while it runs. CLOCK_MONOTONIC is not touched. Programs that do not
// call the C library for the time (static Go binaries, raw system calls) do not notice: so a clock
// fault has to read the clock back from inside.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "harness/core/error.h"

namespace gameday::lab {

class ClockControl {
 public:
  // `file`: what FAKETIME_TIMESTAMP_FILE of the node's servers names. Written with offset 0.
  static Result<std::unique_ptr<ClockControl>> create(std::filesystem::path file);

  // Offsets add up: several faults may be in force on one clock. The id is for change and remove.
  Result<int> add(std::chrono::nanoseconds offset);
  Status change(int id, std::chrono::nanoseconds offset);
  Status remove(int id);
  std::chrono::nanoseconds offset() const;  // the sum, in force now

  // The environment that puts a server under this control.
  std::map<std::string, std::string> environment(const std::filesystem::path& library) const;

 private:
  explicit ClockControl(std::filesystem::path file) : file_(std::move(file)) {}
  std::chrono::nanoseconds sum() const;  // both with the mutex held
  Status write() const;

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::map<int, std::chrono::nanoseconds> offsets_;
  int next_ = 1;
};

// libfaketime's library on this machine (Debian's multiarch folder, Fedora's, LD_LIBRARY_PATH
// excluded); empty: not installed.
std::filesystem::path find_libfaketime();

}  // namespace gameday::lab
