// The fabric's firewall: who may send to whom. It lives in the FORWARD chain of the fabric's
// network namespace, through which every packet between two nodes passes; the host has none of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"

namespace gameday::lab {

enum class Action {
  drop,    // silence: the sender retries until it times out
  reject,  // TCP gets a reset, anything else an ICMP error: the sender knows at once
};
std::string_view to_string(Action action);

struct Rule {
  std::string from;  // an address or CIDR block; empty: anybody
  std::string to;
  Action action = Action::drop;
  bool operator==(const Rule&) const = default;
};

struct Counter {
  Rule rule;
  std::int64_t packets = 0;
  std::int64_t bytes = 0;
};

// Sets of rules in force at the same time (chains.h): their union is what is in force. A packet that
// two sets match is counted by the older one. Thread-safe.
class Firewall {
 public:
  // For the network namespace behind `netns` (must stay open). Prepares the chain; the Error says
  // if iptables is missing or the kernel cannot.
  static Result<std::unique_ptr<Firewall>> create(int netns);
  ~Firewall();
  Firewall(const Firewall&) = delete;
  Firewall& operator=(const Firewall&) = delete;

  // Puts a set in force: one iptables-restore, one transaction, all rules or none. Its id.
  Result<int> add(const std::vector<Rule>& rules);
  // Takes it out again, in one transaction as well, and returns what it had matched in the end; an
  // Error if the kernel still has it in force then.
  Result<std::vector<Counter>> remove(int id);
  // What it has matched so far, one Counter a rule, in the order given to add().
  Result<std::vector<Counter>> counters(int id) const;
  // The number of rules in force in the kernel, of all sets: 0 when everything is healed.
  Result<std::size_t> rules_in_force() const;

  // Packets with this mark which the fabric itself sends are looked at as well from now on.
  Status include_output(std::uint32_t mark);

  // How long the transaction took with which the last add() put its set in force, or the last
  // remove() took its set out: the iptables process from start to end.
  std::chrono::nanoseconds last_transaction() const;

  std::string_view variant() const;  // "iptables-restore", "iptables-nft-restore", ...

 private:
  struct Impl;
  explicit Firewall(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gameday::lab
