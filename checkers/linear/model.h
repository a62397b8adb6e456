// What the linearizability search knows of an object: a deterministic sequential specification over
// interned states, and words for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace gameday::linear {

// States are interned by the model: equal states have equal numbers.
using State = std::int32_t;
inline constexpr State kIllegal = -1;

// The return of an operation that may take effect at any time from its call on, or never.
inline constexpr std::int64_t kPending = std::numeric_limits<std::int64_t>::max();

// One operation of one object. call and ret are positions in real-time order, all different.
struct Operation {
  std::int32_t kind = 0;      // of the model
  std::int32_t a = 0, b = 0;  // arguments and result, as the model encodes them
  std::int64_t call = 0;
  std::int64_t ret = kPending;

  bool pending() const { return ret == kPending; }
  bool same_effect(const Operation& other) const {
    return kind == other.kind && a == other.a && b == other.b;
  }
};

class Model {
 public:
  virtual ~Model() = default;
  virtual State initial() const = 0;
  // The state after the operation, or kIllegal when it cannot have had this result here. Called
  // from one thread.
  virtual State step(State state, const Operation& op) const = 0;
  // Never changes any state: it may be taken as soon as it is legal.
  virtual bool read_only(const Operation& op) const = 0;
  // `op` saw something that `source` may have made. A minimised history keeps every source of what
  // it keeps, unless something that it keeps hides it, or it would fail for a
  // reason that the real one does not have.
  virtual bool depends(const Operation& op, const Operation& source) const = 0;
  // After `between` happened, no source that was before it is what `op` saw.
  virtual bool hides(const Operation& /*between*/, const Operation& /*op*/) const { return false; }
  virtual std::string describe(State state) const = 0;
  // Always legal, and what it leaves does not depend on what was there: a blind write.
  virtual bool overwrites(const Operation&) const { return false; }
  // An operation that saw what the others cannot have made in whatever order, if one is easily found.
  virtual std::optional<std::size_t> impossible(std::span<const Operation>) const { return {}; }
  // What the interned states and the like take.
  virtual std::size_t bytes() const { return 0; }
};

// The first that returned with what nobody had begun to make by then. found(op) and made(op) are
// optional numbers.
template <typename Found, typename Made>
std::optional<std::size_t> of_nowhere(std::span<const Operation> ops, Found found, Made made) {
  std::unordered_map<std::int32_t, std::int64_t> begun;
  for (const auto& op : ops)
    if (const auto value = made(op)) {
      const auto [it, added] = begun.try_emplace(*value, op.call);
      if (!added && op.call < it->second) it->second = op.call;
    }
  std::optional<std::size_t> first;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    if (ops[i].pending() || (first && ops[*first].ret < ops[i].ret)) continue;
    const auto value = found(ops[i]);
    if (!value) continue;
    const auto it = begun.find(*value);
    if (it == begun.end() || it->second > ops[i].ret) first = i;
  }
  return first;
}

}  // namespace gameday::linear
