#include <fmt/format.h>

#include "harness/lab/test_server.h"
#include "nemesis/bench/bench.h"
#include "nemesis/bench/nft_batch.h"

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
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto& nodes = (*lab)->nodes();
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 2; j < 5; ++j)
      for (const auto& [from, to] : {std::pair(i, j), std::pair(j, i)}) {
        rules.push_back({nodes[from].address, nodes[to].address, lab::Action::drop});
        pairs.emplace_back(nodes[from].address, nodes[to].address);
      }
  constexpr int kRuns = 50;
  std::vector<double> in_force, out, healed;
  for (int i = 0; i < kRuns; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const int id = (*lab)->firewall().add(rules).value_or(0);
    const auto middle = std::chrono::steady_clock::now();
    (void)(*lab)->firewall().remove(id);
    const auto end = std::chrono::steady_clock::now();
    in_force.push_back(std::chrono::duration<double, std::nano>(middle - begin).count());
    healed.push_back(std::chrono::duration<double, std::nano>(end - middle).count());
    out.push_back(static_cast<double>((*lab)->firewall().last_transaction().count()));
  }
  const std::string by((*lab)->firewall().variant());
  const auto ms = [](const std::vector<double>& ns) { return fmt::format("{:.2f} ms", median(ns) / 1e6); };
  Rows rows{
      {"whole-cluster partition of 5 nodes in force, " + by, ms(in_force), "under 10 ms", {}, {}},
      {"the same out of force", ms(out), "under 10 ms", {}, {}},
      {"the same healed: out of force, counted, checked", ms(healed), "under 10 ms", {}, {}}};
  const auto direct = nft_batches(pairs, kRuns);
  if (!direct) return rows;
  rows.push_back({"in force by a direct nf_tables batch", ms(direct->in_force), {},
                  median(direct->in_force) / median(in_force), by});
  rows.push_back({"out of force by a direct nf_tables batch", ms(direct->healed), {},
                  median(direct->healed) / median(out), by});
  return rows;
}

}  // namespace gameday::nemesis::bench
