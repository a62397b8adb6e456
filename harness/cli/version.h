#pragma once

#include <string_view>

namespace gameday::cli {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace gameday::cli
