// The property that the fuzzer and the tests check of the readers.
#pragma once

#include <string>

#include "checkers/events/reader.h"

namespace gameday::reading {

// All that is known of the rows.
std::string dump(const Events& events);
// The same of a text, or the error.
std::string read_dump(std::string_view text, Format format, unsigned threads, const Sizes& sizes);

}  // namespace gameday::reading

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);
