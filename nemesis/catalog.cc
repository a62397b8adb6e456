#include "nemesis/catalog.h"

#include <array>

#include "nemesis/entries.h"

namespace gameday::nemesis {

std::span<const Entry> catalog() {
  static const std::array entries{kPartition, kKill, kPause, kClock};
  return entries;
}

const Entry* find(std::string_view name) {
  for (const auto& entry : catalog())
    if (entry.name == name) return &entry;
  return nullptr;
}

}  // namespace gameday::nemesis
