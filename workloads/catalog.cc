#include "workloads/catalog.h"

#include <array>

namespace gameday::workloads {

std::span<const Workload* const> catalog() {
  static constexpr std::array kCatalog{&kAll,        &kRegister,   &kAppend,  &kSet,   &kAvailability,
                                       &kListAppend, &kRwRegister, &kCounter, &kQueue,
                                       &kLockSet,    &kBank,       &kSession};
  return kCatalog;
}

const Workload* find(std::string_view name) {
  for (const Workload* w : catalog())
    if (w->name == name) return w;
  return nullptr;
}

}  // namespace gameday::workloads
