// The operations of a transaction, applied by clients of stores that only read and write whole
// values.
#pragma once

#include <map>
#include <set>
#include <string>

#include "harness/core/json.h"

namespace gameday::sut {

// The keys of [["r", k, null], ["append", k, v], ["w", k, v], ...], as text.
std::set<std::string> keys_of(const Json& mops);

// What the transaction's answer is if its keys hold `state` (no entry or null: nothing), and what
// it makes of it: `changed` has the keys that it wrote.
struct Applied {
  Json mops;
  std::map<std::string, Json> changed;
};
Applied apply(const Json& mops, std::map<std::string, Json> state);

}  // namespace gameday::sut
