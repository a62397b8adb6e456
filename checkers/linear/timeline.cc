#include "checkers/linear/timeline.h"

#include <algorithm>
#include <limits>
#include <unordered_map>

namespace gameday::linear {
namespace {

struct Effect {
  std::int32_t kind, a, b;
  bool operator==(const Effect&) const = default;
};
struct EffectHash {
  std::size_t operator()(const Effect& e) const {
    std::uint64_t h = static_cast<std::uint32_t>(e.kind);
    for (const std::int32_t v : {e.a, e.b})
      h = (h ^ static_cast<std::uint32_t>(v)) * 0x9e3779b97f4a7c15ULL;
    return h ^ h >> 32;
  }
};

// Positions are rows of a history, nearly always: then the order is a table. Twice the op's number,
// plus one for its return.
std::vector<std::uint32_t> in_order(std::span<const Operation> ops) {
  std::vector<std::uint32_t> order;
  order.reserve(2 * ops.size());
  std::int64_t low = std::numeric_limits<std::int64_t>::max(), high = -1;
  for (const auto& op : ops) {
    low = std::min(low, op.call);
    high = std::max(high, op.pending() ? op.call : op.ret);
  }
  constexpr std::uint32_t kFree = 0xffffffff;
  const auto positions = ops.empty() ? 0 : static_cast<std::size_t>(high - low) + 1;
  if (positions <= 16 * ops.size() + 64) {
    std::vector<std::uint32_t> table(positions, kFree);
    for (std::uint32_t i = 0; i < ops.size(); ++i) {
      table[static_cast<std::size_t>(ops[i].call - low)] = 2 * i;
      if (!ops[i].pending()) table[static_cast<std::size_t>(ops[i].ret - low)] = 2 * i + 1;
    }
    for (const std::uint32_t e : table)
      if (e != kFree) order.push_back(e);
    return order;
  }
  for (std::uint32_t i = 0; i < ops.size(); ++i) {
    order.push_back(2 * i);
    if (!ops[i].pending()) order.push_back(2 * i + 1);
  }
  const auto position = [&](std::uint32_t e) { return e % 2 == 0 ? ops[e / 2].call : ops[e / 2].ret; };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t x, std::uint32_t y) { return position(x) < position(y); });
  return order;
}

}  // namespace

Timeline make_timeline(std::span<const Operation> ops) {
  Timeline t;
  t.slots.resize(ops.size());
  t.events.reserve(2 * ops.size());
  std::unordered_map<Effect, std::uint32_t, EffectHash> groups;
  std::vector<std::uint32_t> free;
  std::uint32_t slots = 0;
  for (const std::uint32_t e : in_order(ops)) {
    const std::uint32_t i = e / 2;
    const auto& op = ops[i];
    if (op.pending()) {
      const auto [it, added] =
          groups.try_emplace({op.kind, op.a, op.b}, static_cast<std::uint32_t>(t.infos.size()));
      if (added) t.infos.push_back({i});
      ++t.info_calls;
      t.events.push_back({it->second, Timeline::Kind::info});
    } else if (e % 2 == 0) {
      if (free.empty()) free.push_back(slots++);
      t.slots[i] = free.back();
      free.pop_back();
      t.events.push_back({i, Timeline::Kind::call});
    } else {
      free.push_back(t.slots[i]);
      ++t.returned;
      t.events.push_back({i, Timeline::Kind::ret});
    }
  }
  t.width = slots;
  return t;
}

}  // namespace gameday::linear
