// A history of transactions over registers, [:w k v] and [:r k v] with values written once a key, as
// flat columns: what the checks of rw-register and of the weak isolation levels run on.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "checkers/model.h"
#include "checkers/txn/graph.h"

namespace gameday::txn {

using Version = std::int32_t;             // a value of a key
inline constexpr Version kInitial = -1;   // nil: before every write

struct RwMop {
  std::uint32_t key : 31;
  std::uint32_t write : 1;
  Version version;
  bool is_read() const { return write == 0; }
};
static_assert(sizeof(RwMop) == 8);

class Registers {
 public:
  // All calls whose value is a sequence of micro-operations: of ok calls their completions', of
  // others the writes of their invocations. Throws std::invalid_argument, with the row, for a
  // micro-operation that is neither a read nor a write.
  explicit Registers(const Events& events, const Limits& limits);

  // Transactions in order of invocation, failed ones too.
  std::size_t size() const { return pairs_.size(); }
  std::size_t keys() const { return keys_.size(); }
  std::size_t versions() const { return writers_.size(); }
  std::size_t mop_count() const { return mops_.size(); }
  const Events& events() const { return *events_; }
  const Pair& pair(Node t) const { return events_->pairs()[pairs_[t]]; }
  std::uint32_t pair_index(Node t) const { return pairs_[t]; }
  OpType outcome(Node t) const { return outcomes_[t]; }
  bool ok(Node t) const { return outcomes_[t] == OpType::ok; }
  bool failed(Node t) const { return outcomes_[t] == OpType::fail; }
  std::span<const RwMop> mops(Node t) const {
    return {mops_.data() + firsts_[t], static_cast<std::size_t>(firsts_[t + 1] - firsts_[t])};
  }

  // Who wrote it; kNone: nobody. Of a value that several wrote, one that may have committed.
  Node writer(Version v) const { return writers_[index(v)] & kWriterMask; }
  bool never_written(Version v) const { return writer(v) == kWriterMask; }
  // Its writer wrote another one to the key after it.
  bool intermediate(Version v) const { return (writers_[index(v)] & kIntermediate) != 0; }
  std::uint32_t key_of(Version v) const { return mops_[places_[index(v)]].key; }
  // Several transactions that may have committed wrote it: a read of it proves nothing.
  bool ambiguous(Version v) const { return (writers_[index(v)] & kAmbiguous) != 0; }
  // Sentences on what keeps a history from being judged as a whole: values written more than once.
  const std::vector<std::string>& unknowns() const { return unknowns_; }

  // For people.
  std::string key_text(std::uint32_t key) const;
  std::string value_text(Version v) const;
  Json key_json(std::uint32_t key) const { return events_->values().json(key_value(key)); }
  Json value_json(Version v) const;
  // The row that people know a transaction by: its completion, or its invocation.
  std::size_t row(Node t) const {
    const Pair& p = pair(t);
    return p.done >= 0 ? static_cast<std::size_t>(p.done) : p.invoke;
  }
  std::int64_t op(Node t) const { return events_->index(row(t)); }
  std::string mop_text(const RwMop& m) const;
  std::size_t bytes() const;

 private:
  static constexpr std::uint32_t kIntermediate = 1u << 31, kAmbiguous = 1u << 30;
  static constexpr std::uint32_t kWriterMask = kAmbiguous - 1;
  static std::size_t index(Version v) { return static_cast<std::size_t>(v); }
  Value key_value(std::uint32_t key) const { return keys_.value(static_cast<std::int32_t>(key)); }

  class Slots;
  void decode(const Limits& limits);
  void decode_call(Value value, bool reads, std::size_t row);
  void number_writes(Slots& slots);
  void number_reads(Slots& slots);
  void mark_intermediate();

  const Events* events_;
  Dense keys_;
  std::vector<std::uint32_t> pairs_;
  std::vector<OpType> outcomes_;
  std::vector<std::uint64_t> firsts_;
  std::vector<RwMop> mops_;
  std::vector<Value> words_;            // of each micro-operation
  std::vector<std::uint32_t> writers_;  // of each version, with the two flags
  std::vector<std::uint64_t> places_;   // of each version: a micro-operation with its value
  std::vector<std::string> unknowns_;
  Value read_word_, write_word_;  // as they were last seen
};

}  // namespace gameday::txn
