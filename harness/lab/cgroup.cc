#include "harness/lab/cgroup.h"

#include <fcntl.h>
#include <fmt/ranges.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <thread>

#include "harness/lab/fd.h"
#include "harness/lab/leftovers.h"
#include "harness/lab/procfs.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
constexpr int kCpuPeriodUs = 50'000;
constexpr auto kTimeout = std::chrono::seconds(5);

std::set<std::string> words_of(std::string text) {
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

Status write_file(const fs::path& path, const std::string& text) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fd && ::write(fd.get(), text.data(), text.size()) >= 0) return {};
  const int error = errno;
  auto result = fail_errno(fmt::format("cannot write \"{}\" to {}", text, path.string()));
  errno = error;
  return result;
}

// The number after a key, in files of "key number" lines.
std::int64_t number_of(const std::string& text, const std::string& key) {
  std::istringstream in(text);
  std::string name;
  std::int64_t value = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    if (words >> name >> value && name == key) return value;
  }
  return 0;
}

// A cgroup file system, and where in it this process is.
struct Hierarchy {
  fs::path mount, own;
  bool v2 = false;
  std::set<std::string> controllers;  // v1: of the hierarchy; v2: that the root has
};

// proc(5), cgroups(7).
std::vector<Hierarchy> hierarchies() {
  std::vector<Hierarchy> result;
  const std::string memberships = read_file("/proc/self/cgroup");
  std::istringstream mounts(read_file("/proc/self/mountinfo"));
  for (std::string line; std::getline(mounts, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream left(line.substr(0, dash)), right(line.substr(dash + 3));
    std::string skip, root, mount, type, source, options;
    left >> skip >> skip >> skip >> root >> mount;
    right >> type >> source >> options;
    if (type != "cgroup" && type != "cgroup2") continue;
    Hierarchy hierarchy{mount, {}, type == "cgroup2", {}};
    hierarchy.controllers =
        hierarchy.v2 ? words_of(read_file(hierarchy.mount / "cgroup.controllers")) : words_of(options);
    std::istringstream lines(memberships);
    for (std::string member; std::getline(lines, member);) {
      const std::size_t first = member.find(':'), second = member.find(':', first + 1);
      if (second == std::string::npos) continue;
      const auto names = words_of(member.substr(first + 1, second - first - 1));
      const bool here = hierarchy.v2
                            ? names.empty()
                            : std::any_of(names.begin(), names.end(), [&](const std::string& name) {
                                return hierarchy.controllers.contains(name);
                              });
      std::string path = member.substr(second + 1);
      if (!here || path.starts_with("/..")) continue;  // outside of what this namespace shows
      if (root != "/" && path.starts_with(root)) path.erase(0, root.size());
      hierarchy.own = (hierarchy.mount / fs::path(path).relative_path()).lexically_normal();
      if (!hierarchy.own.has_filename()) hierarchy.own = hierarchy.own.parent_path();
    }
    if (!hierarchy.own.empty()) result.push_back(std::move(hierarchy));
  }
  return result;
}

const Hierarchy* v1_hierarchy_with(const std::vector<Hierarchy>& all, const std::string& controller) {
  for (const auto& hierarchy : all)
    if (!hierarchy.v2 && hierarchy.controllers.contains(controller)) return &hierarchy;
  return nullptr;
}

// A process that has just died keeps its cgroup busy until the scheduler has seen it off.
void remove_cgroup(const fs::path& leaf) {
  const auto deadline = std::chrono::steady_clock::now() + kTimeout;
  while (::rmdir(leaf.c_str()) != 0 && errno == EBUSY && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
}

// Makes the cgroup and lets a child in for a moment, which needs rights that mkdir(2) does not.
Status make_cgroup(const fs::path& leaf) {
  (void)remove_with_universe(leaf);  // `gameday doctor` has none
  if (::mkdir(leaf.c_str(), 0755) != 0)
    return fail_errno("cannot make a cgroup in " + leaf.parent_path().string());
  const std::string procs = leaf / "cgroup.procs";
  const pid_t child = ::fork();
  if (child == 0) {
    const int fd = ::open(procs.c_str(), O_WRONLY);
    ::_exit(fd >= 0 && ::write(fd, "0", 1) == 1 ? 0 : errno & 0xff);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  remove_cgroup(leaf);
  return fail("cannot move a process to a cgroup in {}: {}", leaf.parent_path().string(),
              std::strerror(WEXITSTATUS(status)));
}

// In a user namespace of our own we are root, too, but for nobody else.
bool machine_root() {
  return ::geteuid() == 0 && words_of(read_file("/proc/self/uid_map")) == words_of("0 4294967295");
}

const char* advice() {
  return machine_root() ? "run outside of the container, or mount its /sys/fs/cgroup writable"
                        : "run as root, or under systemd in a scope of your own: "
                          "systemd-run --user --scope -p Delegate=yes gameday ...";
}

// systemd takes back what others switch on, so it has to be asked, and passes only "cpu", "memory" and
// "pids" on to users unless told otherwise (user@.service, "Delegate=").
std::string advice_on_controllers(const fs::path& mount, const std::set<std::string>& wanted) {
  std::error_code ignored;
  if (!fs::exists("/run/systemd/system", ignored))
    return fmt::format("as root: echo '+{}' > {}", fmt::join(wanted, " +"),
                       (mount / "cgroup.subtree_control").string());
  if (machine_root()) return "systemd-run --scope -p Delegate=yes gameday ...";
  if (!wanted.contains("io")) return "systemd-run --user --scope -p Delegate=yes gameday ...";
  return "sudo sh -c 'mkdir -p /etc/systemd/system/user@.service.d && cd /etc/systemd/system/user@.service.d "
         "&& printf \"[Service]\\nDelegate=yes\\n\" > delegate.conf && systemctl daemon-reload && "
         "systemctl restart user@'$(id -u), then systemd-run --user --scope -p Delegate=yes gameday ...";
}

constexpr const char* kControllers[]{"cpu", "memory", "io"};
constexpr std::size_t kIo = 2;

// A node's leaves: for freezing, then for each controller, which may be the same.
struct Leaves {
  struct Leaf {
    fs::path path;
    bool v2 = false;
  };
  fs::path freezer;
  Leaf controllers[std::size(kControllers)];

  std::set<fs::path> paths() const {
    std::set<fs::path> result{freezer};
    for (const auto& leaf : controllers) result.insert(leaf.path);
    result.erase(fs::path());
    return result;
  }
  void remove() const {
    for (const auto& path : paths()) remove_cgroup(path);
  }
};

// In v2: at the nearest ancestor that passes on what is wanted and lets us in.
Result<fs::path> make_v2_leaf(const Hierarchy& v2, const std::set<std::string>& wanted,
                              const std::string& name) {
  std::string why;
  for (fs::path parent = v2.own;; parent = parent.parent_path()) {
    const auto passed_on = words_of(read_file(parent / "cgroup.subtree_control"));
    if (std::includes(passed_on.begin(), passed_on.end(), wanted.begin(), wanted.end())) {
      const fs::path leaf = parent / name;
      auto status = make_cgroup(leaf);
      if (status && ::access((leaf / "cgroup.freeze").c_str(), W_OK) == 0) return leaf;
      if (status) {
        remove_cgroup(leaf);
        return fail("the kernel cannot freeze cgroups (it needs Linux 5.2)");
      }
      if (why.empty()) why = status.error().message + "; " + advice();
    }
    if (parent == v2.mount || !parent.has_relative_path()) break;
  }
  if (!why.empty()) return fail("{}", why);
  return fail("no cgroup above this one passes on {}; {}", fmt::join(wanted, ", "),
              advice_on_controllers(v2.mount, wanted));
}

enum class Want { freezing, limits_but_io, limits };

Result<Leaves> make_leaves(Want want, const std::string& name) {
  const std::size_t count = want == Want::limits ? std::size(kControllers) : want == Want::freezing ? 0 : kIo;
  const auto all = hierarchies();
  const auto v2 = std::find_if(all.begin(), all.end(), [](const auto& h) { return h.v2; });
  if (v2 == all.end())
    return fail("cgroup v2 is not mounted, which freezing needs; "
                "as root, mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified");
  const Hierarchy* v1[std::size(kControllers)] = {};
  std::set<std::string> wanted;  // of v2
  for (std::size_t i = 0; i < count; ++i) {
    const std::string controller = kControllers[i];
    v1[i] = v1_hierarchy_with(all, controller == "io" ? "blkio" : controller);
    if (v1[i] != nullptr) continue;
    if (!v2->controllers.contains(controller))
      return fail("the kernel has no cgroup controller \"{}\"", controller);
    wanted.insert(controller);
  }
  auto v2_leaf = make_v2_leaf(*v2, wanted, name);
  if (!v2_leaf) return tl::make_unexpected(v2_leaf.error());
  Leaves leaves{*v2_leaf, {}};
  for (std::size_t i = 0; i < count; ++i) {
    leaves.controllers[i] = {*v2_leaf, true};
    if (v1[i] == nullptr) continue;
    const fs::path leaf = v1[i]->own / name;
    if (auto made = leaves.paths().contains(leaf) ? Status() : make_cgroup(leaf); !made) {
      leaves.remove();
      return fail("{}: {}; {}", kControllers[i], made.error().message, advice());
    }
    leaves.controllers[i] = {leaf, false};
  }
  return leaves;
}

std::string unique_name(const std::string& node) {
  std::uint32_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number)
    number = static_cast<std::uint32_t>(::getpid());
  return fmt::format("gameday-{:08x}-{}", number, node);
}

template <typename T>
void take_smaller(std::optional<T>& least, const std::optional<T>& other) {
  if (other && (!least || *other < *least)) least = other;
}

}  // namespace

Result<std::unique_ptr<Cgroup>> Cgroup::create(const std::string& node, bool limits) {
  const std::string name = unique_name(node);
  auto leaves = make_leaves(limits ? Want::limits : Want::freezing, name);
  std::string without_io;
  if (!leaves && limits) {
    without_io = leaves.error().message;
    leaves = make_leaves(Want::limits_but_io, name);
  }
  if (!leaves) return tl::make_unexpected(leaves.error());
  std::unique_ptr<Cgroup> cgroup(new Cgroup);
  cgroup->freezer_ = leaves->freezer;
  const auto& [cpu, memory, io] = leaves->controllers;
  cgroup->cpu_ = cpu.path;
  cgroup->memory_ = memory.path;
  cgroup->io_ = io.path;
  cgroup->without_io_ = without_io;
  cgroup->cpu_v2_ = cpu.v2;
  cgroup->memory_v2_ = memory.v2;
  cgroup->io_v2_ = io.v2;
  for (const auto& leaf : leaves->paths()) cgroup->entrances_.push_back(leaf / "cgroup.procs");
  return cgroup;
}

Cgroup::~Cgroup() {
  for (const fs::path entrance : entrances_) remove_cgroup(entrance.parent_path());
}

Status Cgroup::write_freeze(bool frozen) {
  if (auto status = write_file(freezer_ / "cgroup.freeze", frozen ? "1" : "0"); !status) return status;
  const auto deadline = std::chrono::steady_clock::now() + kTimeout;
  while ((number_of(read_file(freezer_ / "cgroup.events"), "frozen") != 0) != frozen) {
    if (std::chrono::steady_clock::now() > deadline)
      return fail("the cgroup {} is not {} after {} s", freezer_.string(),
                  frozen ? "frozen" : "thawed", kTimeout.count());
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return {};
}

std::unique_lock<std::mutex> Cgroup::begin_life() {
  std::unique_lock life(life_);
  const std::lock_guard lock(mutex_);
  ++lives_;
  if (std::exchange(freezes_, 0) > 0) (void)write_freeze(false);
  return life;
}

Result<int> Cgroup::freeze() {
  const std::lock_guard life(life_);
  const std::lock_guard lock(mutex_);
  if (auto status = write_freeze(true); !status) {
    if (freezes_ == 0) (void)write_freeze(false);
    return tl::make_unexpected(status.error());
  }
  ++freezes_;
  return lives_;
}

Result<bool> Cgroup::thaw(int life) {
  const std::lock_guard lock(mutex_);
  if (life != lives_ || freezes_ == 0 || --freezes_ > 0) return false;
  if (auto status = write_freeze(false); !status) return tl::make_unexpected(status.error());
  return true;
}

bool Cgroup::frozen() const {
  const std::lock_guard lock(mutex_);
  return freezes_ > 0;
}

Result<int> Cgroup::limit(const Limits& limits) {
  const std::lock_guard lock(mutex_);
  if (!has_limits()) return fail("the lab was made without limits");
  if (io_.empty() && (limits.read_bps || limits.write_bps)) return fail("{}", without_io_);
  limits_[next_] = limits;
  if (auto status = apply(); !status) {
    limits_.erase(next_);
    (void)apply();
    return tl::make_unexpected(status.error());
  }
  return next_++;
}

Status Cgroup::lift(int id) {
  const std::lock_guard lock(mutex_);
  if (limits_.erase(id) == 0) return fail("there is no limit {}", id);
  return apply();
}

Status Cgroup::apply() {
  Limits all;
  for (const auto& [id, limits] : limits_) {
    take_smaller(all.cpus, limits.cpus);
    take_smaller(all.memory, limits.memory);
    take_smaller(all.read_bps, limits.read_bps);
    take_smaller(all.write_bps, limits.write_bps);
    if (limits.device != 0) all.device = limits.device;
  }
  auto status = apply_cpu(all.cpus);
  if (status) status = apply_memory(all.memory);
  if (status) status = apply_io(all);
  return status;
}

Status Cgroup::apply_cpu(const std::optional<double>& cpus) const {
  const auto quota = static_cast<std::int64_t>(cpus.value_or(0) * kCpuPeriodUs);
  if (cpu_v2_)
    return write_file(cpu_ / "cpu.max", fmt::format("{} {}", cpus ? std::to_string(quota) : "max",
                                                    kCpuPeriodUs));
  if (auto status = write_file(cpu_ / "cpu.cfs_period_us", std::to_string(kCpuPeriodUs)); !status)
    return status;
  return write_file(cpu_ / "cpu.cfs_quota_us", cpus ? std::to_string(quota) : "-1");
}

Status Cgroup::apply_memory(const std::optional<std::int64_t>& bytes) {
  memory_limit_ = bytes;
  if (memory_v2_) {
    // Swap would only make it slow.
    (void)write_file(memory_ / "memory.swap.max", bytes ? "0" : "max");
    return write_file(memory_ / "memory.max", bytes ? std::to_string(*bytes) : "max");
  }
  const fs::path file = memory_ / "memory.limit_in_bytes";
  if (!bytes) return write_file(file, "-1");
  // EBUSY: more than that is in use, and cannot be dropped. v1 does not kill for a limit, only for what
  // is asked for beyond it, so the next that will be is as good.
  for (;;) {
    auto status = write_file(file, std::to_string(*memory_limit_));
    if (status || errno != EBUSY) return status;
    *memory_limit_ += *memory_limit_ / 20 + 65536;
  }
}

Status Cgroup::apply_io(const Limits& all) const {
  if (io_.empty()) return {};
  if (all.device == 0 && !io_v2_) {
    // v1 forgets a device by a zero.
    for (const char* file : {"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"}) {
      std::istringstream lines(read_file(io_ / file));
      for (std::string device, value; lines >> device >> value;)
        if (auto status = write_file(io_ / file, device + " 0"); !status) return status;
    }
    return {};
  }
  if (all.device == 0) {
    std::istringstream lines(read_file(io_ / "io.max"));
    for (std::string line; std::getline(lines, line);)
      if (auto status = write_file(
              io_ / "io.max", line.substr(0, line.find(' ')) + " rbps=max wbps=max");
          !status)
        return status;
    return {};
  }
  const std::string device = fmt::format("{}:{}", major(all.device), minor(all.device));
  if (io_v2_) {
    const auto text = [](const std::optional<std::int64_t>& bps) {
      return bps ? std::to_string(*bps) : "max";
    };
    return write_file(io_ / "io.max", fmt::format("{} rbps={} wbps={}", device, text(all.read_bps),
                                                  text(all.write_bps)));
  }
  if (auto status = write_file(io_ / "blkio.throttle.read_bps_device",
                               fmt::format("{} {}", device, all.read_bps.value_or(0)));
      !status)
    return status;
  return write_file(io_ / "blkio.throttle.write_bps_device",
                    fmt::format("{} {}", device, all.write_bps.value_or(0)));
}

std::optional<std::int64_t> Cgroup::memory_limit() const {
  const std::lock_guard lock(mutex_);
  return memory_limit_;
}

std::size_t Cgroup::limits_in_force() const {
  const std::lock_guard lock(mutex_);
  return limits_.size();
}

Usage Cgroup::usage() const {
  Usage usage;
  if (!has_limits()) return usage;
  const std::string cpu = read_file(cpu_ / "cpu.stat");
  usage.periods_throttled = number_of(cpu, "nr_throttled");
  usage.throttled_us =
      cpu_v2_ ? number_of(cpu, "throttled_usec") : number_of(cpu, "throttled_time") / 1000;
  const std::string memory = read_file(memory_ / "memory.stat");
  if (memory_v2_) {
    const std::string events = read_file(memory_ / "memory.events");
    usage.memory = number_of(memory, "anon") + number_of(memory, "kernel");
    usage.memory_hits = number_of(events, "max");
    usage.oom_kills = number_of(events, "oom_kill");
  } else {
    usage.memory = number_of(memory, "rss");
    usage.memory_hits = std::atoll(read_file(memory_ / "memory.failcnt").c_str());
    usage.oom_kills = number_of(read_file(memory_ / "memory.oom_control"), "oom_kill");
  }
  // v2: "254:0 rbytes=0 wbytes=4096 ..."; v1: "254:0 Read 0", "254:0 Write 4096".
  std::istringstream io(
      read_file(io_ / (io_v2_ ? "io.stat" : "blkio.throttle.io_service_bytes_recursive")));
  for (std::string line; std::getline(io, line);) {
    std::istringstream words(line);
    std::string device, what;
    std::int64_t bytes = 0;
    words >> device;
    while (io_v2_ && words >> what) {
      if (what.starts_with("rbytes=")) usage.read_bytes += std::atoll(what.c_str() + 7);
      if (what.starts_with("wbytes=")) usage.write_bytes += std::atoll(what.c_str() + 7);
    }
    if (!io_v2_ && words >> what >> bytes) {
      if (what == "Read") usage.read_bytes += bytes;
      if (what == "Write") usage.write_bytes += bytes;
    }
  }
  // "some avg10=0.00 ... total=1234": v2 has it without a controller.
  const std::string pressure = read_file(freezer_ / "io.pressure");
  if (const std::size_t at = pressure.find("total="); at != std::string::npos)
    usage.io_stalled_us = std::atoll(pressure.c_str() + at + 6);
  return usage;
}

Result<dev_t> device_behind(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail_errno("cannot look at " + path.string());
  dev_t device = status.st_dev;
  if (major(device) == 0) {
    // No device of its own (btrfs), or none at all (tmpfs): the mount says what it is on.
    const std::string number = fmt::format("{}:{}", major(device), minor(device));
    std::istringstream mounts(read_file("/proc/self/mountinfo"));
    std::string type = "a file system without a device";
    for (std::string line; std::getline(mounts, line);) {
      std::istringstream words(line);
      std::string skip, mounted;
      words >> skip >> skip >> mounted;
      const std::size_t dash = line.find(" - ");
      if (mounted != number || dash == std::string::npos) continue;
      std::string source;
      std::istringstream(line.substr(dash + 3)) >> type >> source;
      struct stat of {};
      if (::stat(source.c_str(), &of) == 0 && S_ISBLK(of.st_mode)) device = of.st_rdev;
    }
    if (major(device) == 0)
      return fail("{} is on {}, which has no block device to be throttled", path.string(), type);
  }
  // Limits are for whole disks: a partition's folder is in its disk's.
  const fs::path block = fmt::format("/sys/dev/block/{}:{}", major(device), minor(device));
  std::error_code error;
  if (!fs::exists(block / "partition", error)) return device;
  unsigned disk_major = 0, disk_minor = 0;
  char colon = 0;
  std::istringstream(read_file(fs::canonical(block, error).parent_path() / "dev")) >> disk_major >>
      colon >> disk_minor;
  return makedev(disk_major, disk_minor);
}

namespace {
Status available(Want want) {
  const auto leaves = make_leaves(want, unique_name("probe"));
  if (!leaves) return tl::make_unexpected(leaves.error());
  leaves->remove();
  return {};
}
}  // namespace

Status freezing_available() { return available(Want::freezing); }
Status limits_available() { return available(Want::limits_but_io); }
Status io_limits_available() { return available(Want::limits); }

}  // namespace gameday::lab
