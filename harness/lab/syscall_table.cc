#include "harness/lab/syscall_table.h"

#include <linux/audit.h>

#include <algorithm>
#include <cstddef>

#include "harness/lab/syscall_supervisor.h"

namespace gameday::lab {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
#error "which AUDIT_ARCH is this?"
#endif

constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

bool holds(const ArgumentIs& condition, const seccomp_data& call) {
  return ((call.args[condition.index] & condition.mask) == condition.value) == condition.equal;
}

}  // namespace

// Classic BPF: jumps go forward only, and conditional ones 255 instructions at most, so that every
// conditional jump here skips over one unconditional jump.
class SyscallTable::Builder {
 public:
  explicit Builder(const std::vector<Entry>& entries) : entries_(entries) {}

  std::vector<sock_filter> build() {
    load(offsetof(seccomp_data, arch));
    code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 1, 0, kArchitecture});
    allow();
    load(offsetof(seccomp_data, nr));
    search(0, entries_.size());
    return std::move(code_);
  }

 private:
  void load(std::size_t offset) {
    code_.push_back({BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)});
  }
  void allow() { code_.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}); }
  // Goes on where the accumulator is (or is not) `value`; elsewhere it jumps, to where land() says.
  std::size_t jump_unless(std::uint16_t test, std::uint32_t value, bool wanted = true) {
    code_.push_back({static_cast<std::uint16_t>(BPF_JMP | test | BPF_K),
                     static_cast<std::uint8_t>(wanted ? 1 : 0),
                     static_cast<std::uint8_t>(wanted ? 0 : 1), value});
    return jump();
  }
  std::size_t jump() {
    code_.push_back({BPF_JMP | BPF_JA, 0, 0, 0});
    return code_.size() - 1;
  }
  void land(std::size_t from) { code_[from].k = static_cast<std::uint32_t>(code_.size() - from - 1); }

  // A binary search for the number, with it in the accumulator.
  void search(std::size_t begin, std::size_t end) {
    const auto number = static_cast<std::uint32_t>(entries_[begin].number);
    if (entries_[begin].number == entries_[end - 1].number) {
      const std::size_t other = jump_unless(BPF_JEQ, number);
      for (std::size_t i = begin; i < end; ++i) decide(entries_[i]);
      land(other);
      allow();
      return;
    }
    std::size_t middle = begin + (end - begin) / 2;
    const auto same = [&](std::size_t a, std::size_t b) {
      return entries_[a].number == entries_[b].number;
    };
    while (middle > begin && same(middle - 1, middle)) --middle;
    if (middle == begin)
      while (same(middle, begin)) ++middle;
    const auto pivot = static_cast<std::uint32_t>(entries_[middle].number);
    const std::size_t right = jump_unless(BPF_JGE, pivot, false);
    search(begin, middle);
    land(right);
    search(middle, end);
  }

  // Returns from the filter where the conditions hold; falls through where they do not.
  void decide(const Entry& entry) {
    std::vector<std::size_t> fails;
    for (const auto& condition : entry.when) test(condition, fails);
    code_.push_back({BPF_RET | BPF_K, 0, 0,
                     entry.handler ? SECCOMP_RET_USER_NOTIF
                                   : SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(entry.error)});
    for (const std::size_t from : fails) land(from);
  }

  // Adds the jumps that are taken where the condition does not hold.
  void test(const ArgumentIs& condition, std::vector<std::size_t>& fails) {
    struct Half {
      std::size_t offset;
      std::uint32_t mask, value;
    };
    const std::size_t at = offsetof(seccomp_data, args) + 8 * condition.index;
    const Half halves[]{{at, low(condition.mask), low(condition.value)},  // little-endian
                        {at + 4, high(condition.mask), high(condition.value)}};
    std::vector<std::size_t> differs;
    for (const Half& half : halves) {
      load(half.offset);
      if (half.mask != ~std::uint32_t{0})
        code_.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, half.mask});
      differs.push_back(jump_unless(BPF_JEQ, half.value));
    }
    if (condition.equal) {
      fails.insert(fails.end(), differs.begin(), differs.end());
    } else {
      fails.push_back(jump());  // both halves are equal
      for (const std::size_t from : differs) land(from);
    }
  }

  const std::vector<Entry>& entries_;
  std::vector<sock_filter> code_;
};

void SyscallTable::add(Entry entry) {
  const auto after = std::upper_bound(entries_.begin(), entries_.end(), entry.number,
                                      [](int number, const Entry& e) { return number < e.number; });
  entries_.insert(after, std::move(entry));
}

void SyscallTable::trap(int number, std::vector<ArgumentIs> when, Handler handler) {
  add({number, std::move(when), std::move(handler), 0});
}

void SyscallTable::precede(int number, std::function<void(const HeldCall&)> first) {
  bool taken = false;
  for (Entry& entry : entries_) {
    if (entry.number != number || !entry.handler) continue;
    taken = true;
    entry.handler = [first, then = std::move(entry.handler)](HeldCall call) {
      first(call);
      then(std::move(call));
    };
  }
  if (!taken) trap(number, [first = std::move(first)](HeldCall call) { first(call); });
}

void SyscallTable::refuse(int number, int error) { add({number, {}, {}, error}); }

Result<std::vector<sock_filter>> SyscallTable::filter() const {
  if (entries_.empty()) return std::vector<sock_filter>();
  auto code = Builder(entries_).build();
  if (code.size() > BPF_MAXINSNS)
    return fail("the filter of system calls has {} instructions, the kernel takes {}", code.size(),
                BPF_MAXINSNS);
  return code;
}

const SyscallTable::Handler* SyscallTable::find(const seccomp_data& call) const {
  const auto less = [](const Entry& e, int number) { return e.number < number; };
  auto at = std::lower_bound(entries_.begin(), entries_.end(), call.nr, less);
  for (; at != entries_.end() && at->number == call.nr; ++at)
    if (std::all_of(at->when.begin(), at->when.end(),
                    [&](const ArgumentIs& condition) { return holds(condition, call); }))
      return at->handler ? &at->handler : nullptr;
  return nullptr;
}

}  // namespace gameday::lab
