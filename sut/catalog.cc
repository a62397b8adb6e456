#include "sut/catalog.h"

#include <array>

namespace gameday::sut {

#define GAMEDAY_SYSTEM(name) const SystemKind& name##_system();
#include "sut/systems.inc"
#undef GAMEDAY_SYSTEM

std::span<const SystemKind* const> catalog() {
  static const std::array kCatalog{
#define GAMEDAY_SYSTEM(name) &name##_system(),
#include "sut/systems.inc"
#undef GAMEDAY_SYSTEM
  };
  return kCatalog;
}

const SystemKind* find(std::string_view name) {
  for (const SystemKind* kind : catalog())
    if (kind->name == name) return kind;
  return nullptr;
}

}  // namespace gameday::sut
