#include "checkers/linear/decide/dense.h"

#include <algorithm>

namespace gameday::linear {

DenseOps::DenseOps(std::span<const Operation> ops, Number number) : ops_(ops) {
  measure();
  const std::size_t enough = 8 * ops.size() + 1024;
  const bool wide_positions = number != values_only && positions_ > enough;
  const bool wide_values = number != positions_only && values_ > enough;
  if (!wide_positions && !wide_values) return;
  copy_.assign(ops.begin(), ops.end());
  if (wide_positions) renumber_positions();
  if (wide_values) renumber_values();
  ops_ = copy_;
}

void DenseOps::measure() {
  std::int64_t position = -1;
  std::int32_t value = -1;
  for (const auto& op : ops_) {
    position = std::max(position, op.call);
    if (op.ret != kPending) position = std::max(position, op.ret);
    value = std::max({value, op.a, op.b});
  }
  positions_ = index_of(position + 1);
  values_ = index_of(std::int64_t{value} + 1);
}

void DenseOps::renumber_positions() {
  std::vector<std::int64_t> sorted;
  sorted.reserve(2 * copy_.size());
  for (const auto& op : copy_) {
    sorted.push_back(op.call);
    if (!op.pending()) sorted.push_back(op.ret);
  }
  std::sort(sorted.begin(), sorted.end());
  const auto place = [&](std::int64_t position) {
    return std::lower_bound(sorted.begin(), sorted.end(), position) - sorted.begin();
  };
  for (auto& op : copy_) {
    op.call = place(op.call);
    if (!op.pending()) op.ret = place(op.ret);
  }
  positions_ = sorted.size();
}

void DenseOps::renumber_values() {
  std::vector<std::int32_t>& sorted = sorted_values_;
  sorted.reserve(2 * copy_.size());
  for (const auto& op : copy_)
    for (const std::int32_t value : {op.a, op.b})
      if (value >= 0) sorted.push_back(value);
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  for (auto& op : copy_) {
    op.a = number(op.a);
    op.b = number(op.b);
  }
  values_ = sorted.size();
}

std::int32_t DenseOps::number(std::int32_t value) const {
  if (value < 0 || sorted_values_.empty()) return value;
  const auto at = std::lower_bound(sorted_values_.begin(), sorted_values_.end(), value);
  const bool known = at != sorted_values_.end() && *at == value;
  return static_cast<std::int32_t>(known ? index_of(at - sorted_values_.begin())
                                         : sorted_values_.size());
}

}  // namespace gameday::linear
