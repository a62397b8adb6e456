// The order in which the states of a key were installed, as far as it can be told.
#pragma once

#include <span>
#include <vector>

#include "checkers/txn/table_reads.h"

namespace gameday::txn {

class StateOrder {
 public:
  // Infers by the options of rw-register (version_order.h): what its writes and selections look
  // like as reads and writes of registers is what they are applied to. cyclic-versions as there.
  StateOrder(const Table& table, std::span<const Selected> selected, const ModelInput& input,
             Anomalies& anomalies);

  // States that come after this one, at least all that come next.
  std::span<const std::uint32_t> after(std::uint32_t state) const {
    return std::span(all_).subspan(firsts_[state], firsts_[state + 1] - firsts_[state]);
  }

 private:
  const Table& table_;
  std::vector<std::uint64_t> firsts_;
  std::vector<std::uint32_t> all_;
};

}  // namespace gameday::txn
