#include "harness/lab/clock/patch.h"

#include <elf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

#include "harness/lab/clock/blob.h"
#include "harness/lab/clock/page.h"
#include "harness/lab/clock/vdso.h"

namespace gameday::lab::clock {
namespace {

template <typename T>
bool read_value(const Tracee& tracee, std::uint64_t address, T& value) {
  return tracee.read(address, std::as_writable_bytes(std::span(&value, 1)));
}

// Where the entry of the auxiliary vector about the vDSO is, and what it says; it lies behind argc,
// argv and envp on the new program's stack: getauxval(3).
struct VdsoEntry {
  std::uint64_t at = 0, base = 0;
};
std::optional<VdsoEntry> find_entry(const Tracee& tracee, std::uint64_t stack) {
  std::uint64_t argc = 0, word = 0;
  if (!read_value(tracee, stack, argc)) return std::nullopt;
  std::uint64_t at = stack + 8 * (argc + 2);
  std::array<std::uint64_t, 128> block;
  auto next = [&, have = std::uint64_t{0}, block_at = std::uint64_t{0}]() mutable {
    if (have == 0 || at < block_at || at - block_at >= 8 * have) {  // the last block may be short
      block_at = at;
      for (have = block.size(); have > 0; have /= 2)
        if (tracee.read(at, std::as_writable_bytes(std::span(block.data(), have)))) break;
      if (have == 0) return false;
    }
    word = block[(at - block_at) / 8];
    at += 8;
    return true;
  };
  do
    if (!next()) return std::nullopt;
  while (word != 0);  // the environment
  for (;;) {
    if (!next()) return std::nullopt;
    const std::uint64_t key = word, key_at = at - 8;
    if (!next()) return std::nullopt;
    if (key == AT_NULL) return VdsoEntry{};
    if (key == AT_SYSINFO_EHDR) return VdsoEntry{key_at, word};
  }
}

Result<Vdso> read_vdso(const Tracee& tracee, std::uint64_t base) {
  std::vector<std::byte> image(4096);
  if (!tracee.read(base, image)) return fail("cannot read a program's vDSO");
  image.resize(vdso_size(image));
  if (image.empty() || !tracee.read(base, image)) return fail("a vDSO of an unknown kind");
  return parse_vdso(image);
}

std::uint64_t page_size() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

// Two pages: the blob and, behind it, the page. Their address; 0: did not work.
std::uint64_t map_both(Tracee& tracee, std::uint64_t instruction) {
  const auto page = tracee.call(instruction, SYS_clock_gettime, {kPageClock, 0});
  if (page.value_or(-1) < 0) return 0;
  const auto descriptor = static_cast<std::uint64_t>(*page);
  const std::uint64_t size = page_size();
  const auto at =
      tracee.call(instruction, SYS_mmap,
                  {0, 2 * size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, ~0ULL, 0});
  const auto base = static_cast<std::uint64_t>(at.value_or(-1));
  std::optional<std::int64_t> mapped;
  if (base < ~std::uint64_t{4095})  // not an errno
    mapped = tracee.call(instruction, SYS_mmap,
                         {base + size, size, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, 0});
  tracee.call(instruction, SYS_close, {descriptor});
  return mapped && static_cast<std::uint64_t>(*mapped) == base + size ? base : 0;
}

Status redirect(Tracee& tracee, const Vdso& vdso, std::uint64_t base) {
  const auto* read_clock = vdso.find("clock_gettime");
  if (!read_clock || vdso.system_call == 0 || blob().size() > page_size())
    return fail("a vDSO of an unknown kind");
  const std::uint64_t code = map_both(tracee, base + vdso.system_call);
  if (code == 0) return fail("cannot map a page in a program");
  const auto* read_day = vdso.find("gettimeofday");
  const BlobHeader header{base + read_clock->value, read_day ? base + read_day->value : 0,
                          code + page_size()};
  std::vector<std::byte> copy(blob().begin(), blob().end());
  std::memcpy(copy.data(), &header, sizeof header);
  if (!tracee.write(code, copy)) return fail("cannot write to a program");
  for (const auto& function : vdso.functions)
    for (const auto& ours : replacements()) {
      if (function.name != ours.name) continue;
      const std::uint64_t value = code + ours.offset - base;
      if (!tracee.write(base + function.value_at, std::as_bytes(std::span(&value, 1))))
        return fail("cannot write to a program's vDSO");
    }
  return {};
}

Status hide(Tracee& tracee, const VdsoEntry& entry) {
  const std::uint64_t ignore = AT_IGNORE;
  if (!tracee.write(entry.at, std::as_bytes(std::span(&ignore, 1))))
    return fail("cannot hide a program's vDSO");
  return {};
}

}  // namespace

Result<Reads> patch(Tracee& tracee) {
  Registers registers;
  if (!tracee.get(registers)) return fail("the program is gone, or a 32-bit one");
  const auto entry = find_entry(tracee, registers.stack());
  if (!entry) return fail("cannot read a program's stack");
  if (entry->base == 0) return Reads::kernel;
  if (const auto vdso = read_vdso(tracee, entry->base))
    if (redirect(tracee, *vdso, entry->base)) return Reads::page;
  if (auto hidden = hide(tracee, *entry); !hidden) return tl::make_unexpected(hidden.error());
  return Reads::kernel;
}

}  // namespace gameday::lab::clock
