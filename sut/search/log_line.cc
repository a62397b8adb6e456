#include "sut/search/log_line.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

namespace gameday::search {

void write_log_line(std::string_view text) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  const std::time_t seconds = micros / 1'000'000;
  const std::string line = fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z {}\n", fmt::gmtime(seconds),
                                       micros % 1'000'000, text);
  // A closed stderr is no reason to stop.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace gameday::search
