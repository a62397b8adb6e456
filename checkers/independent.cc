#include "checkers/independent.h"

#include <algorithm>
#include <stdexcept>

#include "checkers/linear/by_key.h"
#include "checkers/linear/models/models.h"

namespace gameday {
namespace {

// The history of one key, values without it.
Events history_of(const Events& events, std::span<const linear::RawCall> calls) {
  std::vector<std::uint32_t> rows;
  rows.reserve(2 * calls.size());
  for (const auto& call : calls) {
    const Pair& pair = events.pairs()[call.pair];
    rows.push_back(pair.invoke);
    if (pair.done >= 0) rows.push_back(static_cast<std::uint32_t>(pair.done));
  }
  std::sort(rows.begin(), rows.end());
  Events part = events.part();
  part.reserve(rows.size());
  for (const std::uint32_t i : rows) {
    const Value v = events.value(i);
    const auto items = v.is_sequence() ? events.values().items(v) : std::span<const Value>();
    part.append({events.type(i), events.process(i), events.f(i), items.size() == 2 ? items[1] : Value(),
                 events.time(i), events.index(i), events.extra(i)});
  }
  if (auto paired = part.pair_up(); !paired) throw std::runtime_error(paired.error().message);
  return part;
}

}  // namespace

CheckResult check_independent(const Model& model, const ModelInput& input) {
  // Linearizability looks at calls alone, so the parts need not be histories.
  if (const auto* object = linear::objects::find(model.name)) return linear::check_by_key(*object, input);
  const KeySplit split(input.events);
  return check_keys(split, input, [&](std::size_t key, const Limits& limits, bool) {
    const Events part = history_of(input.events, split.part(key));
    return check_model(model, {part, input.options, limits});
  });
}

}  // namespace gameday
