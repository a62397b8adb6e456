#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <stdexcept>

#include "checkers/txn/list_append.h"
#include "checkers/txn/other_model.h"

namespace gameday::txn {
namespace {

// Tells names of micro-operations apart; nearly always they are the same few words.
class Words {
 public:
  explicit Words(const Values& values) : values_(values) {}
  bool is(Value f, std::string_view name, Value& known) const {
    if (f == known) return true;
    if (!f.is_text()) return false;
    std::string_view text = values_.text(f);
    if (!text.empty() && text[0] == ':') text.remove_prefix(1);
    if (text != name) return false;
    known = f;
    return true;
  }

 private:
  const Values& values_;
};

// As many micro-operations as the first calls have, for all, and a few more: growing would copy them.
std::size_t expected_mops(const Events& events) {
  const auto& pairs = events.pairs();
  const std::size_t few = std::min<std::size_t>(pairs.size(), 1000);
  std::size_t sample = 0;
  for (std::size_t i = 0; i < few; ++i)
    if (const Value v = events.value(pairs[i].invoke); v.is_sequence())
      sample += events.values().items(v).size();
  return few == 0 ? 0 : (sample + sample / 16) * (pairs.size() / few + 1);
}

}  // namespace

MopsByKey::MopsByKey(const Events& events, const Limits& limits)
    : events_(&events), keys_(events.values()) {
  const Values& values = events.values();
  const Words names(values);
  Value append = Value::boolean(true), read = append;  // words seen for them; no name yet
  Column<std::uint32_t> key_of;
  Column<Mop> found;
  const auto& pairs = events.pairs();
  const std::size_t expected = expected_mops(events);
  if (expected * 2 * (sizeof(Mop) + 4) < limits.memory_bytes / 2) {
    key_of.reserve(expected);
    found.reserve(expected);
  }
  const auto bad = [&](std::size_t row) {
    return std::runtime_error(fmt::format(
        "a transaction is a list of [:append key element] and [:r key list], and this is none: {}{}",
        events.describe(row), other_model(events)));
  };
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i % 0x10000 == 0) {
      if ((expired_ = limits.expired()) != nullptr) break;
      if (found.size() * 2 * (sizeof(Mop) + 4) > limits.memory_bytes) throw std::bad_alloc();
    }
    const Pair& pair = pairs[i];
    std::size_t row = pair.done >= 0 ? static_cast<std::size_t>(pair.done) : pair.invoke;
    if (events.value(row).is_nil()) row = pair.invoke;  // an answer without a value
    const Value txn = events.value(row);
    if (txn.is_nil()) continue;
    if (!txn.is_sequence()) throw bad(row);
    std::uint32_t place = 0;
    for (const Value mop : values.items(txn)) {
      if (!mop.is_sequence()) throw bad(row);
      const auto parts = values.items(mop);
      if (parts.size() < 2 || parts.size() > 3) throw bad(row);
      const bool appends = names.is(parts[0], "append", append);
      if (!appends && !names.is(parts[0], "r", read)) throw bad(row);
      const Value value = parts.size() == 3 ? parts[2] : Value();
      if (!appends && !value.is_nil() && !value.is_sequence()) throw bad(row);
      if (appends && parts.size() < 3) throw bad(row);
      key_of.push_back(static_cast<std::uint32_t>(keys_.id(parts[1])));
      found.push_back({value, static_cast<std::uint32_t>(i), place++ | (appends ? 1u << 31 : 0)});
    }
  }
  // A counting sort by key, which keeps the order within a key.
  starts_.assign(keys_.size() + 2, 0);
  for (const auto k : key_of) ++starts_[k + 2];
  for (std::size_t k = 2; k < starts_.size(); ++k) starts_[k] += starts_[k - 1];
  mops_.resize(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) mops_[starts_[key_of[i] + 1]++] = found[i];
  starts_.pop_back();
}

}  // namespace gameday::txn
