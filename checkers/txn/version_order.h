// The order in which a register's versions were installed, as far as it can be told (Kingsbury and
// Alvaro, "Elle", VLDB 2020, section 4.2; the assumptions are those of its rw-register check).
#pragma once

#include <string>
#include <vector>

#include "checkers/txn/anomalies.h"
#include "checkers/txn/registers.h"

namespace gameday::txn {

// What a transaction shows of a key to others: its first read before any write of its own, and its
// last write.
struct External {
  std::uint32_t key;
  bool reads, writes;
  Version read, write;
  // The version that it found, or else put in place of one; and the one that it left.
  Version entry() const { return reads ? read : write; }
  Version exit() const { return writes ? write : read; }
};

// Of every transaction, a key once. Nothing of failed ones; of unknown outcomes the writes only.
class Externals {
 public:
  explicit Externals(const Registers& registers);
  std::span<const External> of(Node t) const {
    return {all_.data() + firsts_[t], static_cast<std::size_t>(firsts_[t + 1] - firsts_[t])};
  }
  const External* find(Node t, std::uint32_t key) const {
    for (const External& e : of(t))
      if (e.key == key) return &e;
    return nullptr;
  }

 private:
  std::vector<External> all_;
  std::vector<std::uint64_t> firsts_;
};

enum class Source : std::uint8_t { wfr, sequential, linearizable };

struct VersionEdge {
  Version from, to;
  Source source;
};

// Inference by the options. Versions in a circle are the anomaly cyclic-versions, and the assumption
// that closes it is dropped then, as in Elle. nil < v is not listed: it holds for every v.
std::vector<VersionEdge> order_versions(const Registers& registers, const Externals& externals,
                                        const ModelOptions& options, const Limits& limits,
                                        Anomalies& anomalies);

}  // namespace gameday::txn
