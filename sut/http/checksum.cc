#include "sut/http/checksum.h"

#include <fmt/format.h>
#include <zlib.h>

namespace gameday::http {
namespace {

uLong add(uLong crc, std::string_view part) {
  crc = crc32_z(crc, reinterpret_cast<const Bytef*>(part.data()), part.size());
  return crc32_z(crc, reinterpret_cast<const Bytef*>("\n"), 1);
}

}  // namespace

std::string request_checksum(
    std::string_view method, std::string_view target,
    const std::vector<std::pair<std::string_view, std::string_view>>& headers,
    std::string_view body) {
  uLong crc = add(add(0, method), target);
  for (const auto& [name, value] : headers)
    if (name.starts_with("X-") && name != kChecksumHeader)
      crc = add(crc, fmt::format("{}:{}", name, value));
  return fmt::format("{:08x}", add(crc, body));
}

std::string answer_checksum(std::string_view request_checksum, int status, std::string_view body) {
  const uLong crc = add(add(0, request_checksum), std::to_string(status));
  return fmt::format("{:08x}", add(crc, body));
}

}  // namespace gameday::http
