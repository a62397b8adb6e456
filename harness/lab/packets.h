// Packets between nodes, and between nodes and clients, impaired on their way through the fabric:
// delayed, lost, doubled, damaged, kept (impairment.h). Packets that a rule is about wait in the
// kernel's queue (packet_queue.h) until a thread has decided; all others never leave the kernel.
//
// The rules are in the mangle table, before the firewall: a packet that was delayed is still subject to
// the partition that is in force when it goes on. Everything ends with the process: a queue whose
// owner is gone is emptied by the kernel, and the rules are in the fabric's namespace.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "harness/core/error.h"
#include "harness/lab/firewall.h"
#include "harness/lab/impairment.h"

namespace gameday::lab {

// Of one rule.
struct PacketCounts {
  std::int64_t seen = 0;  // matched; each of what follows is a part of these
  std::int64_t dropped = 0;
  std::int64_t delayed = 0;
  std::int64_t corrupted = 0;   // silently or not
  std::int64_t duplicated = 0;
  std::int64_t reordered = 0;  // went on after one that had come later
  std::int64_t held = 0;       // until the end
  std::int64_t released = 0;   // of those held, let go when they ended
  PacketCounts& operator+=(const PacketCounts& other);
};

// What a set of rules has done in the end.
struct PacketReport {
  std::vector<PacketCounts> rules;  // in the order given to add()
  std::int64_t overruns = 0;  // packets lost meanwhile because the queue was full, of any set
  bool realtime = false;      // the thread had real-time priority
};

// Sets of rules in force at the same time. A packet that rules of several sets match is subject to all
// of them: delays add up. Thread-safe.
class Packets {
 public:
  // For the fabric's network namespace (must stay open), of whose firewall that is.
  static Result<std::unique_ptr<Packets>> create(int netns, Firewall& firewall);
  ~Packets();
  Packets(const Packets&) = delete;
  Packets& operator=(const Packets&) = delete;

  // The same seed draws the same fates for the same packets of a rule. The set's id.
  Result<int> add(const std::vector<PacketRule>& rules, const Impairment& impairment,
                  std::uint64_t seed);
  Result<std::vector<PacketCounts>> counts(int id) const;  // so far
  // Takes the set out of force, lets go what still waits because of it, in order, and checks that the
  // kernel has neither rule nor packet of it left.
  Result<PacketReport> remove(int id);
  // An Error if any rule is in force or any packet waits.
  Status idle() const;

  std::chrono::nanoseconds last_transaction() const;

 private:
  struct Impl;
  explicit Packets(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Whether this machine lets the caller queue packets. The Error says what to do about it. Makes a
// universe and throws it away, so it must be asked outside of one.
Status packets_available();

}  // namespace gameday::lab
