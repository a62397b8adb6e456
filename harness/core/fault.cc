#include "harness/core/fault.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <span>

namespace gameday {
namespace {

constexpr double kLatest = 1e8;  // s, three years; keeps ns well inside 64 bits
constexpr std::int64_t kMost = 1'000'000'000'000;

std::string ordinal(std::int64_t n) {
  static constexpr std::string_view kEndings[]{"th", "st", "nd", "rd"};
  const bool teen = n / 10 % 10 == 1;
  return fmt::format("{}{}", n, teen || n % 10 > 3 ? "th" : kEndings[n % 10]);
}

Status check_keys(const Json& json, std::span<const std::string_view> known) {
  for (const auto& [key, value] : json.items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      return fail("there is no \"{}\"; there are {}", key, fmt::join(known, ", "));
  return {};
}

Result<double> read_seconds(const Json& json) {
  if (!json.is_number()) return fail("{} is no number of seconds", json.dump());
  const double seconds = json.get<double>();
  if (!(seconds >= 0 && seconds <= kLatest))
    return fail("{:g} s must be from 0 to {:g} s", seconds, kLatest);
  return seconds;
}

Result<std::int64_t> read_count(const Json& json, std::string_view key) {
  if (json.is_number_integer() && json >= 1 && json <= kMost) return json.get<std::int64_t>();
  return fail("\"{}\" must be a whole number from 1, not {}", key, json.dump());
}

Result<Moment> parse_event(const Json& json, Moment moment, bool end) {
  static constexpr std::string_view kKeys[]{"event", "nth", "node", "after"};
  if (auto known = check_keys(json, kKeys); !known) return tl::make_unexpected(known.error());
  moment.kind = Moment::Kind::event;
  const Json& event = json["event"];
  moment.event = event.is_string() ? event.get<std::string>() : event.dump();
  if (moment.event != kNewLeader && (moment.event != kFsync || end))
    return fail("there is no event \"{}\" to {} at; there is {}", moment.event, end ? "end" : "begin",
                end ? "new-leader" : "new-leader and fsync");
  if (json.contains("nth")) {
    auto count = read_count(json["nth"], "nth");
    if (!count) return tl::make_unexpected(count.error());
    moment.count = *count;
  }
  if (moment.event == kFsync) {
    moment.node = "leader";
    if (json.contains("node")) {
      if (!json["node"].is_string()) return fail("\"node\" must be a node's name or leader");
      moment.node = json["node"].get<std::string>();
    }
  } else if (json.contains("node")) {
    return fail("a new leader may be any node: leave out \"node\"");
  }
  return moment;
}

// end: of an `until`, which may be relative to its fault.
Result<Moment> parse_moment(const Json& json, bool end) {
  if (!json.is_object()) {
    auto seconds = read_seconds(json);
    if (!seconds)
      return fail("{}: a moment is a number of seconds, {{\"ops\": N}}, {{\"event\": ...}}{}",
                  seconds.error().message, end ? " or {\"after\": S}" : "");
    return Moment(*seconds);
  }
  Moment moment;
  if (json.contains("after")) {
    auto seconds = read_seconds(json["after"]);
    if (!seconds) return fail("\"after\": {}", seconds.error().message);
    moment.seconds = *seconds;
  }
  if (json.contains("event")) return parse_event(json, std::move(moment), end);
  static constexpr std::string_view kKeys[]{"ops", "after"};
  if (auto known = check_keys(json, kKeys); !known) return tl::make_unexpected(known.error());
  if (json.contains("ops")) {
    moment.kind = Moment::Kind::ops;
    auto count = read_count(json["ops"], "ops");
    if (!count) return tl::make_unexpected(count.error());
    moment.count = *count;
    return moment;
  }
  moment.kind = Moment::Kind::after;
  if (!end || !json.contains("after"))
    return fail("{} says no moment: it needs \"ops\" or \"event\"{}", json.dump(),
                end ? " or \"after\"" : "");
  return moment;
}

}  // namespace

Json to_json(const Moment& moment) {
  if (moment.kind == Moment::Kind::time) return moment.seconds;
  Json json = Json::object();
  if (moment.kind == Moment::Kind::ops) json["ops"] = moment.count;
  if (moment.kind == Moment::Kind::event) {
    json["event"] = moment.event;
    json["nth"] = moment.count;
    if (!moment.node.empty()) json["node"] = moment.node;
  }
  if (moment.kind == Moment::Kind::after || moment.seconds > 0) json["after"] = moment.seconds;
  return json;
}

std::string describe(const Moment& moment) {
  const std::string later = moment.seconds > 0 ? fmt::format("{:g} s after ", moment.seconds) : "";
  switch (moment.kind) {
    case Moment::Kind::time:
      return fmt::format("at {:g} s", moment.seconds);
    case Moment::Kind::after:
      return fmt::format("{:g} s after it came into force", moment.seconds);
    case Moment::Kind::ops:
      return fmt::format("{}{} client operations", later.empty() ? "after " : later, moment.count);
    case Moment::Kind::event:
      break;
  }
  const std::string which =
      moment.event == kFsync
          ? fmt::format("the {} fsync of {}", ordinal(moment.count),
                        moment.node == "leader" ? "the leader" : moment.node)
          : fmt::format("the {} new leader", ordinal(moment.count));
  return later.empty() ? "at " + which : later + which;
}

Json to_json(const PlannedFault& planned) {
  return {{"when", to_json(planned.when)},
          {"until", to_json(planned.until)},
          {"fault", planned.fault},
          {"parameters", planned.parameters}};
}

Result<PlannedFault> parse_planned_fault(const Json& json) {
  if (!json.is_object()) return fail("a planned fault must be an object, not {}", json.dump());
  static constexpr std::string_view kKeys[]{"when", "at", "until", "fault", "targets", "parameters"};
  if (auto known = check_keys(json, kKeys); !known) return tl::make_unexpected(known.error());
  PlannedFault planned;
  const auto fault = json.find("fault");
  if (fault == json.end() || !fault->is_string())
    return fail("a planned fault needs \"fault\": a name of `gameday list faults`");
  planned.fault = fault->get<std::string>();
  if (json.contains("when") && json.contains("at"))
    return fail("fault {}: \"at\" is another word for \"when\": leave out one of them", planned.fault);
  for (const auto& [key, into] : {std::pair{json.contains("at") ? "at" : "when", &planned.when},
                                  {"until", &planned.until}}) {
    if (!json.contains(key)) return fail("fault {}: \"{}\" is missing", planned.fault, key);
    auto moment = parse_moment(json[key], into == &planned.until);
    if (!moment) return fail("fault {}, \"{}\": {}", planned.fault, key, moment.error().message);
    *into = std::move(*moment);
  }
  if (planned.when.kind == Moment::Kind::time && planned.until.kind == Moment::Kind::time &&
      planned.until.seconds < planned.when.seconds)
    return fail("fault {}: it ends at {:g} s, before it begins at {:g} s", planned.fault,
                planned.until.seconds, planned.when.seconds);
  if (const auto parameters = json.find("parameters"); parameters != json.end())
    planned.parameters = *parameters;
  if (const auto targets = json.find("targets"); targets != json.end()) {
    if (!planned.parameters.is_object() || planned.parameters.contains("targets"))
      return fail("fault {}: \"targets\" stands beside \"parameters\" or in them, not in both",
                  planned.fault);
    planned.parameters["targets"] = *targets;
  }
  return planned;
}

}  // namespace gameday
