// The order of the appends to one key, as its longest read shows it.
#pragma once

#include <span>
#include <vector>

#include "checkers/txn/list_append.h"

namespace gameday::txn {

inline constexpr std::int32_t kNobody = -1;

// Positions are counted from 0 in the order of distinct elements; a read that ends with the element
// at position p saw *state* p + 1, and state 0 is the empty list.
class KeyOrder {
 public:
  explicit KeyOrder(const MopsByKey& all) : all_(all), values_(all.events().values()) {}

  void load(std::size_t key);

  std::span<const Mop> mops() const { return mops_; }
  Value key() const { return all_.key(key_); }
  const Pair& pair(const Mop& mop) const { return all_.events().pairs()[mop.pair]; }
  // The mop that appends the element twice, kNobody: each is appended once.
  std::int32_t appended_twice() const { return twice_; }

  std::span<const Value> longest() const { return longest_; }
  std::int32_t longest_mop() const { return longest_mop_; }
  // States and the mop that appended the last element of each (by position), kNobody: none did.
  std::size_t positions() const { return appender_.size(); }
  std::int32_t appender(std::size_t position) const { return appender_[position]; }
  Value element(std::size_t position) const { return longest_[first_at_[position]]; }
  // The position of an append's element; -1: nobody read it (in the longest read).
  std::int32_t position(std::size_t mop) const { return position_[mop]; }

  // The mop that appended this element; kNobody.
  std::int32_t find(Value element) const;
  // Whether it is the beginning of the longest read, by content.
  bool prefix(std::span<const Value> list) const;
  // Where the list's last element is in the order: the state that it saw; -1: it is not there.
  std::int32_t state(std::span<const Value> list) const;

  // A known read: ok, or info that says what it saw.
  bool reads(const Mop& mop) const {
    const OpType outcome = pair(mop).outcome;
    return !mop.append() &&
           (outcome == OpType::ok || (outcome == OpType::info && !mop.value.is_nil()));
  }
  std::span<const Value> list(const Mop& read) const {
    return read.value.is_nil() ? std::span<const Value>() : values_.items(read.value);
  }
  bool same(Value a, Value b) const {
    return a == b || ((a.is_collection() || a.kind() == Value::Kind::real) && values_.equal(a, b));
  }

 private:
  void index_appends();
  void follow_longest();
  std::size_t slot(Value element) const;

  const MopsByKey& all_;
  const Values& values_;
  std::size_t key_ = 0;
  std::span<const Mop> mops_;
  std::span<const Value> longest_;
  std::int32_t longest_mop_ = kNobody, twice_ = kNobody;
  std::vector<std::int32_t> appender_, position_;
  std::vector<std::uint32_t> first_at_;  // in longest_, by position
  std::vector<std::uint32_t> state_at_;  // by length of a prefix; empty: it is the length
  // Elements to mops: by the number itself where numbers are dense, else open addressing.
  bool direct_ = false;
  std::int64_t lowest_ = 0;
  std::vector<std::int32_t> table_;  // mop + 1; 0: free
};

}  // namespace gameday::txn
