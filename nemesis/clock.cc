// Clocks that are wrong, in all ways that clocks of machines have been seen to be.
#include <cmath>

#include "nemesis/active_clock.h"
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace clock_fault {
namespace {

using std::chrono::milliseconds;

// Log-uniform between two sizes.
double draw_size(Rng& rng, double least, double most) {
  return least * std::pow(most / least, rng.unit());
}

Json draw_list(std::size_t count, const std::function<double()>& draw) {
  Json list = Json::array();
  for (std::size_t i = 0; i < count; ++i) list.push_back(std::llround(draw()));
  return list;
}

std::string draw_style(Rng& rng) {
  const double x = rng.unit();
  return x < 0.45   ? "bump"
         : x < 0.6  ? "strobe"
         : x < 0.75 ? "drift"
         : x < 0.84 ? "freeze"
         : x < 0.92 ? "jump"
                    : "suspend";
}

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 50, .minority = 15, .majority = 20, .all = 15});
  const std::string style = draw_style(rng);
  Json parameters = {{"style", style}, {"order", draw_order(rng, nodes)}, {"count", count}};
  const auto signed_ms = [&] { return draw_size(rng, 100, 60'000) * (rng.chance(0.5) ? 1 : -1); };
  if (style == "bump" || style == "strobe") parameters["offsets_ms"] = draw_list(count, signed_ms);
  if (style == "strobe") parameters["period_ms"] = rng.between(20, 500);
  // What shows within seconds: from 2 % to twice as fast or half as fast.
  if (style == "drift")
    parameters["rates_ppm"] = draw_list(count, [&] {
      return rng.chance(0.5) ? draw_size(rng, 2e4, 1e6) : -draw_size(rng, 2e4, 5e5);
    });
  if (style == "jump" || style == "suspend")
    parameters["jumps_ms"] = draw_list(count, [&] { return draw_size(rng, 200, 600'000); });
  if (style == "suspend") parameters["hold_ms"] = rng.between(50, 1000);
  return parameters;
}

// The skews of a style, one for each number of its list.
ClockPlan plan_of(const Json& parameters) {
  ClockPlan plan;
  plan.style = parameters.value("style", "bump");
  const auto numbers = [&](const char* name, double otherwise) {
    return parameters.contains(name) ? parameters.at(name).get<std::vector<double>>()
                                     : std::vector<double>{otherwise};
  };
  const auto duration = [](double ms) { return milliseconds(std::llround(ms)); };
  if (plan.style == "bump" || plan.style == "strobe")
    for (const double offset : numbers("offsets_ms", 60'000)) {
      lab::ClockSkew skew(duration(offset));
      if (plan.style == "strobe") skew.period = milliseconds(parameters.value("period_ms", 100));
      plan.skews.push_back(skew);
    }
  if (plan.style == "drift")
    for (const double rate : numbers("rates_ppm", 100'000)) {
      lab::ClockSkew skew;
      skew.rate = rate / 1e6;
      plan.skews.push_back(skew);
    }
  if (plan.style == "jump" || plan.style == "suspend")
    for (const double jump : numbers("jumps_ms", 60'000)) {
      lab::ClockSkew skew;
      skew.monotonic = duration(jump);
      if (plan.style == "suspend") skew.offset = duration(jump);
      plan.skews.push_back(skew);
    }
  if (plan.style == "freeze") {
    lab::ClockSkew skew;
    skew.still = true;
    plan.skews.push_back(skew);
  }
  if (plan.style == "suspend") plan.hold = milliseconds(parameters.value("hold_ms", 200));
  return plan;
}

std::string describe(const Json& parameters) {
  const ClockPlan plan = plan_of(parameters);
  std::string skews;
  for (const auto& skew : plan.skews)
    skews += (skews.empty() ? "" : ", ") + nemesis::describe(skew);
  const std::string targets = describe_targets(parameters);
  if (plan.style == "suspend")
    return fmt::format("suspend {} for {} ms and wake up with the clock {}", targets,
                       plan.hold.count(), skews);
  return fmt::format("clock of {}: {}", targets, skews);
}

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return begun(std::make_unique<ActiveClock>(context, plan_of(parameters)), *targets);
}

constexpr std::string_view kStyles[]{"bump", "strobe", "drift", "freeze", "jump", "suspend"};
// Lists have a number for each node hit, and are repeated where there are fewer.
constexpr Parameter kParameters[]{
    {.name = "style", .words = kStyles},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    // Of bump and strobe; a century at most.
    {.name = "offsets_ms", .kind = Parameter::Kind::numbers, .least = -3.2e12, .most = 3.2e12},
    {.name = "period_ms", .kind = Parameter::Kind::whole, .least = 1, .most = 1e6},
    // Of drift: what the clock gains in a million; not so slow that it stops.
    {.name = "rates_ppm", .kind = Parameter::Kind::numbers, .least = -999'999, .most = 1e8},
    // Of jump and suspend: how far the monotonic clock leaps; of suspend also for how long it
    // stops.
    {.name = "jumps_ms", .kind = Parameter::Kind::numbers, .least = 1, .most = 3.2e12},
    {.name = "hold_ms", .kind = Parameter::Kind::whole, .least = 1, .most = 1e6}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kClock, context, inject);
}

Status available() {
  const Status page = lab::clocks_available();
  if (page || !lab::find_libfaketime().empty()) return {};
  return fail("{}; or install libfaketime, which can do a part of it", page.error().message);
}

}  // namespace
}  // namespace clock_fault

constinit const Entry kClock{
    .name = "clock",
    .summary =
        "clocks that are set wrong, strobe, drift, stand still, leap, or wake up from a suspend",
    .plan = clock_fault::plan,
    .describe = clock_fault::describe,
    .parameters = clock_fault::kParameters,
    .make = clock_fault::make,
    .needs = {.clocks = true},
    .available = clock_fault::available,
    .family = "clock"};

}  // namespace gameday::nemesis
