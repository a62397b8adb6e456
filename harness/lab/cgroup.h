// A node's cgroup: for freezing all its processes, what they fork too, and for limits on what they may
// use. It is there as long as the lab, so a limit holds for whatever lives the node has meanwhile.
//
// Freezing needs cgroup v2 and no controller. Limits are taken from wherever a controller is: v2, or a
// v1 hierarchy of its own as on hybrid systems. The lab's cgroups are made below the caller's own, in
// v2 below the nearest ancestor that passes the controllers on, and nothing else on the host is
// changed: where a controller is not passed on, the Error says the command that would do it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/error.h"

namespace gameday::lab {

// Overlapping limits: the smallest of each counts.
struct Limits {
  std::optional<double> cpus = {};          // processors' worth of time
  std::optional<std::int64_t> memory = {};  // bytes; over it the kernel kills (OOM)
  std::optional<std::int64_t> read_bps = {}, write_bps = {};  // of `device`, bytes/s
  dev_t device = 0;                            // device_behind()
};

// What the node used, since the lab was made.
struct Usage {
  std::int64_t periods_throttled = 0, throttled_us = 0;  // by the CPU quota
  std::int64_t memory = 0;                               // bytes now, without what can be dropped
  std::int64_t memory_hits = 0, oom_kills = 0;           // times at the limit; processes killed for it
  std::int64_t read_bytes = 0, write_bytes = 0;          // of all devices
  std::optional<std::int64_t> io_stalled_us;             // waited for I/O (PSI); none: not known
};

class Cgroup {
 public:
  // Named after the node and something unique. `limits`: with all the controllers, but for that of I/O
  // where it is not passed on.
  static Result<std::unique_ptr<Cgroup>> create(const std::string& node, bool limits);
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // The files to which a process writes "0" to come in.
  const std::vector<std::string>& entrances() const { return entrances_; }

  // A new life of the node: freezes end with the one before. While this is held nothing is frozen, so
  // that a start always gets through.
  std::unique_lock<std::mutex> begin_life();

  // Freezes nest. Returns when the kernel says that all stand still; the life that it was.
  Result<int> freeze();
  // True: they go on. False: another freeze is in force, or that life is over.
  Result<bool> thaw(int life);
  bool frozen() const;

  Result<int> limit(const Limits& limits);
  Status lift(int id);  // an Error if the kernel does not
  // The memory limit in force. May be more than was asked for: v1 accepts none below what is in use.
  std::optional<std::int64_t> memory_limit() const;
  std::size_t limits_in_force() const;
  // Why there are no limits of I/O, if so.
  const std::string& without_io() const { return without_io_; }
  Usage usage() const;

 private:
  Cgroup() = default;
  bool has_limits() const { return !cpu_.empty(); }
  Status write_freeze(bool frozen);
  Status apply();
  Status apply_cpu(const std::optional<double>& cpus) const;
  Status apply_memory(const std::optional<std::int64_t>& bytes);
  Status apply_io(const Limits& all) const;

  std::filesystem::path freezer_, cpu_, memory_, io_;  // those of limits are empty without them
  std::string without_io_;
  bool cpu_v2_ = false, memory_v2_ = false, io_v2_ = false;
  std::vector<std::string> entrances_;

  std::mutex life_;  // held while a life begins, and while freezing
  mutable std::mutex mutex_;
  int lives_ = 0, freezes_ = 0;
  std::map<int, Limits> limits_;
  std::optional<std::int64_t> memory_limit_;
  int next_ = 1;
};

// The block device that holds a path, for Limits; an Error for file systems that have none.
Result<dev_t> device_behind(const std::filesystem::path& path);

// Whether this user can freeze and limit processes here, with the reason why not and what to do about
// it; for `gameday doctor`. Makes a cgroup, joins it with a child, and removes both.
Status freezing_available();
Status limits_available();     // of CPU and memory; each missing controller is named
Status io_limits_available();  // of I/O, too, which systemd does not pass on to users by itself

}  // namespace gameday::lab
