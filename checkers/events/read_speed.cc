// How fast a history is read: read_speed FILE [THREADS].
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "checkers/events/read.h"

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: read_speed FILE [THREADS]\n");
    return 254;
  }
  gameday::ReadOptions options;
  if (argc > 2) options.threads = static_cast<unsigned>(std::atoi(argv[2]));
  const auto begin = std::chrono::steady_clock::now();
  const auto events = gameday::read_events(argv[1], options);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  if (!events) {
    std::fprintf(stderr, "%s\n", events.error().message.c_str());
    return 254;
  }
  std::error_code unknown;
  const auto size = std::filesystem::file_size(argv[1], unknown);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print("{} rows, {} calls: {:.1f} ms, {:.0f} MB/s, {} MB resident, {} MB in columns\n", events->size(),
             events->pairs().size(), seconds.count() * 1e3,
             unknown ? 0 : static_cast<double>(size) / 1e6 / seconds.count(), usage.ru_maxrss / 1024,
             events->bytes() >> 20);
  return 0;
}
