// Puts the rows of a file together in their order: pairs completions with invocations, and finds a
// process for rows that name none. Private to the readers and to Events.
#pragma once

#include <limits>
#include <optional>
#include <unordered_map>
#include <vector>

#include "checkers/events/events.h"

namespace gameday {

// The process of a row that names none, until Unnamed has found one.
constexpr std::int32_t kUnnamed = std::numeric_limits<std::int32_t>::min();

// Pairs the rows of a history as they are appended.
class Pairing {
 public:
  explicit Pairing(Events& events) : events_(events) {}
  // Pairs the rows that are new. On an error bad_row() is the row that does not fit.
  Status more();
  std::size_t bad_row() const { return next_; }

 private:
  std::int32_t& open_call(std::int32_t process);

  Events& events_;
  std::size_t next_ = 0;             // rows before it are paired
  std::vector<std::int32_t> dense_;  // of a process: its open call in pairs_, or -1
  std::unordered_map<std::int32_t, std::int32_t> sparse_;  // of processes with large numbers
};

// Hand-written histories often have no :process (those in Elle's and elle-cli's documentation, for
// instance). An invocation without one then gets the lowest client that is idle; a completion belongs
// to the latest open call of its :f, so that calls may overlap; an info without an open call is no
// client's.
class Unnamed {
 public:
  // Gives a process to the rows from `from` on that have none. A row that has no invocation: returned.
  std::optional<std::size_t> assign_all(Events& events, std::size_t from);

 private:
  bool assign(Events& events, std::size_t row, std::int32_t& process);

  struct Call {
    std::int32_t process;
    Events::Name f;
  };
  std::vector<Call> open_;
  std::vector<std::int32_t> idle_;  // a heap: the lowest first
  std::int32_t next_ = 0;
};

}  // namespace gameday
