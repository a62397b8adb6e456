// Sets of iptables rules in a network namespace, in force at the same time. Each set has a chain of
// its own, so that adding and removing one never touches the rules, or the counters, of another; one
// iptables-restore, one transaction, puts a set in force as a whole or not at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/core/error.h"
#include "harness/lab/fd.h"

namespace gameday::lab {

// Thread-safe.
class Chains {
 public:
  struct Count {
    std::int64_t packets = 0, bytes = 0;
  };
  using Rules = std::vector<std::string>;  // of iptables, without "-A CHAIN": "-s 10.77.0.1 -j DROP"

  // For the network namespace behind `netns` (must stay open): a chain `root` in the table, to which
  // FORWARD jumps first. The Error says if iptables is missing or the kernel cannot.
  static Result<Chains> create(int netns, std::string table, std::string root);
  Chains(Chains&& other) noexcept;

  Result<int> add(const Rules& rules);  // its id
  // Takes the set out, in one transaction as well, and returns what each rule had matched in the end;
  // an Error if the kernel still has it in force then.
  Result<std::vector<Count>> remove(int id);
  Result<std::vector<Count>> counts(int id) const;  // so far, in the order given to add()
  Result<std::size_t> rules_in_force() const;       // in the kernel, of all sets
  // Lines of iptables-restore for the built-in chains, which stay: "-A OUTPUT -j GAMEDAY".
  Status commit(const std::string& lines) const;

  // How long the transaction took with which the last add() put its set in force, or the last
  // remove() took its set out: the iptables process from start to end.
  std::chrono::nanoseconds last_transaction() const;
  std::string_view variant() const;  // "iptables-restore", "iptables-nft-restore", ...

 private:
  struct Line {
    std::string chain, rule;
    Count count;
  };
  Chains() = default;
  std::string chain_of(int id) const { return fmt::format("{}-{}", root_, id); }
  Status timed_commit(const std::string& lines);
  Result<std::vector<Line>> saved() const;
  Result<std::vector<Count>> read(int id, const std::vector<Line>& lines) const;
  bool in_force(const std::string& chain, const std::vector<Line>& lines) const;

  int netns_ = -1;
  std::string table_, root_, restore_, save_;
  Fd lock_;  // the legacy variant's lock file
  std::map<std::string, std::string> environment_;
  mutable std::mutex mutex_;
  std::map<int, std::size_t> sets_;  // how many rules each has
  std::string leftover_;  // takes away the chain that went out of force last, with the next transaction
  int next_ = 1;
  std::chrono::nanoseconds last_transaction_{0};
};

}  // namespace gameday::lab
