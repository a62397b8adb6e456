// What the decisions share: operations whose values and positions are small enough to index arrays.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "checkers/linear/decide/decide.h"

namespace gameday::linear {

inline constexpr std::size_t kNone = static_cast<std::size_t>(-1);
inline constexpr std::uint32_t kNoOp = static_cast<std::uint32_t>(-1);

inline std::size_t index_of(std::int64_t number) { return static_cast<std::size_t>(number); }

// The operations as they are, or a copy whose positions (and values, on request) are numbered anew
// where they are far above the count of operations. Orders stay, values keep their order too, and
// operations keep their index: a conflict can be read off the caller's operations.
class DenseOps {
 public:
  enum Number { positions_only, values_only, both };
  DenseOps(std::span<const Operation> ops, Number number);
  std::span<const Operation> ops() const { return ops_; }
  std::size_t positions() const { return positions_; }  // all finite positions are below
  std::size_t values() const { return values_; }        // all values are below
  // The new number of a value of the caller; values() if no operation has it.
  std::int32_t number(std::int32_t value) const;

 private:
  void measure();
  void renumber_positions();
  void renumber_values();

  std::span<const Operation> ops_;
  std::vector<Operation> copy_;
  std::vector<std::int32_t> sorted_values_;  // only where values are numbered anew
  std::size_t positions_ = 0, values_ = 0;
};

}  // namespace gameday::linear
