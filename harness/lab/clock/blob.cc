// Freestanding and position-independent (see CMakeLists.txt for its flags): no call leaves the
// section, no data is outside it.
#include "harness/lab/clock/blob.h"

#include <sys/time.h>
#include <time.h>

#include "harness/lab/clock/page.h"

// The section's first bytes are the header; a section of code, so data has to come by way of `asm`.
asm(".pushsection gameday_clock,\"ax\",@progbits\n"
    ".balign 64\n"
    ".globl gameday_clock_header\n"
    ".hidden gameday_clock_header\n"
    "gameday_clock_header: .skip 64, 0\n"
    ".popsection\n");

namespace gameday::lab::clock {
namespace {

#define BLOB __attribute__((section("gameday_clock"), used, noinline))

extern "C" {
extern const BlobHeader gameday_clock_header __attribute__((visibility("hidden")));
extern const std::byte __start_gameday_clock[] __attribute__((visibility("hidden")));
extern const std::byte __stop_gameday_clock[] __attribute__((visibility("hidden")));
}

__attribute__((always_inline)) inline const volatile BlobHeader& header() {
  return gameday_clock_header;
}

// What the clock shows, from the vDSO's own answer.
__attribute__((always_inline)) inline int ask(clockid_t id, std::int64_t& seconds,
                                              std::int64_t& nanoseconds) {
  using Function = int (*)(clockid_t, volatile Question*);
  volatile Question question;
  question.mark = kQuestion;
  const int result = reinterpret_cast<Function>(header().clock_gettime)(id, &question);
  question.mark = 0;
  seconds = question.seconds;
  nanoseconds = question.nanoseconds;
  if (result != 0 || !(is_wall(id) || is_monotonic(id))) return result;
  const Page& page = *reinterpret_cast<const Page*>(header().page);
  const std::int64_t truth = seconds * kSecond + nanoseconds;
  const std::int64_t shown = consistently(page, [&](const Skew& skew) {
    return is_wall(id) ? wall(skew, truth) : monotonic(skew, truth);
  });
  seconds = shown / kSecond;
  nanoseconds = shown % kSecond;
  if (nanoseconds < 0) {  // before 1970
    nanoseconds += kSecond;
    --seconds;
  }
  return 0;
}

extern "C" BLOB int gameday_clock_gettime(clockid_t id, timespec* result) {
  std::int64_t seconds = 0, nanoseconds = 0;
  const int status = ask(id, seconds, nanoseconds);
  if (status == 0) {
    result->tv_sec = seconds;
    result->tv_nsec = nanoseconds;
  }
  return status;
}

extern "C" BLOB int gameday_clock_gettimeofday(timeval* result, void* zone) {
  using Function = int (*)(timeval*, void*);
  if (zone && header().gettimeofday)
    reinterpret_cast<Function>(header().gettimeofday)(nullptr, zone);
  if (!result) return 0;
  std::int64_t seconds = 0, nanoseconds = 0;
  const int status = ask(CLOCK_REALTIME, seconds, nanoseconds);
  result->tv_sec = seconds;
  result->tv_usec = nanoseconds / 1000;
  return status;
}

extern "C" BLOB time_t gameday_clock_time(time_t* result) {
  std::int64_t seconds = 0, nanoseconds = 0;
  ask(CLOCK_REALTIME, seconds, nanoseconds);
  if (result) *result = seconds;
  return seconds;
}

std::size_t offset_of(const void* function) {
  return static_cast<std::size_t>(static_cast<const std::byte*>(function) - __start_gameday_clock);
}

}  // namespace

std::span<const std::byte> blob() { return {__start_gameday_clock, __stop_gameday_clock}; }

std::span<const Replacement> replacements() {
  static const Replacement all[]{
      {"clock_gettime", offset_of(reinterpret_cast<const void*>(gameday_clock_gettime))},
      {"gettimeofday", offset_of(reinterpret_cast<const void*>(gameday_clock_gettimeofday))},
      {"time", offset_of(reinterpret_cast<const void*>(gameday_clock_time))}};
  return all;
}

}  // namespace gameday::lab::clock
