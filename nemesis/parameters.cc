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

// What a value must be, in words.
std::string wanted(const Parameter& parameter) {
  switch (parameter.kind) {
    case Parameter::Kind::word:
      return fmt::format("{}", fmt::join(parameter.words, " | "));
    case Parameter::Kind::whole:
      return fmt::format("a whole number of {} to {}", parameter.least, parameter.most);
    case Parameter::Kind::numbers:
      return fmt::format("a list of numbers of {} to {}", parameter.least, parameter.most);
    case Parameter::Kind::order:
      return fmt::format("a list of nodes, \"{}\" and \"{}\", each once", kLeader, kFollower);
    case Parameter::Kind::number:
      return fmt::format("a number of {} to {}", parameter.least, parameter.most);
    case Parameter::Kind::flag:
      return "true | false";
    case Parameter::Kind::text:
      return "a text";
    case Parameter::Kind::targets:
      return fmt::format("{}, or a list of nodes, each once", fmt::join(kTargetWords, " | "));
  }
  return {};
}

bool are_nodes(const Json& value, const std::vector<std::string>& nodes) {
  return value.is_array() && std::all_of(value.begin(), value.end(), [&](const Json& name) {
           return std::find(nodes.begin(), nodes.end(), name) != nodes.end() &&
                  std::count(value.begin(), value.end(), name) == 1;
         });
}

bool fits(const Parameter& parameter, const Json& value, const std::vector<std::string>& nodes) {
  switch (parameter.kind) {
    case Parameter::Kind::word:
      return std::any_of(parameter.words.begin(), parameter.words.end(),
                         [&](auto word) { return value == word; });
    case Parameter::Kind::whole:
      return value.is_number_integer() && within(value, parameter);
    case Parameter::Kind::numbers:
      return value.is_array() && !value.empty() &&
             std::all_of(value.begin(), value.end(),
                         [&](const Json& number) { return within(number, parameter); });
    case Parameter::Kind::order:
      return value.is_array() && std::all_of(value.begin(), value.end(), [&](const Json& name) {
               return (name == kLeader || name == kFollower ||
                       std::find(nodes.begin(), nodes.end(), name) != nodes.end()) &&
                      std::count(value.begin(), value.end(), name) == 1;
             });
    case Parameter::Kind::number:
      return within(value, parameter);
    case Parameter::Kind::flag:
      return value.is_boolean();
    case Parameter::Kind::text:
      return value.is_string() && !value.get_ref<const std::string&>().empty();
    case Parameter::Kind::targets:
      return (are_nodes(value, nodes) && !value.empty()) ||
             std::any_of(std::begin(kTargetWords), std::end(kTargetWords),
                         [&](auto word) { return value == word; });
  }
  return false;
}

}  // namespace

std::string describe(std::span<const Parameter> known) {
  std::string result;
  for (const Parameter& parameter : known)
    result +=
        fmt::format("{}{}: {}", result.empty() ? "" : "; ", parameter.name, wanted(parameter));
  return result;
}

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
      return fail("there is no parameter \"{}\"; there are {}{}", name, fmt::join(names, ", "),
                  name == "targets" ? "; this fault does not choose nodes by \"targets\"" : "");
    }
    if (!fits(*found, value, nodes))
      return fail("\"{}\" must be {}, not {}{}", name, wanted(*found), value.dump(),
                  found->kind == Parameter::Kind::order || found->kind == Parameter::Kind::targets
                      ? fmt::format("; the nodes are {}", fmt::join(nodes, ", "))
                      : "");
  }
  for (const Parameter& parameter : known)
    if (parameter.required && !parameters.contains(parameter.name))
      return fail("\"{}\" is missing", parameter.name);
  return {};
}

}  // namespace gameday::nemesis
