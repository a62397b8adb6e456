// Bytes of a file, of standard input or of memory, unpacked. Private to the readers.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "harness/core/error.h"

namespace gameday::reading {

class Input {
 public:
  virtual ~Input() = default;
  // Fills `to` with up to `n` bytes: fewer only at the end.
  Result<std::size_t> fill(char* to, std::size_t n);
  // How many bytes there are in all before unpacking; 0: not known.
  std::size_t size() const { return size_; }
  bool packed() const { return packed_; }

 protected:
  virtual Result<std::size_t> read(char* to, std::size_t n) = 0;  // 0: the end
  std::size_t size_ = 0;
  bool packed_ = false;
};

// "-" is standard input. What the first bytes say is gzip or zstd is unpacked.
Result<std::unique_ptr<Input>> open_input(const std::filesystem::path& file);
Result<std::unique_ptr<Input>> open_input(std::string_view text);

}  // namespace gameday::reading
