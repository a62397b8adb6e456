// The systems that gameday can test, by name. A new one is a folder here and a line in
// CMakeLists.txt.
#pragma once

#include <span>
#include <string_view>

#include "harness/core/system.h"

namespace gameday::sut {

std::span<const SystemKind* const> catalog();
const SystemKind* find(std::string_view name);  // nullptr: no such system

// Systems of the program that uses this library, beside the others. Before anything else asks.
Status add(std::span<const SystemKind> own);

}  // namespace gameday::sut
