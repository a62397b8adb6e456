// What a vDSO offers: read from its dynamic symbols as the loader of a program does, so that no
// layout and no code of a particular kernel is assumed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/core/error.h"

namespace gameday::lab::clock {

struct Vdso {
  struct Function {
    std::string name;        // without "__vdso_" or "__kernel_": aliases come more than once
    std::uint64_t value;     // its address, from the start of the image
    std::uint64_t value_at;  // where in the image that is said: st_value
  };
  std::vector<Function> functions;
  std::uint64_t system_call = 0;  // where in the image a system call instruction is; 0: nowhere

  const Function* find(std::string_view name) const;
};

// `image` begins with the ELF header. An Error: not a 64-bit vDSO of this architecture.
Result<Vdso> parse_vdso(std::span<const std::byte> image);

// How much of the image there is, from its first page; 0: not a 64-bit vDSO of this architecture.
std::size_t vdso_size(std::span<const std::byte> first_page);

}  // namespace gameday::lab::clock
