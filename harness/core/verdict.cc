#include "harness/core/verdict.h"

namespace gameday {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::valid: return "VALID";
    case Verdict::unknown: return "UNKNOWN";
    case Verdict::invalid: return "INVALID";
  }
  return "UNKNOWN";
}

std::optional<Verdict> parse_verdict(std::string_view text) {
  for (Verdict v : {Verdict::valid, Verdict::unknown, Verdict::invalid})
    if (text == to_string(v)) return v;
  return std::nullopt;
}

int exit_code_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::valid: return exit_code::valid;
    case Verdict::invalid: return exit_code::invalid;
    case Verdict::unknown: return exit_code::unknown;
  }
  return exit_code::tool_failed;
}

}  // namespace gameday
