#include "nemesis/packages.h"

#include <algorithm>
#include <array>

#include "nemesis/crash_at_fsync.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using Parts = std::vector<PlannedFault>;

constexpr Parameter seconds_of(std::string_view name) {
  return {.name = name, .kind = Parameter::Kind::number, .least = 0.01, .most = 1e6};
}
constexpr Parameter kTimes{.name = "times", .kind = Parameter::Kind::whole, .least = 1, .most = 10'000};

// Hurts for `on_s`, leaves in peace for `off_s`, and again.
struct Beat {
  double on, off;
  double begin(std::size_t round) const { return static_cast<double>(round) * (on + off); }
};
Beat beat(const Json& parameters, double on, double off) {
  return {parameters.value("on_s", on), parameters.value("off_s", off)};
}
constexpr Parameter kOn = seconds_of("on_s"), kOff = seconds_of("off_s");

void add(Parts& parts, const Beat& beat, std::string_view fault, Json parameters) {
  PlannedFault part{beat.begin(parts.size()), {}, std::string(fault), std::move(parameters)};
  part.until.kind = Moment::Kind::after;
  part.until.seconds = beat.on;
  parts.push_back(std::move(part));
}

Json draw_node_order(Rng& rng, const std::vector<std::string>& nodes) {
  auto order = nodes;
  rng.shuffle(order);
  return {{"order", order}};
}

Json draw_nothing(Rng&, const std::vector<std::string>&) { return Json::object(); }

Parts rolling_restart(const Json& parameters, const std::vector<std::string>& nodes) {
  const auto order = resolve_order(parameters, "", nodes);
  Parts parts;
  for (int round = 0; round < parameters.value("times", 1); ++round)
    for (const auto& node : order.value_or(nodes))
      add(parts, beat(parameters, 0.5, 0.8), "kill", {{"style", "down"}, {"targets", Json::array({node})}});
  return parts;
}
constexpr Parameter kRollingRestart[]{kOrderParameter, kOn, kOff, kTimes};

Parts restart_storm(const Json& parameters, const std::vector<std::string>&) {
  Parts parts;
  Json kill = {{"style", "down"}, {"targets", parameters.value("targets", Json("all"))}};
  if (parameters.contains("order")) kill["order"] = parameters["order"];
  for (int i = 0; i < parameters.value("times", 6); ++i) add(parts, beat(parameters, 0.2, 0.5), "kill", kill);
  return parts;
}
Json draw_storm(Rng& rng, const std::vector<std::string>& nodes) {
  Json parameters = draw_node_order(rng, nodes);
  parameters["targets"] = rng.chance(0.5) ? "all" : "majority";
  return parameters;
}
constexpr Parameter kRestartStorm[]{kOrderParameter, kTargetsParameter, kOn, kOff, kTimes};

// Who leads is settled at each injection: the next is whoever was elected meanwhile.
Parts isolate_each_leader(const Json& parameters, const std::vector<std::string>&) {
  Parts parts;
  for (int i = 0; i < parameters.value("times", 4); ++i)
    add(parts, beat(parameters, 1.2, 0.5), "partition", {{"shape", "one"}, {"order", {kLeader}}});
  return parts;
}
constexpr Parameter kIsolateEachLeader[]{kOn, kOff, kTimes};

Parts flapping_link(const Json& parameters, const std::vector<std::string>&) {
  Parts parts;
  Json cut = {{"shape", "one"}, {"order", parameters.value("order", Json::array({kLeader}))}};
  for (int i = 0; i < parameters.value("times", 10); ++i)
    add(parts, beat(parameters, 0.25, 0.25), "partition", cut);
  return parts;
}
Json draw_link(Rng& rng, const std::vector<std::string>& nodes) {
  return {{"order", draw_order(rng, nodes)}};
}
constexpr Parameter kFlappingLink[]{kOrderParameter, kOn, kOff, kTimes};

// One fault, which kills again and again.
Parts crash_at_fsync(const Json& parameters, const std::vector<std::string>&) {
  Json kill = {{"style", "at-fsync"}, {"order", Json::array({kLeader})}};
  kill.update(parameters);
  Parts parts;
  add(parts, {1e8, 0}, "kill", std::move(kill));
  return parts;
}
Json draw_crash(Rng& rng, const std::vector<std::string>& nodes) {
  return {{"order", draw_order(rng, nodes)},
          {"every", rng.between(5, 60)},
          {"moment", rng.chance(0.5) ? "before" : "after"}};
}
constexpr Parameter kCrashAtFsync[]{kOrderParameter, kCountParameter, kTargetsParameter, kEveryParameter,
                                    kMomentParameter};

constexpr std::array kComposites{
    Composite{"rolling-restart", "kill -9 and restart one node after the other", "kill", 4.5, draw_node_order,
              kRollingRestart, rolling_restart},
    Composite{"restart-storm", "kill -9 and restart many nodes at once, again and again", "kill", 4.5,
              draw_storm, kRestartStorm, restart_storm},
    Composite{"isolate-each-leader", "cut whoever leads from all others, then whoever leads next",
              "partition", 6.5, draw_nothing, kIsolateEachLeader, isolate_each_leader},
    Composite{"flapping-link", "cut one node's link and restore it, several times a second", "partition",
              4.5, draw_link, kFlappingLink, flapping_link},
    Composite{"crash-at-fsync", "kill -9 nodes at every n-th fsync, before or after it, and restart them",
              "kill", 4.5, draw_crash, kCrashAtFsync, crash_at_fsync},
};

// Seconds from its beginning to its end.
Result<double> length_of(const PlannedFault& planned) {
  const Moment &when = planned.when, &until = planned.until;
  if (until.kind == Moment::Kind::after) return until.seconds;
  if (until.kind == Moment::Kind::time && when.kind == Moment::Kind::time)
    return until.seconds - when.seconds;
  return fail("{} is made of several faults: \"until\" must be {{\"after\": S}}{}", planned.fault,
              when.kind == Moment::Kind::time ? " or a number of seconds" : "");
}

}  // namespace

std::span<const Composite> composites() { return kComposites; }

const Composite* find_composite(std::string_view name) {
  for (const auto& composite : kComposites)
    if (composite.name == name) return &composite;
  return nullptr;
}

Result<std::vector<PlannedFault>> expand(const PlannedFault& planned, const std::vector<std::string>& nodes) {
  const Composite* composite = find_composite(planned.fault);
  if (composite == nullptr) return std::vector{planned};
  if (auto valid = check_parameters(composite->parameters, planned.parameters, nodes); !valid)
    return fail("{}: {}", planned.fault, valid.error().message);
  const auto length = length_of(planned);
  if (!length) return tl::make_unexpected(length.error());
  std::vector<PlannedFault> result;
  for (auto part : composite->parts(planned.parameters, nodes)) {
    const double offset = part.when.seconds;
    if (offset >= *length) break;
    part.until.seconds = std::min(part.until.seconds, *length - offset);
    part.when = planned.when;
    part.when.seconds += offset;
    result.push_back(std::move(part));
  }
  return result;
}

}  // namespace gameday::nemesis
