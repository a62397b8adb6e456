// Which system calls of a node are trapped, by whom, and the seccomp filter that does it. Parts of
// the lab (clocks, file faults) register what they need before the node's first start; what nobody
// registered is allowed by the kernel after a handful of BPF instructions, or, since Linux 5.11,
// after a look at a bit map.
//
// Calls of another architecture (32-bit code on x86-64, and x32) are not trapped: they are allowed.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "harness/core/error.h"

namespace gameday::lab {

class HeldCall;  // syscall_supervisor.h

// A condition on an argument, tested by the filter: only its value, never what it points to.
struct ArgumentIs {
  unsigned index = 0;  // 0 to 5
  std::uint64_t mask = ~std::uint64_t{0};
  std::uint64_t value = 0;
  bool equal = true;  // false: (argument & mask) must differ from value
};
inline ArgumentIs is_not_null(unsigned index) { return {.index = index, .equal = false}; }

class SyscallTable {
 public:
  // Called on the supervisor's thread of the node, which serves no other call until it returns: be
  // quick. The call may be moved away and answered later, from any thread.
  using Handler = std::function<void(HeldCall)>;

  // Calls `number` for which all of `when` holds go to `handler`. A number may be registered more
  // than once; the first entry whose conditions hold is taken.
  void trap(int number, std::vector<ArgumentIs> when, Handler handler);
  void trap(int number, Handler handler) { trap(number, {}, std::move(handler)); }
  // Whoever has registered `number` so far gets the call once `first` has returned; nobody: it is executed.
  void precede(int number, std::function<void(const HeldCall&)> first);
  // The call fails with this errno, in the kernel: it costs nothing and cannot be healed.
  void refuse(int number, int error);

  bool empty() const { return entries_.empty(); }
  // Empty where nothing is trapped.
  Result<std::vector<sock_filter>> filter() const;
  const Handler* find(const seccomp_data& call) const;  // nullptr: nobody's

 private:
  struct Entry {
    int number = 0;
    std::vector<ArgumentIs> when;
    Handler handler;  // empty: refused
    int error = 0;
  };
  class Builder;
  std::vector<Entry> entries_;  // ordered by number, then by registration
  void add(Entry entry);
};

}  // namespace gameday::lab
