// IPv4 packets as bytes: what they are, and how to damage them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "harness/core/rng.h"

namespace gameday::lab {

struct PacketInfo {
  std::uint32_t from = 0, to = 0;  // addresses, in the host's byte order
  bool tcp = false, udp = false;
  bool first_fragment = true;  // or all of a datagram
  bool syn = false;            // opens a TCP connection: SYN without ACK
  std::uint16_t from_port = 0, to_port = 0;
  std::size_t length = 0;     // of the packet, IP header and all
  std::size_t ip_header = 0;  // bytes
  std::size_t payload = 0;    // bytes at the end that are neither IP's nor TCP's nor UDP's header
};

// Of a packet, or of its first bytes as long as its headers are among them. nullopt: not IPv4.
std::optional<PacketInfo> parse_packet(std::span<const std::uint8_t> bytes);

// Flips one bit behind the IP header; the checksum of TCP or UDP is wrong then, and the receiving
// kernel throws the packet away.
void flip_a_bit(std::span<std::uint8_t> packet, const PacketInfo& info, Rng& rng);

// Flips one bit of the payload and corrects the checksum: the receiver believes it. False: nothing
// was done, because there is no payload, or the checksum is in another fragment.
bool flip_a_bit_silently(std::span<std::uint8_t> packet, const PacketInfo& info, Rng& rng);

}  // namespace gameday::lab
