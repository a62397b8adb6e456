// The code that answers for the vDSO in a node's processes: compiled into our own binary as one
// section without relocations, copied from there into each process (patch.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace gameday::lab::clock {

// The first bytes of the blob, filled in for each process.
struct BlobHeader {
  std::uint64_t clock_gettime = 0;  // the vDSO's own
  std::uint64_t gettimeofday = 0;   // 0: has none
  std::uint64_t page = 0;           // Page
};

// The vDSO's fallback, where it cannot read a clock itself, is a system call, which the supervisor
// answers with the node's time; it must not when it is we who ask and will add the skew. So we ask
// for the time in a buffer of this kind.
struct Question {
  std::int64_t seconds = 0, nanoseconds = 0;
  std::uint64_t mark = 0;  // kQuestion while the call is under way
};
inline constexpr std::uint64_t kQuestion = 0x6761'6d65'6461'7921;

std::span<const std::byte> blob();

struct Replacement {
  std::string_view name;  // of the vDSO's symbol, without "__vdso_" or "__kernel_"
  std::size_t offset;     // of our function in the blob
};
std::span<const Replacement> replacements();

}  // namespace gameday::lab::clock
