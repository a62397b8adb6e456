#include "harness/lab/packet_bytes.h"

#include <algorithm>

namespace gameday::lab {
namespace {

constexpr std::size_t kIpHeader = 20, kTcpHeader = 20, kUdpHeader = 8;
constexpr std::uint8_t kTcp = 6, kUdp = 17;

std::uint16_t word(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}
void set_word(std::span<std::uint8_t> bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}
std::uint32_t address(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint32_t>(word(bytes, at)) << 16 | word(bytes, at + 2);
}

void flip(std::span<std::uint8_t> packet, std::size_t first, std::size_t end, Rng& rng) {
  packet[first + rng.below(end - first)] ^= static_cast<std::uint8_t>(1U << rng.below(8));
}

}  // namespace

std::optional<PacketInfo> parse_packet(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < kIpHeader || bytes[0] >> 4 != 4) return std::nullopt;
  PacketInfo info;
  info.ip_header = static_cast<std::size_t>(bytes[0] & 0xf) * 4;
  info.length = word(bytes, 2);
  info.first_fragment = (word(bytes, 6) & 0x1fff) == 0;
  info.from = address(bytes, 12);
  info.to = address(bytes, 16);
  if (info.ip_header < kIpHeader || info.length < info.ip_header) return std::nullopt;
  info.tcp = bytes[9] == kTcp;
  info.udp = bytes[9] == kUdp;
  std::size_t headers = info.ip_header;
  if (info.first_fragment && (info.tcp || info.udp) &&
      bytes.size() >= headers + (info.tcp ? kTcpHeader : kUdpHeader)) {
    const auto transport = bytes.subspan(headers);
    info.from_port = word(transport, 0);
    info.to_port = word(transport, 2);
    info.syn = info.tcp && (transport[13] & 0x12) == 0x02;
    headers += info.tcp ? static_cast<std::size_t>(transport[12] >> 4) * 4 : kUdpHeader;
  }
  info.payload = info.length > headers ? info.length - headers : 0;
  return info;
}

void flip_a_bit(std::span<std::uint8_t> packet, const PacketInfo& info, Rng& rng) {
  // Not in the checksum itself: a UDP checksum that becomes 0 means that there is none.
  const std::size_t end = std::min(packet.size(), info.length);
  if (info.payload > 0 && end > info.length - info.payload)
    flip(packet, info.length - info.payload, end, rng);
  else if (end >= info.ip_header + 4)
    flip(packet, info.ip_header, info.ip_header + 4, rng);  // the ports
}

bool flip_a_bit_silently(std::span<std::uint8_t> packet, const PacketInfo& info, Rng& rng) {
  if (info.payload == 0 || packet.size() < info.length || !info.first_fragment) return false;
  const std::size_t at = info.length - info.payload + rng.below(info.payload);
  const auto bit = static_cast<std::uint8_t>(1U << rng.below(8));
  if (info.tcp || info.udp) {
    const std::size_t sum_at = info.ip_header + (info.tcp ? 16 : 6);
    const std::uint16_t sum = word(packet, sum_at);
    // RFC 1624, equation 3: ~(~sum + ~old + new), in ones' complement. Words are counted from the
    // transport header, whose place is even.
    const bool high = (at - info.ip_header) % 2 == 0;
    const auto changed = static_cast<std::uint16_t>(high ? packet[at] << 8 : packet[at]);
    const auto other = static_cast<std::uint16_t>(high ? bit << 8 : bit);
    std::uint32_t total = static_cast<std::uint16_t>(~sum) +
                          static_cast<std::uint32_t>(static_cast<std::uint16_t>(~changed)) +
                          static_cast<std::uint16_t>(changed ^ other);
    while (total >> 16) total = (total & 0xffff) + (total >> 16);
    auto fixed = static_cast<std::uint16_t>(~total);
    if (info.udp && fixed == 0) fixed = 0xffff;
    if (!(info.udp && sum == 0)) set_word(packet, sum_at, fixed);
  }
  packet[at] ^= bit;
  return true;
}

}  // namespace gameday::lab
