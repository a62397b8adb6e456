#include "harness/lab/impairment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gameday::lab {

using std::chrono::nanoseconds;

bool PacketRule::matches(const PacketInfo& packet) const {
  if (protocol == Protocol::tcp && !packet.tcp) return false;
  if (protocol == Protocol::udp && !packet.udp) return false;
  // As for iptables, only the first fragment of a datagram has ports.
  const bool has_ports = (packet.tcp || packet.udp) && packet.first_fragment;
  if (!from_ports.any() && !(has_ports && from_ports.contains(packet.from_port))) return false;
  if (!to_ports.any() && !(has_ports && to_ports.contains(packet.to_port))) return false;
  if (only == Only::syn) return packet.syn;
  return only == Only::all || packet.payload > 0;
}

// Gilbert, "Capacity of a Burst-Noise Channel" (1960): in a burst everything is lost, between bursts
// nothing. A burst ends with probability 1/burst a packet; how often one begins follows from the share.
bool Dice::lost() {
  if (impairment_.burst <= 1 || impairment_.loss >= 1) return rng_.chance(impairment_.loss);
  const double end = 1 / impairment_.burst;
  const double begin = end * impairment_.loss / (1 - impairment_.loss);
  in_burst_ = in_burst_ ? !rng_.chance(end) : rng_.chance(begin);
  return in_burst_;
}

nanoseconds Dice::draw_delay() {
  constexpr double kMost = 60e9;  // a tail must not outlive the run
  const auto delay = static_cast<double>(impairment_.delay.count());
  const auto jitter = static_cast<double>(impairment_.jitter.count());
  double more = 0;
  if (jitter > 0) {
    switch (impairment_.distribution) {
      case Distribution::uniform:
        more = jitter * (2 * rng_.unit() - 1);
        break;
      case Distribution::normal:  // Box and Muller
        more = jitter * std::sqrt(-2 * std::log(1 - rng_.unit())) *
               std::cos(2 * std::numbers::pi * rng_.unit());
        break;
      case Distribution::exponential:
        more = rng_.exponential(jitter);
        break;
      case Distribution::pareto:
        more = jitter * (std::pow(1 - rng_.unit(), -1.0 / 3) - 1);
        break;
    }
  }
  return nanoseconds(static_cast<std::int64_t>(std::clamp(delay + more, 0.0, kMost)));
}

Fate Dice::roll(Time now, const PacketInfo& packet) {
  Fate fate;
  fate.lost = (impairment_.mtu > 0 && packet.length > static_cast<std::size_t>(impairment_.mtu)) ||
              (impairment_.loss > 0 && lost());
  if (fate.lost) return fate;

  Time sent = now;
  if (impairment_.bytes_per_second > 0) {
    const auto time_of = [&](std::int64_t bytes) {
      return nanoseconds(bytes * 1'000'000'000 / impairment_.bytes_per_second);
    };
    const Time begin = std::max(now, line_free_);
    if (begin - now > time_of(impairment_.queue_bytes)) {
      fate.lost = true;
      return fate;
    }
    sent = line_free_ = begin + time_of(static_cast<std::int64_t>(packet.length));
  }
  fate.corrupt = rng_.chance(impairment_.corrupt);
  fate.corrupt_silently = rng_.chance(impairment_.corrupt_silently) && packet.payload > 0;

  const auto due = [&] {
    Time time = sent + draw_delay();
    if (impairment_.keep_order) time = last_due_ = std::max(time, last_due_);
    return time - now;
  };
  fate.delay = due();
  if (rng_.chance(impairment_.duplicate)) fate.copy = due();
  return fate;
}

}  // namespace gameday::lab
