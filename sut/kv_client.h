// The workloads, on any store that reads keys together and writes them if they have not changed
// since: what is left to a client of such a store are four calls.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/core/system.h"

namespace gameday::sut {

class KvClient : public Client {
 public:
  explicit KvClient(std::string workload) : workload_(std::move(workload)) {}
  Completion invoke(const Op& op, Deadline deadline) final;

 protected:
  // ok: done; fail: certainly not; info: perhaps.
  struct Outcome {
    OpType type = OpType::ok;
    std::string error;
    explicit operator bool() const { return type == OpType::ok; }
  };
  struct Seen {
    Json value;           // null: there is no such key
    std::string version;  // the store's own; changes with every write
  };
  using Snapshot = std::map<std::string, Seen>;  // by key

  // All these keys at one moment. Never info.
  virtual Outcome get(const std::set<std::string>& keys, Snapshot& snapshot) = 0;
  // As get(), for reads that are an operation by themselves: where a run may choose weaker ones.
  virtual Outcome look(const std::set<std::string>& keys, Snapshot& snapshot) {
    return get(keys, snapshot);
  }
  virtual Outcome put(const std::string& key, const Json& value) = 0;
  // Writes them all if all of the snapshot is as it was seen; fail if not.
  virtual Outcome commit(const Snapshot& snapshot, const std::map<std::string, Json>& writes) = 0;
  // The values of all keys that begin so. Never info.
  virtual Outcome list(const std::string& prefix, Json& values) = 0;
  // Takes a lock, has `body` read and write back under it, its thread stopped for so long in
  // between, and gives the lock back (the workload lock-set).
  using Locked = std::function<Outcome(std::chrono::duration<double> stopped)>;
  virtual Outcome locked(const Json& element, const Locked& body);

  const std::string& workload() const { return workload_; }
  Deadline deadline() const { return deadline_; }

 private:
  Completion add(const Json& value);
  Completion read(const Json& what);
  Completion cas(const Json& value);
  Completion txn(const Json& mops);
  Completion transfer(const Json& value);

  std::string workload_;
  Deadline deadline_{};
};

// What the accounts of a bank hold before anybody has moved anything: {"0": 100, ...}.
Json opening_balances();
// The balances after it; null: the account does not hold so much.
Json transferred(Json balances, const Json& transfer);

}  // namespace gameday::sut
