// Power loss and torn writes: the same fault but for what it does to the writes that were under way.
#pragma once

#include <optional>

#include "nemesis/entries.h"

namespace gameday::nemesis {

Json plan_power_loss(Rng& rng, const std::vector<std::string>& nodes);
std::string describe_power_back(const Json& parameters);  // "power back after 300 ms"
Result<std::unique_ptr<ActiveFault>> inject_power_loss(const NemesisContext& context,
                                                       const Json& parameters,
                                                       const std::optional<lab::Tear>& tear);

// How long the power stays off; without it until the fault heals.
inline constexpr Parameter kDownParameter{
    .name = "down_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6};

}  // namespace gameday::nemesis
