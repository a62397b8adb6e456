// The decisions against their definition: every linearization of tiny random histories.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::linear {

// "register", "fifo-queue" and so on, as decide_*() are called.
const std::vector<std::string_view>& differential_objects();

// The first of `histories` random histories that a decision and the definition disagree about, in
// words; or whose conflict is no conflict; or that in a thousand histories or more no decision
// applied. Empty if there is none.
std::string differential_decide(std::string_view object, std::uint64_t seed, std::size_t histories);

}  // namespace gameday::linear
