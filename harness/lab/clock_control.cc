#include "harness/lab/clock_control.h"

#include <cstdio>
#include <fstream>

namespace gameday::lab {

namespace fs = std::filesystem;

Result<std::unique_ptr<ClockControl>> ClockControl::create(fs::path file) {
  std::unique_ptr<ClockControl> control(new ClockControl(std::move(file)));
  if (auto status = control->write(); !status) return tl::make_unexpected(status.error());
  return control;
}

std::chrono::nanoseconds ClockControl::sum() const {
  std::chrono::nanoseconds sum{0};
  for (const auto& [id, offset] : offsets_) sum += offset;
  return sum;
}

std::chrono::nanoseconds ClockControl::offset() const {
  const std::lock_guard lock(mutex_);
  return sum();
}

Status ClockControl::write() const {
  const double seconds = std::chrono::duration<double>(sum()).count();
  // By rename: the library reads the file at any moment.
  const fs::path next = file_.string() + ".next";
  std::ofstream out(next, std::ios::trunc);
  out << fmt::format("{:+.9f}\n", seconds);
  out.close();
  std::error_code error;
  if (out) fs::rename(next, file_, error);
  if (!out || error) return fail("cannot write {}", file_.string());
  return {};
}

Result<int> ClockControl::add(std::chrono::nanoseconds offset) {
  const std::lock_guard lock(mutex_);
  const int id = next_++;
  offsets_[id] = offset;
  if (auto status = write(); !status) {
    offsets_.erase(id);
    return tl::make_unexpected(status.error());
  }
  return id;
}

Status ClockControl::change(int id, std::chrono::nanoseconds offset) {
  const std::lock_guard lock(mutex_);
  const auto it = offsets_.find(id);
  if (it == offsets_.end()) return fail("no clock offset {} is in force", id);
  it->second = offset;
  return write();
}

Status ClockControl::remove(int id) {
  const std::lock_guard lock(mutex_);
  if (offsets_.erase(id) == 0) return fail("no clock offset {} is in force", id);
  return write();
}

std::map<std::string, std::string> ClockControl::environment(const fs::path& library) const {
  return {{"LD_PRELOAD", library.string()},
          {"FAKETIME_TIMESTAMP_FILE", file_.string()},
          {"FAKETIME_NO_CACHE", "1"},      // offsets apply at the next reading of the clock
          {"DONT_FAKE_MONOTONIC", "1"},    // timers and timeouts are not the subject
          {"FAKETIME_DISABLE_SHM", "1"}};  // no shared memory left behind by a kill -9
}

fs::path find_libfaketime() {
  std::error_code error;
  for (const char* base : {"/usr/lib", "/usr/lib64", "/usr/local/lib"}) {
    std::vector<fs::path> folders{fs::path(base) / "faketime"};
    for (const auto& entry : fs::directory_iterator(base, error))  // Debian: <multiarch>/faketime
      if (entry.path().filename().string().find("-linux-gnu") != std::string::npos)
        folders.push_back(entry.path() / "faketime");
    for (const auto& folder : folders)
      if (fs::exists(folder / "libfaketimeMT.so.1", error)) return folder / "libfaketimeMT.so.1";
  }
  return {};
}

}  // namespace gameday::lab
