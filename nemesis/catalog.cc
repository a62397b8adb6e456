#include "nemesis/catalog.h"

#include <array>

#include "nemesis/entries.h"

namespace gameday::nemesis {

std::span<const Entry> catalog() {
  static const std::array entries{kPartition, kPacket,    kKill,           kPause,   kFreeze,   kGrey, kClock,
                                  kPowerLoss, kTornWrite, kFileCorruption, kIoError, kDiskFull, kResources,
                                  kMembership};
  return entries;
}

const Entry* find(std::string_view name) {
  for (const auto& entry : catalog())
    if (entry.name == name) return &entry;
  return nullptr;
}

lab::Preparation needs_of(const Entry& entry, const Json& parameters) {
  lab::Preparation needs = entry.needs;
  if (entry.needs_of != nullptr) needs |= entry.needs_of(parameters);
  return needs;
}

Status available(const Entry& entry) {
  if (entry.available == nullptr) return {};
  return entry.available();
}

}  // namespace gameday::nemesis
