// A column of a history: a vector whose memory, where it is large, is huge pages, so that filling it
// does not ask the kernel for every four kilobytes.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <new>
#include <vector>

namespace gameday {

template <typename T>
struct ColumnMemory {
  using value_type = T;
  static constexpr std::size_t kHugePage = std::size_t{1} << 21;
  static constexpr bool large(std::size_t n) { return n * sizeof(T) >= 2 * kHugePage; }

  ColumnMemory() = default;
  template <typename U>
  ColumnMemory(const ColumnMemory<U>&) {}  // NOLINT: as allocators convert

  T* allocate(std::size_t n) {
    if (!large(n)) return static_cast<T*>(::operator new(n * sizeof(T)));
    void* const at = ::operator new(n * sizeof(T), std::align_val_t{kHugePage});
    (void)madvise(at, n * sizeof(T), MADV_HUGEPAGE);  // where there are none, small ones do
    return static_cast<T*>(at);
  }
  void deallocate(T* at, std::size_t n) {
    if (large(n)) {
      ::operator delete(at, std::align_val_t{kHugePage});
    } else {
      ::operator delete(at);
    }
  }
  bool operator==(const ColumnMemory&) const = default;
};

template <typename T>
using Column = std::vector<T, ColumnMemory<T>>;

}  // namespace gameday
