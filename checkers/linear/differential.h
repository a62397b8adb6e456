// Small random histories of a model, judged through the front door and by trying every order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gameday::linear {

// "" or the first history about which the two disagree, in words.
std::string differential(std::string_view model, std::uint64_t seed, std::size_t histories);

}  // namespace gameday::linear
