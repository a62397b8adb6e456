// Little-endian integers, length-prefixed strings and checksums, for messages, jobs, log records and frames.
#pragma once

#include <zlib.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gameday::search {

template <std::unsigned_integral T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    out.push_back(static_cast<char>((static_cast<std::uint64_t>(value) >> (8 * i)) & 0xff));
  }
}

inline void put_string(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

inline std::uint32_t checksum(std::string_view bytes) {  // CRC-32
  return static_cast<std::uint32_t>(
      crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// Takes values off the front of some bytes. Once one does not fit, ok() stays false and every
// further value is zero or empty.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool done() const { return ok_ && bytes_.empty(); }
  std::size_t left() const { return bytes_.size(); }

  template <std::unsigned_integral T>
  T take() {
    const std::string_view raw = take_bytes(sizeof(T));
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      value |= static_cast<std::uint64_t>(static_cast<unsigned char>(raw[i])) << (8 * i);
    }
    return static_cast<T>(value);
  }

  std::string_view take_bytes(std::size_t count) {
    if (!ok_ || count > bytes_.size()) {
      ok_ = false;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return taken;
  }

  // One byte that must be 0 or 1.
  bool take_bool() {
    const auto value = take<std::uint8_t>();
    ok_ = ok_ && value <= 1;
    return value == 1;
  }

  std::string_view take_string() { return take_bytes(take<std::uint32_t>()); }

 private:
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace gameday::search
