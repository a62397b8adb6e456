// Histories of many independent objects, each under a key: linearizability is local (Herlihy and
// Wing, "Linearizability", 1990, §3.3), so every key is judged alone.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "checkers/linear/object.h"
#include "checkers/model.h"

namespace gameday {

// Which calls belong to which key, of a history whose values are pairs [k v].
struct KeySplit {
  explicit KeySplit(const Events& events);

  std::size_t size() const { return keys.size(); }
  // By invocation. Values are without the key, and positions count the rows of the key.
  std::span<const linear::RawCall> part(std::size_t key) const {
    return std::span(calls).subspan(begin[key], begin[key + 1] - begin[key]);
  }

  Dense keys;
  std::vector<std::size_t> begin;      // in calls, by key; and the end
  std::vector<linear::RawCall> calls;  // by key
  std::int64_t stray = -1;             // the row of a call without a key, or with two
};

// Checks one key; `explain`: what is INVALID owes an explanation.
using KeyCheck = std::function<CheckResult(std::size_t key, const Limits& limits, bool explain)>;

// One check a key, several at once, and all results as one. A call without a key is an error
// (UNKNOWN). stats: keys, failures and unknown (keys, at most kAnomalyLimit each).
CheckResult check_keys(const KeySplit& split, const ModelInput& input, const KeyCheck& check);

namespace linear {
// Each key is one such object.
CheckResult check_by_key(const Object& object, const ModelInput& input);
}  // namespace linear

}  // namespace gameday
