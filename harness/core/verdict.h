// Three verdicts. INVALID beats UNKNOWN beats VALID when they are merged, as in Jepsen's
// check-safe: a checker that could not finish never makes a run look good.
#pragma once

#include <algorithm>
#include <optional>
#include <string_view>

namespace gameday {

enum class Verdict { valid = 0, unknown = 1, invalid = 2 };

constexpr Verdict merge(Verdict a, Verdict b) { return std::max(a, b); }

std::string_view to_string(Verdict verdict);  // "VALID", "UNKNOWN", "INVALID"
std::optional<Verdict> parse_verdict(std::string_view text);

// Exit codes of the command line, a contract with CI.
namespace exit_code {
inline constexpr int valid = 0;
inline constexpr int invalid = 1;
inline constexpr int unknown = 2;
inline constexpr int bad_arguments = 254;
inline constexpr int tool_failed = 255;
}  // namespace exit_code

int exit_code_of(Verdict verdict);

}  // namespace gameday
