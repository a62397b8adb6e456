// How deeply a JSON text nests, found before it is parsed: the library copies, prints and destroys
// recursively, and a stack is finite.
#pragma once

#include <string_view>

namespace gameday {

// True as soon as more than `limit` arrays and objects are open at once. Text that is not JSON gets
// some answer; the parser refuses it anyway.
bool nests_deeper(std::string_view json, int limit);

}  // namespace gameday
