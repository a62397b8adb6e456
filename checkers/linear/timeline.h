// The calls and returns of operations in real-time order, with a small number (a slot) for every
// call that is open: what a search walks along.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "checkers/linear/model.h"

namespace gameday::linear {

struct Timeline {
  enum class Kind : std::uint8_t { call, ret, info };
  struct Event {
    std::uint32_t op;  // of info: the group
    Kind kind;
  };
  // Calls without a return and with the same effect: only how many were called counts.
  struct Info {
    std::size_t op;  // one of them
  };
  std::vector<Event> events;
  std::vector<std::uint32_t> slots;  // op -> slot, of those that returned
  std::vector<Info> infos;
  std::size_t width = 0;             // most slots in use at once
  std::size_t returned = 0, info_calls = 0;
};

Timeline make_timeline(std::span<const Operation> ops);

}  // namespace gameday::linear
