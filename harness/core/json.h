// The JSON type of the project. Objects keep the order in which keys were inserted, so that files
// read the way they were written.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace gameday {

using Json = nlohmann::ordered_json;

// Parses one document that somebody else may have written. Discarded (is_discarded()) when it is not
// JSON or nests deeper than 200: the library copies and prints recursively, and a stack is finite.
Json parse_json(std::string_view text);

}  // namespace gameday
