// Requests and answers that are checked from end to end. TCP's checksum is 16 bits of a sum, and a
// network that repairs it (the packet fault does) hands garbage to the application. The digest of RFC
// 9530 covers a body only; which object was meant, and whether the answer was a yes, are not in it.
//
// A request to /checked/PATH is one to /PATH that must carry X-Checksum: eight hex digits, CRC-32 of
// the method, the target, every other header whose name starts with "X-" as name:value, in order,
// and the body, each followed by a line feed. That the demand is in the path means that no damage to
// headers can lift it. The answer carries one too: of the request's checksum, the status and the
// body. A request with a checksum is checked whatever its path.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gameday::http {

inline constexpr std::string_view kChecksumHeader = "X-Checksum";
inline constexpr std::string_view kCheckedPrefix = "/checked";

std::string request_checksum(
    std::string_view method, std::string_view target,
    const std::vector<std::pair<std::string_view, std::string_view>>& headers,
    std::string_view body);
std::string answer_checksum(std::string_view request_checksum, int status, std::string_view body);

}  // namespace gameday::http
