#pragma once

#include <string_view>

namespace gameday::cli {

inline constexpr std::string_view kVersion = "0.1.0";  // CMakeLists.txt reads it here
inline constexpr std::string_view kReleased = "2026-11-26";

}  // namespace gameday::cli
