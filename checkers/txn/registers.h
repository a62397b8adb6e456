// A history of transactions over registers, [:w k v] and [:r k v] with values written once a key, as
// flat columns: what the checks of rw-register and of the weak isolation levels run on.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "checkers/model.h"
#include "checkers/txn/graph.h"
#include "checkers/txn/parts.h"

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
  // Some of these numbers may be nobody's: neither written nor read.
  std::size_t versions() const { return written_.size(); }
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

  // Who wrote it; never_written(): nobody. Of a value that several wrote, one that may have committed.
  Node writer(Version v) const { return written_[index(v)].writer & kWriterMask; }
  bool never_written(Version v) const { return writer(v) == kWriterMask; }
  // Its writer wrote another one to the key after it.
  bool intermediate(Version v) const { return (written_[index(v)].writer & kIntermediate) != 0; }
  std::uint32_t key_of(Version v) const { return written_[index(v)].key; }
  // Several transactions that may have committed wrote it: a read of it proves nothing.
  bool ambiguous(Version v) const { return (written_[index(v)].writer & kAmbiguous) != 0; }
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

  class Part;
  class Numbers;
  void decode(const Limits& limits, std::vector<Part>& parts);
  void join(std::vector<Part>& parts);
  void number_writes(Numbers& numbers, const Limits& limits);
  void number_write(Numbers& numbers, Node t, std::size_t m);
  void number_reads(Numbers& numbers, const Limits& limits);
  Value word(Version v) const;

  // Numbers of the small integers that a key was written, from the lowest to the highest.
  struct Range {
    std::int32_t low = std::numeric_limits<std::int32_t>::max(), high = -1;
    std::uint32_t writes = 0;
    std::int32_t first = 0;  // number of the lowest
    void add(std::int32_t v) {
      low = v < low ? v : low;
      high = v > high ? v : high;
      ++writes;
    }
    void add(const Range& other);
    bool has(std::int32_t v) const { return v >= low && v <= high; }
    std::size_t width() const { return writes == 0 ? 0 : static_cast<std::size_t>(high - low) + 1; }
    bool dense() const { return width() <= writes * std::size_t{4} + 64; }
  };
  struct Written {
    std::uint32_t writer;  // with the two flags
    std::uint32_t key;
  };

  const Events* events_;
  Dense keys_;
  Column<std::uint32_t> pairs_;
  Column<OpType> outcomes_;
  Column<std::uint64_t> firsts_;
  Column<RwMop> mops_;
  Column<Written> written_;    // of each version
  std::vector<Range> ranges_;  // of each key; or a single one, where no value is of two keys
  std::size_t in_ranges_ = 0;  // versions below are numbered by ranges
  Column<Value> words_;        // of the versions from there on, and before that of the mops
  std::vector<std::string> unknowns_;
};

}  // namespace gameday::txn
