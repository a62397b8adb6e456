// Memory and threads for columns of millions of rows.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <functional>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace gameday::txn {

// Huge pages where a column is large: faulting in 4 KB at a time can cost more than the work on
// them. What resize() adds is not initialised.
template <typename T>
struct HugePages {
  using value_type = T;
  static_assert(std::is_trivially_copyable_v<T>);
  static constexpr std::size_t kPage = std::size_t{2} << 20;

  HugePages() = default;
  template <typename U>
  HugePages(const HugePages<U>&) {}

  T* allocate(std::size_t n) {
    if (n > (~std::size_t{0} >> 1) / sizeof(T)) throw std::bad_alloc();
    std::size_t bytes = n * sizeof(T);
    const bool huge = bytes >= 2 * kPage;
    if (huge) bytes = (bytes + kPage - 1) / kPage * kPage;
    void* const at = huge ? std::aligned_alloc(kPage, bytes) : std::malloc(bytes);
    if (at == nullptr) throw std::bad_alloc();
    if (huge) ::madvise(at, bytes, MADV_HUGEPAGE);  // where it is refused, small ones do
    return static_cast<T*>(at);
  }
  void deallocate(T* at, std::size_t) { std::free(at); }

  template <typename U>
  void construct(U* at) {
    ::new (static_cast<void*>(at)) U;
  }
  template <typename U, typename... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }
  bool operator==(const HugePages&) const { return true; }
};

template <typename T>
using Column = std::vector<T, HugePages<T>>;

// Calls work(0) ... work(parts - 1), each in a thread of its own; what one throws is thrown here.
void in_parts(std::size_t parts, const std::function<void(std::size_t)>& work);

}  // namespace gameday::txn
