// The table of scripts/bench faults: fault_bench [AREA ...].
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "harness/lab/test_server.h"
#include "harness/lab/universe.h"
#include "nemesis/bench/areas.h"

namespace gameday::nemesis::bench {

std::vector<double> sample(int runs, const std::function<void()>& once) {
  std::vector<double> values;
  for (int i = 0; i < runs; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    once();
    values.push_back(
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(values.begin(), values.end());
  return values;
}

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return values[static_cast<std::size_t>(last * p / 100 + 0.5)];
}

double median(std::vector<double> values) { return percentile(std::move(values), 50); }

namespace {

int run(std::span<char*> wanted) {
  for (const Area& area : kAreas) {
    const bool asked = std::any_of(wanted.begin(), wanted.end(),
                                   [&](const char* name) { return area.name == name; });
    if (!wanted.empty() && !asked) continue;
    for (const Row& row : area.run()) {
      std::string line = fmt::format("{:<62} {:<40}", row.measure, row.figure);
      if (row.ratio) line += fmt::format(" {:.2f} x {}", *row.ratio, row.baseline);
      if (!row.bar.empty()) line += fmt::format("  [{}]", row.bar);
      fmt::print("{}\n", line);
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace
}  // namespace gameday::nemesis::bench

int main(int argc, char** argv) {
  gameday::lab::maybe_run_init(argc, argv);
  gameday::lab::testing::maybe_run_server(argc, argv);
  const std::span<char*> wanted(argv + 1, argv + argc);
  return gameday::lab::run_in_universe([&] { return gameday::nemesis::bench::run(wanted); });
}
