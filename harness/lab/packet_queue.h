// The kernel's queue of packets that wait for a verdict (NFQUEUE), through libnl; the only place that
// uses its netfilter part. Packets wait in the kernel; what comes here is their first bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "harness/core/error.h"
#include "harness/lab/fd.h"

struct nl_sock;
struct nfnl_queue_msg;

namespace gameday::lab {

class PacketQueue {
 public:
  // Queue 0 of the calling thread's network namespace. It fails closed: packets that find the queue
  // full, or nobody behind it, are lost, as on a real network, rather than let through unharmed
  // (NFQA_CFG_F_FAIL_OPEN), which would let answers slip through a fault that drops all of them.
  // TCP's large packets are cut to the size of the wire before they are queued, with their checksums
  // (no NFQA_CFG_F_GSO), so that every fault sees what a real network would.
  static Result<PacketQueue> open();

  int fd() const;  // readable: a packet is there
  // How much of each packet to see. The socket's buffer holds fewer packets the more that is.
  Status see(bool whole_packets);

  struct Packet {
    std::uint32_t id = 0;
    std::span<const std::uint8_t> bytes;
  };
  // The next packet, if one is there: whether one was.
  bool receive(const std::function<void(const Packet&)>& take);
  // Lets a packet go on, as it is or with other bytes.
  void accept(std::uint32_t id);
  void accept(std::uint32_t id, std::span<const std::uint8_t> bytes);
  void drop(std::uint32_t id);

  struct State {
    std::int64_t waiting = 0;   // for a verdict
    std::int64_t overruns = 0;  // lost because the queue or the socket's buffer was full
  };
  // What the kernel says. Where it tells only the machine's root (in user namespaces of 6.1): what was
  // taken and not yet answered, what is to be read, and what the socket has lost.
  Result<State> state() const;

 private:
  struct Free {
    void operator()(nl_sock* socket) const;
    void operator()(nfnl_queue_msg* message) const;
  };
  PacketQueue() = default;
  nfnl_queue_msg* verdict(std::uint32_t id, unsigned what) const;
  void answered(int error) { taken_ -= error >= 0 ? 1 : 0; }

  std::unique_ptr<nl_sock, Free> socket_;
  std::unique_ptr<nfnl_queue_msg, Free> verdict_;
  Fd proc_;                 // /proc/net/netfilter/nfnetlink_queue of the namespace, where we may read it
  std::int64_t taken_ = 0;  // received and not answered yet
};

}  // namespace gameday::lab
