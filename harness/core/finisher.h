// For a nemesis (fault.h) whose heals may have to leave something undone: to bring a node back into a
// cluster takes a majority, which another fault may still be cutting off.
#pragma once

#include "harness/core/error.h"

namespace gameday {

class Finisher {
 public:
  virtual ~Finisher() = default;
  // When no fault of any kind is in force any more: undoes what is left, and checks that it is. May be
  // called again.
  virtual Status finish() = 0;
};

}  // namespace gameday
