// list-append: transactions of appends of unique elements to lists and of reads of whole lists. A
// read shows the order of all appends before it, so nearly all dependencies can be told (Kingsbury
// and Alvaro, "Elle", VLDB 2020, section 4.3).
#pragma once

#include <vector>

#include "checkers/txn/conclude.h"
#include "checkers/txn/parts.h"

namespace gameday::txn {

// What transactions did, by key: the micro-operations of a key side by side, in order of invocation
// and, within a transaction, in its own order.
struct Mop {
  Value value;  // appended, or the list that was read
  std::uint32_t pair;
  std::uint32_t place;  // in the transaction; the top bit is set for an append
  bool append() const { return (place >> 31) != 0; }
  std::uint32_t index() const { return place & 0x7fffffff; }
};

class MopsByKey {
 public:
  // Throws std::runtime_error where a value is no transaction of appends and reads, with the op;
  // and std::bad_alloc where the limit of memory does not do.
  MopsByKey(const Events& events, const Limits& limits);

  const Events& events() const { return *events_; }
  std::size_t keys() const { return keys_.size(); }
  Value key(std::size_t k) const { return keys_.value(static_cast<std::int32_t>(k)); }
  std::int32_t find(Value key) const { return keys_.find(key); }
  std::span<const Mop> mops(std::size_t k) const {
    return std::span(mops_).subspan(starts_[k], starts_[k + 1] - starts_[k]);
  }
  std::size_t size() const { return mops_.size(); }
  const char* expired() const { return expired_; }  // the limits were reached while reading

 private:
  const Events* events_;
  Dense keys_;
  Column<Mop> mops_;
  std::vector<std::uint64_t> starts_;
  const char* expired_ = nullptr;
};

CheckResult check_list_append(const ModelInput& input);

}  // namespace gameday::txn
