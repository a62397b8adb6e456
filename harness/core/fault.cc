#include "harness/core/fault.h"

namespace gameday {

Json to_json(const PlannedFault& planned) {
  return {{"at", planned.at},
          {"until", planned.until},
          {"fault", planned.fault},
          {"parameters", planned.parameters}};
}

Result<PlannedFault> parse_planned_fault(const Json& json) {
  if (!json.is_object()) return fail("a planned fault must be an object, not {}", json.dump());
  PlannedFault planned;
  for (const auto& [key, into] : {std::pair{"at", &planned.at}, {"until", &planned.until}}) {
    const auto found = json.find(key);
    if (found == json.end() || !found->is_number())
      return fail("a planned fault needs \"{}\": a number of seconds", key);
    *into = found->get<double>();
  }
  const auto fault = json.find("fault");
  if (fault == json.end() || !fault->is_string())
    return fail("a planned fault needs \"fault\": a name of `gameday list faults`");
  planned.fault = fault->get<std::string>();
  if (planned.at < 0) return fail("fault {}: \"at\" {} is before the run", planned.fault, planned.at);
  if (planned.until < planned.at)
    return fail("fault {}: \"until\" {} must not be before \"at\" {}", planned.fault,
                planned.until, planned.at);
  if (const auto parameters = json.find("parameters"); parameters != json.end())
    planned.parameters = *parameters;
  return planned;
}

}  // namespace gameday
