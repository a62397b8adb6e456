#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "harness/lab/disk_workload.h"
#include "harness/lab/fd.h"
#include "harness/lab/test_server.h"
#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {
namespace {

namespace fs = std::filesystem;
namespace testing = lab::testing;
using Clock = std::chrono::steady_clock;

Row failed(std::string measure, std::string why) {
  return {std::move(measure), std::move(why), {}, {}, {}};
}

double ms_since(Clock::time_point begin) { return ms(Clock::now() - begin); }

// From the moment the power of a running node goes to the moment it runs again, exec done.
void running_again(Rows& rows, std::string_view what, const lab::Preparation& prepare, int nodes) {
  const std::string measure =
      fmt::format("power loss of {} node{} to running again, {}", nodes, nodes == 1 ? "" : "s", what);
  const testing::TempFolder folder;
  lab::LabOptions options;
  options.nodes = nodes;
  options.directory = folder.path();
  options.prepare = prepare;
  auto lab = lab::Lab::create(options);
  if (!lab) return rows.push_back(failed(measure, lab.error().message));
  std::vector<std::string> names;
  for (const auto& node : (*lab)->nodes()) {
    names.push_back(node.name);
    if (auto started = (*lab)->start(node.name, testing::server_spec()); !started)
      return rows.push_back(failed(measure, started.error().message));
  }
  if (!testing::wait_until_ready(**lab)) return rows.push_back(failed(measure, "nodes do not start"));
  std::vector<double> times;
  bool kept = true;
  for (int round = 0; round < 15; ++round) {
    for (const auto& node : (*lab)->nodes()) {
      const std::string text = fmt::format("printf {} >kept; sync kept; printf x >lost", round);
      (void)testing::ask(node.address, "run " + text);
    }
    const auto begin = Clock::now();
    if (auto cut = (*lab)->cut_power(names); !cut)
      return rows.push_back(failed(measure, cut.error().message));
    for (const auto& name : names) (void)(*lab)->restore_power(name);
    times.push_back(ms_since(begin));
    if (!testing::wait_until_ready(**lab)) return rows.push_back(failed(measure, "a node is gone"));
    for (const auto& node : (*lab)->nodes())
      kept &= testing::ask(node.address, "run cat kept; ls lost 2>/dev/null") == std::to_string(round);
  }
  rows.push_back({measure,
                  fmt::format("{:.0f} ms (largest {:.0f}){}", median(times), percentile(times, 100),
                              kept ? "" : ", DATA WRONG"),
                  "under 200 ms", {}, {}});
  rows.push_back({fmt::format("lab of {} nodes with such disks", nodes),
                  fmt::format("{:.0f} ms", ms((*lab)->build_time())), "", {}, {}});
}

struct Pattern {
  const char* name;
  std::size_t write, total;
  std::size_t sync_every;  // bytes
};
constexpr Pattern kPatterns[]{{"1 MiB writes, one fsync", 1 << 20, 64 << 20, 64 << 20},
                              {"4 KiB appends, fdatasync each", 4096, 2 << 20, 4096},
                              {"200 B appends, fsync each 4 KiB", 200, 400'000, 4096},
                              {"200 B appends, no fsync", 200, 8'000'000, 1 << 30}};

// Bytes/s of a pattern on a folder.
double write_speed(const fs::path& folder, const Pattern& pattern) {
  const std::string data(pattern.write, 'w');
  const std::string file = folder / "speed";
  const lab::Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  const auto begin = Clock::now();
  std::size_t unsynced = 0;
  for (std::size_t done = 0; done < pattern.total; done += pattern.write) {
    if (::write(fd.get(), data.data(), data.size()) != static_cast<ssize_t>(data.size())) return 0;
    if ((unsynced += pattern.write) < pattern.sync_every) continue;
    if (::fdatasync(fd.get()) != 0) return 0;
    unsynced = 0;
  }
  const double speed = static_cast<double>(pattern.total) / (ms_since(begin) / 1e3);
  fs::remove(file);
  return speed;
}

void speeds(Rows& rows, bool fuse) {
  const testing::TempFolder plain, folder;
  auto disk = lab::Disk::create({.directory = folder.path(), .force_fuse = fuse});
  if (!disk) return rows.push_back(failed("write speed", disk.error().message));
  for (const auto& pattern : kPatterns) {
    std::vector<double> base, with;
    for (int i = 0; i < 5; ++i) {  // in turns: the machine's mood hits both
      base.push_back(write_speed(plain.path(), pattern));
      with.push_back(write_speed((*disk)->directory(), pattern));
    }
    rows.push_back({fmt::format("write speed, {}, {}", (*disk)->backend(), pattern.name),
                    fmt::format("{:.1f} MB/s", median(with) / 1e6), "within 20 %",
                    median(with) / median(base), "the plain file system"});
  }
}

void workloads(Rows& rows, bool fuse, bool tear) {
  constexpr int kCount = 1000;
  constexpr int kShown = 3;
  int wrong = 0, losses = 0, lost = 0;
  for (std::uint64_t seed = 1; seed <= kCount;) {
    // A disk of its own after each that went wrong: it may have left anything.
    const testing::TempFolder folder;
    auto disk = lab::Disk::create({.directory = folder.path(), .bytes = 64 << 20, .force_fuse = fuse});
    if (!disk) return rows.push_back(failed("random workloads", disk.error().message));
    for (bool good = true; good && seed <= kCount; ++seed) {
      const auto result = testing::run_workload(**disk, seed, tear);
      losses += result.losses;
      lost += result.lost_something;
      good = result.wrong.empty();
      if (!good && ++wrong <= kShown) fmt::print("  seed {}: {}\n", seed, result.wrong);
    }
  }
  if (wrong > kShown) fmt::print("  and {} more\n", wrong - kShown);
  rows.push_back({fmt::format("random workloads with synced data intact, {}{}", fuse ? "fuse" : "ext4",
                              tear ? ", torn" : ""),
                  fmt::format("{} of {} ({} of {} losses lost something)", kCount - wrong, kCount, lost,
                              losses),
                  "all", {}, {}});
}

}  // namespace

Rows disk() {
  Rows rows;
  running_again(rows, "their usual disks", {.disks = true}, 1);
  running_again(rows, "their usual disks", {.disks = true}, 5);
  running_again(rows, "FUSE", {.torn_disks = true}, 1);
  const bool ext4 = lab::disk_backends().value_or("").starts_with("ext4");
  if (ext4) speeds(rows, false);
  speeds(rows, true);
  if (ext4) workloads(rows, false, false);
  workloads(rows, true, false);
  workloads(rows, true, true);
  return rows;
}

}  // namespace gameday::nemesis::bench
