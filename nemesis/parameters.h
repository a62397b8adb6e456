// What the parameters of a fault may be: each fault has a table of them, so that a schedule written
// by hand is refused, with the reason, before anything is started.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/json.h"

namespace gameday::nemesis {

struct Parameter {
  enum class Kind : std::uint8_t {
    word,     // one of `words`
    whole,    // a whole number of least..most
    numbers,  // a list of at least one number of least..most
    order,    // a list of names of nodes; "leader" may be one of them
    number,   // a number of least..most
    flag,     // true or false
    text,     // a string that is not empty
    targets,  // one of kTargetWords, or a list of names of nodes
  };
  std::string_view name;
  Kind kind = Kind::word;
  std::span<const std::string_view> words = {};
  double least = 0, most = 0;
  bool required = false;
};

// Words for nodes; which ones they are is settled at injection (targets.h).
inline constexpr std::string_view kTargetWords[]{"one",      "minority",  "majority", "minority-third",
                                                 "primaries", "all"};

// Those that several faults have. Every fault that hits nodes takes all three: resolve_targets().
inline constexpr Parameter kOrderParameter{.name = "order", .kind = Parameter::Kind::order};
inline constexpr Parameter kCountParameter{
    .name = "count", .kind = Parameter::Kind::whole, .least = 1, .most = 1000};
inline constexpr Parameter kTargetsParameter{.name = "targets", .kind = Parameter::Kind::targets};

// "shape: halves|one, size: 1 to 9", for `gameday list faults`.
std::string describe(std::span<const Parameter> known);

// An error names the parameter, what it must be, and what it is.
Status check_parameters(std::span<const Parameter> known, const Json& parameters,
                        const std::vector<std::string>& nodes);

}  // namespace gameday::nemesis
