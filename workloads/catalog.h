// The workloads of this project, by name. A new one is one file and one line in catalog.cc.
#pragma once

#include <span>
#include <string_view>

#include "harness/core/workload.h"

namespace gameday::workloads {

extern const Workload kRegister, kAppend, kSet, kAvailability, kAll;
extern const Workload kListAppend, kRwRegister, kCounter, kQueue, kLockSet, kBank, kSession;

std::span<const Workload* const> catalog();
const Workload* find(std::string_view name);  // nullptr: no such workload

}  // namespace gameday::workloads
