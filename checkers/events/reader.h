// Reads an input block by block, several blocks at a time. Private to the readers and their tests.
#pragma once

#include <string>

#include "checkers/events/input.h"
#include "checkers/events/read.h"

namespace gameday::reading {

struct Sizes {
  std::size_t block = std::size_t{1} << 20;     // bytes that a thread takes at a time
  std::size_t parallel = std::size_t{1} << 20;  // a smaller input is not worth a thread
};

Result<Events> read_all(Input& input, std::string name, const ReadOptions& options, const Sizes& sizes);

}  // namespace gameday::reading
