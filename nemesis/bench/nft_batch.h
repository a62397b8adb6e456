// What a partition would cost without iptables: nf_tables, spoken to directly. For comparison only.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gameday::nemesis::bench {

struct NftCost {
  std::vector<double> in_force, healed;  // ns
};

// Puts a chain with these (from, to) pairs in force, one batch, and takes it out, one more, as often as
// that. In a network namespace of its own. nullopt: the kernel refused.
std::optional<NftCost> nft_batches(const std::vector<std::pair<std::string, std::string>>& pairs,
                                   int runs);

}  // namespace gameday::nemesis::bench
