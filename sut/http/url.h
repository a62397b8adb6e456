// The parts of RFC 3986 that a JSON API needs: percent-decoding, path segments, query parameters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gameday::http {

// nullopt for a malformed escape. '+' stands for itself, as in a path.
std::optional<std::string> percent_decode(std::string_view text);

// Everything but the unreserved characters escaped, so that the result is one path segment or one
// query value.
std::string percent_encode(std::string_view text);

// "/1/indexes/a%2Fb" -> {"1", "indexes", "a/b"}: split first, decoded afterwards. nullopt for a
// malformed escape or an empty segment.
std::optional<std::vector<std::string>> path_segments(std::string_view path);

// The decoded value of a parameter in "a=1&b=2" ('+' is a blank here); nullopt when it is missing
// or malformed.
std::optional<std::string> query_parameter(std::string_view query, std::string_view name);

}  // namespace gameday::http
