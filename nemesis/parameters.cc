#include "nemesis/parameters.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

bool within(const Json& value, const Parameter& parameter) {
  if (!value.is_number()) return false;
  const auto number = value.get<double>();
  return number >= parameter.least && number <= parameter.most;
}

Status check_order(const Json& order, const std::vector<std::string>& nodes) {
  if (!order.is_array()) return fail("\"order\" must be a list of nodes, not {}", order.dump());
  for (const auto& name : order) {
    const bool known =
        name == kLeader || std::find(nodes.begin(), nodes.end(), name) != nodes.end();
    if (!known)
      return fail("\"order\" names {}, which is no node; there are {} and \"{}\"", name.dump(),
                  fmt::join(nodes, ", "), kLeader);
  }
  return {};
}

Status check_one(const Parameter& parameter, const Json& value,
                 const std::vector<std::string>& nodes) {
  switch (parameter.kind) {
    case Parameter::Kind::word:
      if (std::any_of(parameter.words.begin(), parameter.words.end(),
                      [&](auto word) { return value == word; }))
        return {};
      return fail("\"{}\" must be one of {}, not {}", parameter.name,
                  fmt::join(parameter.words, ", "), value.dump());
    case Parameter::Kind::whole:
      if (value.is_number_integer() && within(value, parameter)) return {};
      return fail("\"{}\" must be a whole number of {} to {}, not {}", parameter.name,
                  parameter.least, parameter.most, value.dump());
    case Parameter::Kind::numbers:
      if (value.is_array() && !value.empty() &&
          std::all_of(value.begin(), value.end(), [&](auto& v) { return within(v, parameter); }))
        return {};
      return fail("\"{}\" must be a list of numbers of {} to {}, not {}", parameter.name,
                  parameter.least, parameter.most, value.dump());
    case Parameter::Kind::order:
      return check_order(value, nodes);
  }
  return {};
}

}  // namespace

Status check_parameters(std::span<const Parameter> known, const Json& parameters,
                        const std::vector<std::string>& nodes) {
  if (!parameters.is_object()) return fail("\"parameters\" must be an object");
  for (const auto& [name, value] : parameters.items()) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&name = name](auto& p) { return p.name == name; });
    if (found == known.end()) {
      std::vector<std::string_view> names;
      std::transform(known.begin(), known.end(), std::back_inserter(names),
                     [](const Parameter& p) { return p.name; });
      return fail("there is no parameter \"{}\"; there are {}", name, fmt::join(names, ", "));
    }
    if (auto status = check_one(*found, value, nodes); !status) return status;
  }
  for (const Parameter& parameter : known)
    if (parameter.required && !parameters.contains(parameter.name))
      return fail("\"{}\" is missing", parameter.name);
  return {};
}

}  // namespace gameday::nemesis
