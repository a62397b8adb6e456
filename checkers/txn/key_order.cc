#include "checkers/txn/key_order.h"

#include <bit>
#include <cstring>

namespace gameday::txn {

void KeyOrder::load(std::size_t key) {
  key_ = key;
  mops_ = all_.mops(key);
  index_appends();
  follow_longest();
}

std::size_t KeyOrder::slot(Value element) const {
  std::uint64_t hash = element.is_collection() || element.kind() == Value::Kind::real
                           ? values_.hash(element)
                           : element.bits();
  hash *= 0x9e3779b97f4a7c15u;
  std::size_t at = (hash >> 32) & (table_.size() - 1);
  while (table_[at] != 0 && !same(mops_[static_cast<std::size_t>(table_[at] - 1)].value, element))
    at = (at + 1) & (table_.size() - 1);
  return at;
}

void KeyOrder::index_appends() {
  std::size_t appends = 0;
  std::int64_t lowest = 0, highest = 0;
  bool integers = true;
  for (const Mop& mop : mops_) {
    if (!mop.append()) continue;
    integers = integers && mop.value.is_integer();
    const std::int64_t n = mop.value.payload();
    lowest = appends == 0 ? n : std::min(lowest, n);
    highest = appends == 0 ? n : std::max(highest, n);
    ++appends;
  }
  direct_ = integers && highest - lowest < static_cast<std::int64_t>(appends * 4 + 64);
  lowest_ = lowest;
  table_.assign(
      direct_ ? static_cast<std::size_t>(highest - lowest) + 1 : std::bit_ceil(appends * 2 + 2), 0);
  twice_ = kNobody;
  for (std::size_t i = 0; i < mops_.size(); ++i) {
    if (!mops_[i].append()) continue;
    auto& entry = table_[direct_ ? static_cast<std::size_t>(mops_[i].value.as_integer() - lowest_)
                                 : slot(mops_[i].value)];
    if (entry != 0 && twice_ == kNobody) twice_ = static_cast<std::int32_t>(i);
    if (entry == 0) entry = static_cast<std::int32_t>(i) + 1;
  }
}

std::int32_t KeyOrder::find(Value element) const {
  if (!direct_) return table_[slot(element)] - 1;
  if (!element.is_integer()) return kNobody;
  const std::int64_t at = element.as_integer() - lowest_;
  return at < 0 || at >= static_cast<std::int64_t>(table_.size())
             ? kNobody
             : table_[static_cast<std::size_t>(at)] - 1;
}

void KeyOrder::follow_longest() {
  longest_ = {};
  longest_mop_ = kNobody;
  for (std::size_t i = 0; i < mops_.size(); ++i) {
    if (!reads(mops_[i])) continue;
    const auto list = this->list(mops_[i]);
    if (list.size() > longest_.size()) {
      longest_ = list;
      longest_mop_ = static_cast<std::int32_t>(i);
    }
  }
  appender_.clear();
  first_at_.clear();
  state_at_.clear();
  position_.assign(mops_.size(), -1);
  std::vector<Value> strangers;  // elements that nobody appended, each once
  for (std::size_t i = 0; i < longest_.size(); ++i) {
    const std::int32_t mop = find(longest_[i]);
    bool again = mop != kNobody && position_[static_cast<std::size_t>(mop)] >= 0;
    if (mop == kNobody) {
      for (const Value seen : strangers) again = again || same(seen, longest_[i]);
      constexpr std::size_t kStrangers = 256;  // further ones pass for new each time
      if (!again && strangers.size() < kStrangers) strangers.push_back(longest_[i]);
    }
    if (again && state_at_.empty()) {
      state_at_.resize(i + 1);
      for (std::size_t k = 0; k <= i; ++k) state_at_[k] = static_cast<std::uint32_t>(k);
    }
    if (!again) {
      if (mop != kNobody)
        position_[static_cast<std::size_t>(mop)] = static_cast<std::int32_t>(appender_.size());
      appender_.push_back(mop);
      first_at_.push_back(static_cast<std::uint32_t>(i));
    }
    if (state_at_.empty()) continue;
    // A repeated element leads back to the state in which it was first the last.
    std::uint32_t state = static_cast<std::uint32_t>(appender_.size());
    if (again && mop != kNobody)
      state = static_cast<std::uint32_t>(position_[static_cast<std::size_t>(mop)]) + 1;
    else if (again)
      for (std::uint32_t p = 0; p < appender_.size(); ++p)
        if (appender_[p] == kNobody && same(element(p), longest_[i])) state = p + 1;
    state_at_.push_back(state);
  }
}

bool KeyOrder::prefix(std::span<const Value> list) const {
  if (list.size() > longest_.size()) return false;
  if (list.empty() || list.data() == longest_.data() ||
      std::memcmp(list.data(), longest_.data(), list.size_bytes()) == 0)
    return true;
  for (std::size_t i = 0; i < list.size(); ++i)
    if (!same(list[i], longest_[i])) return false;
  return true;
}

std::int32_t KeyOrder::state(std::span<const Value> list) const {
  if (list.empty()) return 0;
  if (prefix(list))
    return static_cast<std::int32_t>(state_at_.empty() ? list.size() : state_at_[list.size()]);
  const std::int32_t mop = find(list.back());
  if (mop == kNobody) return -1;
  const std::int32_t at = position_[static_cast<std::size_t>(mop)];
  return at < 0 ? -1 : at + 1;
}

}  // namespace gameday::txn
