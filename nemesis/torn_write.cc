// Torn writes: a power loss at which some of the sectors that were written but not synced have reached
// the disk, in no order, and the last write only up to its middle. By seed.
#include "nemesis/power_loss.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace torn_write_fault {
namespace {

constexpr unsigned kSector = 512;

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  Json parameters = plan_power_loss(rng, nodes);
  parameters["seed"] = rng.below(1'000'000'000);
  if (rng.chance(0.3)) parameters["sector"] = 4096;
  return parameters;
}

std::string describe(const Json& parameters) {
  return fmt::format(
      "cut the power of {} while it writes, any of its unsynced sectors of {} bytes survive (seed {}); {}",
      describe_targets(parameters), parameters.value("sector", kSector),
      parameters.value("seed", std::uint64_t{0}), describe_power_back(parameters));
}

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  return inject_power_loss(context, parameters,
                           lab::Tear{.seed = parameters.value("seed", std::uint64_t{0}),
                                     .sector = parameters.value("sector", kSector)});
}

constexpr Parameter kParameters[]{
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    kDownParameter,
    {.name = "seed", .kind = Parameter::Kind::whole, .least = 0, .most = 9e15},
    // 512 or 4096; checked where a disk is torn.
    {.name = "sector", .kind = Parameter::Kind::whole, .least = 512, .most = 4096}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kTornWrite, context, inject);
}

}  // namespace
}  // namespace torn_write_fault

constinit const Entry kTornWrite{
    .name = "torn-write",
    .summary = "nodes lose power while they write: some unsynced sectors survive, the last write is torn",
    .plan = torn_write_fault::plan,
    .describe = torn_write_fault::describe,
    .parameters = torn_write_fault::kParameters,
    .make = torn_write_fault::make,
    .needs = {.torn_disks = true},
    .available = lab::torn_disks_available,
    .family = "disk"};

}  // namespace gameday::nemesis
