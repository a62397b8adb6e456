#include "sut/custom/answers.h"

#include <algorithm>

namespace gameday::custom {
namespace {

bool integer(const Json& value) { return value.is_number_integer(); }
bool integer_or_null(const Json& value) { return value.is_null() || integer(value); }
bool integers(const Json& value) {
  return value.is_array() && std::ranges::all_of(value, [](auto& v) { return integer(v); });
}

// A transaction's operations, with what was read.
bool performed(const Json& asked, const Json& answered, bool lists) {
  if (!answered.is_array() || answered.size() != asked.size()) return false;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const Json &was = asked[i], &is = answered[i];
    if (!is.is_array() || is.size() != 3 || is[0] != was[0] || is[1] != was[1]) return false;
    const bool read = was[0] == "r";
    if (!read && is[2] != was[2]) return false;
    if (read && !(lists ? is[2].is_null() || integers(is[2]) : integer_or_null(is[2])))
      return false;
  }
  return true;
}

}  // namespace

std::optional<std::string> misfit(std::string_view workload, std::string_view f, const Json& asked,
                                  const Json& answered) {
  const auto unless = [](bool fits, const char* what) {
    return fits ? std::nullopt : std::optional<std::string>(what);
  };
  if (f == "txn")
    return unless(performed(asked, answered, workload == "list-append"),
                  "the same operations, with what was read");
  if (f == "read" && asked.is_array())
    return unless(answered.is_array() && answered.size() == 2 && answered[0] == asked[0] &&
                      integer_or_null(answered[1]),
                  "[the same key, an integer or null]");
  if (f == "read" && workload == "counter") return unless(integer(answered), "an integer");
  if (f == "read" && workload == "bank")
    return unless(
        answered.is_object() &&
            std::ranges::all_of(answered.items(), [](const auto& a) { return integer(a.value()); }),
        "an object of accounts and integers");
  if (f == "read" || f == "drain") return unless(integers(answered), "a list of integers");
  if (f == "dequeue") return unless(integer(answered), "the element, an integer");
  return unless(answered.is_null() || answered == asked, "null, or what was asked");
}

}  // namespace gameday::custom
