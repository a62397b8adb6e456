// Histories of registers whose written values are unique for each key, as reads and writes of
// versions. Accepted are plain registers (:f :read and :write, :value v), registers by key
// (:value [k v]) and transactions ([[:w k v] [:r k v]]).
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "checkers/model.h"

namespace gameday::guarantees {

// One read or write, in the order of its session.
struct Access {
  std::uint32_t pair = 0;    // in events.pairs()
  std::int32_t version = 0;  // in Registers::versions
  bool write = false;
  bool certain = false;  // its call is ok; a write without an answer may never happen
};

struct Version {
  std::int32_t key = 0;
  Value value;
  std::int32_t writer = -1;  // in Registers::accesses; -1: what the key held before any write
  bool unclear = false;      // written twice, or by a write that failed: its accesses are left out
};

struct Registers {
  // Reads of the history what it can; what cannot be judged is a sentence in `unknown`, and its
  // accesses are left out. Reads that are not ok and writes that failed are left out, too.
  explicit Registers(const ModelInput& input);

  std::string describe(std::int32_t version) const;  // "value 3 of key :x"
  std::int64_t op(const Access& a) const;            // the index of its row for people
  std::string words(const Access& a) const;          // its row for people

  const Events& events;
  Dense keys;
  std::vector<Access> accesses;   // in the order of invocation; in a call, of its micro-operations
  std::vector<Version> versions;  // of key k the one before any write is number k
  std::set<std::string> unknown;

 private:
  friend class RegisterReader;
};

}  // namespace gameday::guarantees
