#include "sut/catalog.h"

#include <vector>

namespace gameday::sut {

#define GAMEDAY_SYSTEM(name) const SystemKind& name##_system();
#include "sut/systems.inc"
#undef GAMEDAY_SYSTEM

namespace {

std::vector<const SystemKind*>& kinds() {
  static std::vector<const SystemKind*> kKinds{
#define GAMEDAY_SYSTEM(name) &name##_system(),
#include "sut/systems.inc"
#undef GAMEDAY_SYSTEM
  };
  return kKinds;
}

}  // namespace

std::span<const SystemKind* const> catalog() { return kinds(); }

const SystemKind* find(std::string_view name) {
  for (const SystemKind* kind : catalog())
    if (kind->name == name) return kind;
  return nullptr;
}

Status add(std::span<const SystemKind> own) {
  for (const SystemKind& kind : own) {
    if (kind.name.empty() || kind.workloads.empty() || kind.make == nullptr)
      return fail("a system of this program lacks its name, its workloads or how to make it: \"{}\"",
                  kind.name);
    if (find(kind.name) != nullptr) return fail("there are two systems \"{}\"", kind.name);
    kinds().push_back(&kind);
  }
  return {};
}

}  // namespace gameday::sut
