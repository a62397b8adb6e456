#include "checkers/txn/parts.h"

#include <exception>
#include <thread>

namespace gameday::txn {

void in_parts(std::size_t parts, const std::function<void(std::size_t)>& work) {
  std::vector<std::exception_ptr> thrown(parts);
  const auto guarded = [&](std::size_t i) {
    try {
      work(i);
    } catch (...) {
      thrown[i] = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < parts; ++i) threads.emplace_back(guarded, i);
    guarded(0);
  }
  for (const auto& one : thrown)
    if (one) std::rethrow_exception(one);
}

}  // namespace gameday::txn
