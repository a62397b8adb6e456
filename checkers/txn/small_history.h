// Small random list-append histories, and what can be said about them without the checker.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkers/events/events.h"
#include "harness/core/rng.h"

namespace gameday::txn {

struct SmallMop {
  bool append = false;
  int key = 0;
  int element = 0;        // appended
  std::vector<int> list;  // read
};
struct SmallTxn {
  int process = 0;
  std::vector<SmallMop> mops;
  int invoked = -1, completed = -1;  // rows
  OpType outcome = OpType::ok;
};
struct SmallHistory {
  std::vector<SmallTxn> txns;
  int rows = 0;
  std::vector<std::string> promises;  // consistency models that the database kept

  // From a database of some level of isolation, half of the time with a fault on top.
  static SmallHistory random(Rng& rng);

  Events events() const;
  std::string text() const;

  enum class Level { serializable, session, strict };
  // Whether some order of the transactions, executed one by one, gives all that was read: of all ok
  // ones and any of the info ones, none of the failed.
  bool some_order(Level level) const;
  // Whether every append that may have happened was read, so that nothing about versions is hidden.
  bool complete() const;
};

}  // namespace gameday::txn
