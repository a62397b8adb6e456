#include <fmt/format.h>

#include "harness/lab/test_server.h"
#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {

// Five nodes, two against three, both directions: 12 rules.
Rows partition() {
  const lab::testing::TempFolder folder;
  lab::LabOptions options;
  options.nodes = 5;
  options.directory = folder.path();
  auto lab = lab::Lab::create(options);
  if (!lab) return {{"partition", lab.error().message, {}, {}, {}}};
  std::vector<lab::Rule> rules;
  const auto& nodes = (*lab)->nodes();
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 2; j < 5; ++j)
      for (const auto& [from, to] : {std::pair(i, j), std::pair(j, i)})
        rules.push_back({nodes[from].address, nodes[to].address, lab::Action::drop});
  int id = 0;
  std::vector<double> healed;
  const auto in_force = sample(50, [&] {
    if (id != 0) {
      const auto begin = std::chrono::steady_clock::now();
      (void)(*lab)->firewall().remove(id);
      healed.push_back(
          std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
    }
    id = (*lab)->firewall().add(rules).value_or(0);
  });
  // sample() times both; what is left after the healing is putting it in force.
  const double both = median(in_force), heal = median(healed);
  return {{"whole-cluster partition of 5 nodes in force", fmt::format("{:.1f} ms", (both - heal) / 1e6),
           "under 10 ms", {}, {}},
          {"the same healed", fmt::format("{:.1f} ms", heal / 1e6), "under 10 ms", {}, {}}};
}

}  // namespace gameday::nemesis::bench
