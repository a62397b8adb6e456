// What can be done to packets on their way, as values, and the dice that decide about each. Pure: the
// clock is a parameter, so that a seed gives the same fates again.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/core/rng.h"
#include "harness/lab/packet_bytes.h"

namespace gameday::lab {

struct Ports {
  std::uint16_t first = 0, last = 65535;
  bool any() const { return first == 0 && last == 65535; }
  bool contains(std::uint16_t port) const { return port >= first && port <= last; }
  bool operator==(const Ports&) const = default;
};
// Where services listen: below what the kernel gives to those that connect (ip_local_port_range). A
// packet from such a port is a reply, one to such a port a request.
inline constexpr Ports kServicePorts{1, 32767};

// Which packets: of one sender to one receiver.
struct PacketRule {
  enum class Protocol : std::uint8_t { any, tcp, udp };
  enum class Only : std::uint8_t {
    all,
    syn,      // what opens a TCP connection
    payload,  // what carries data: no handshakes, no bare acknowledgements
  };
  std::string from, to;  // addresses
  Protocol protocol = Protocol::any;
  Ports from_ports = {}, to_ports = {};
  Only only = Only::all;
  bool matches(const PacketInfo& packet) const;  // addresses apart
};

enum class Distribution : std::uint8_t {
  uniform,      // delay +- jitter
  normal,       // mean delay, standard deviation jitter
  exponential,  // delay at least, and jitter more in the mean
  pareto,       // delay at least, and a heavy tail of shape 3 whose mean is half of jitter
};
inline constexpr std::string_view kDistributionNames[]{"uniform", "normal", "exponential", "pareto"};

// All that is done to the packets of a rule, in this order.
struct Impairment {
  int mtu = 0;                        // larger ones (IP, bytes) vanish, without ICMP; 0: none do
  double loss = 0;                    // the share of packets that is lost, in the long run
  double burst = 1;                   // packets that a loss takes in the mean: Gilbert-Elliott; 1: alone
  std::int64_t bytes_per_second = 0;  // 0: no limit
  std::int64_t queue_bytes = 65'536;  // that wait for the rate; what does not fit is lost
  double corrupt = 0;                 // the share with a flipped bit: the receiver's kernel notices
  double corrupt_silently = 0;        // the share with a flipped bit and a right checksum: it does not
  double duplicate = 0;               // the share that arrives twice
  std::chrono::nanoseconds delay{0}, jitter{0};  // jitter 0: all the same
  Distribution distribution = Distribution::uniform;
  bool keep_order = true;  // a packet waits for those before it; otherwise it may overtake them
  bool hold = false;       // kept until the impairment ends, and delivered then
  std::size_t hold_limit = 8'192;  // packets kept at a time; the rest is lost

  // Whether all of a packet has to be seen, not just its headers.
  bool needs_payload() const { return corrupt > 0 || corrupt_silently > 0 || duplicate > 0; }
};

struct Fate {
  bool lost = false;
  std::chrono::nanoseconds delay{0};
  std::optional<std::chrono::nanoseconds> copy;  // a second one, after that
  bool corrupt = false, corrupt_silently = false;
};

class Dice {
 public:
  using Time = std::chrono::steady_clock::time_point;
  Dice(const Impairment& impairment, Rng rng) : impairment_(impairment), rng_(rng) {}
  Fate roll(Time now, const PacketInfo& packet);
  Rng& rng() { return rng_; }

 private:
  bool lost();
  std::chrono::nanoseconds draw_delay();

  Impairment impairment_;
  Rng rng_;
  bool in_burst_ = false;
  Time line_free_{}, last_due_{};
};

}  // namespace gameday::lab
