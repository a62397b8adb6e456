// Log lines of searchd: wall time (UTC, with microseconds), then the text, to stderr, in one write.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace gameday::search {

void write_log_line(std::string_view text);

template <typename... Args>
void log_line(fmt::format_string<Args...> format, Args&&... args) {
  write_log_line(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace gameday::search
