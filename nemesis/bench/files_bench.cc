#include <fmt/format.h>

#include <cstdlib>
#include <optional>

#include "harness/lab/test_server.h"
#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {
namespace {

constexpr int kWrites = 5000;

// µs of one of many small writes into the page cache by a node; the median of some rounds.
double cost_of_write(lab::CallClasses trapped, bool rule_in_force) {
  const lab::testing::TempFolder folder;
  lab::LabOptions options;
  options.nodes = 1;
  options.directory = folder.path();
  options.prepare.syscalls = trapped;
  auto lab = lab::Lab::create(options);
  if (!lab || !(*lab)->start("n1", lab::testing::server_spec()) || !lab::testing::wait_until_ready(**lab))
    return 0;
  std::optional<lab::FileFaults::Rule> rule;
  if (rule_in_force) {
    auto added = (*(*lab)->files("n1"))->add({.match = {.calls = trapped, .path = "other"}, .error = 5});
    if (added) rule = std::move(*added);
  }
  const std::string command = fmt::format("run dd if=/dev/zero of=f bs=100 count={} 2>&1", kWrites);
  std::vector<double> rounds;
  for (int i = 0; i < 5; ++i) {
    const auto said = lab::testing::ask((*lab)->nodes()[0].address, command, 20'000).value_or("");
    const auto at = said.find("copied, ");
    if (at != std::string::npos) rounds.push_back(std::atof(said.c_str() + at + 8) * 1e6 / kWrites);
  }
  return rounds.empty() ? 0 : median(rounds);
}

}  // namespace

Rows files() {
  const double plain = cost_of_write(0, false);
  const auto row = [&](const std::string& measure, lab::CallClasses trapped, bool rule_in_force) {
    const double cost = cost_of_write(trapped, rule_in_force);
    return Row{measure, fmt::format("{:.1f} µs", cost), {},
               plain > 0 ? std::optional(cost / plain) : std::nullopt,
               fmt::format("not trapped, {:.2f} µs", plain)};
  };
  return {row("write of 100 bytes where only fsync is trapped", lab::kSyncCalls, false),
          row("the same where writes are trapped", lab::kWriteCalls, false),
          row("the same with a fault of other files in force", lab::kWriteCalls, true)};
}

}  // namespace gameday::nemesis::bench
