#include "checkers/txn/registers.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace gameday::txn {

// Where a value of a key is numbered. Test harnesses count values up, a key or all keys at once, so
// that a table by value serves; anything else is hashed.
class Registers::Slots {
 public:
  Slots(const Registers& r) : r_(r) {
    if (!by_key() && !by_value()) {
      std::size_t writes = 16;
      for (const RwMop& m : r.mops_) writes += m.write;
      std::size_t size = 64;
      while (size < writes * 2) size *= 2;
      table_.assign(size, kFree);
      used_ = 0;
      mode_ = Mode::hash;
    }
  }

  // The number of the value at micro-operation m; kFree: it has none. To be set through the
  // reference, before the next call.
  Version& at(std::size_t m) {
    const std::uint32_t key = r_.mops_[m].key;
    const Value word = r_.words_[m];
    if (mode_ == Mode::hash) return hashed(key, word);
    if (!word.is_integer()) return elsewhere(key, word);
    const std::int64_t v = word.as_integer();
    if (mode_ == Mode::by_key) {
      const Range& range = ranges_[key];
      if (v < range.low || v > range.high) return elsewhere(key, word);
      return table_[range.first + static_cast<std::size_t>(v - range.low)];
    }
    if (v < all_.low || v > all_.high) return elsewhere(key, word);
    Version& slot = table_[static_cast<std::size_t>(v - all_.low)];
    if (slot == kFree || r_.mops_[r_.places_[index(slot)]].key == key) return slot;
    return elsewhere(key, word);
  }

  static constexpr Version kFree = -1;

 private:
  enum class Mode { by_key, by_value, hash };
  struct Range {
    std::int64_t low = std::numeric_limits<std::int64_t>::max();
    std::int64_t high = std::numeric_limits<std::int64_t>::min();
    std::size_t writes = 0, first = 0;
    void add(std::int64_t v) {
      low = std::min(low, v);
      high = std::max(high, v);
      ++writes;
    }
    std::size_t width() const { return writes == 0 ? 0 : static_cast<std::size_t>(high - low) + 1; }
    bool dense() const { return width() <= writes * 4 + 64; }
  };

  bool by_key() {
    ranges_.resize(r_.keys_.size());
    for (std::size_t m = 0; m < r_.mops_.size(); ++m) {
      if (r_.mops_[m].is_read()) continue;
      if (!r_.words_[m].is_integer()) return false;
      ranges_[r_.mops_[m].key].add(r_.words_[m].as_integer());
      all_.add(r_.words_[m].as_integer());
    }
    std::size_t size = 0;
    for (Range& range : ranges_) {
      if (!range.dense()) return false;
      range.first = size;
      size += range.width();
    }
    if (size > all_.writes * 4 + 1024) return false;
    table_.assign(size, kFree);
    mode_ = Mode::by_key;
    return true;
  }

  bool by_value() {
    if (all_.writes == 0 || !all_.dense()) return false;
    for (std::size_t m = 0; m < r_.mops_.size(); ++m)
      if (!r_.mops_[m].is_read() && !r_.words_[m].is_integer()) return false;
    table_.assign(all_.width(), kFree);
    mode_ = Mode::by_value;
    return true;
  }

  // A value outside the tables: the few that a table by value has no place for.
  Version& elsewhere(std::uint32_t key, Value word) {
    if (others_.empty()) others_.assign(64, kFree);
    return probe(others_, others_used_, key, word);
  }
  Version& hashed(std::uint32_t key, Value word) { return probe(table_, used_, key, word); }

  std::size_t hash(std::uint32_t key, Value word) const {
    const std::uint64_t h = word.is_collection() ? r_.events_->values().hash(word) : word.bits();
    std::uint64_t mixed = (h + key * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    mixed ^= mixed >> 32;
    return static_cast<std::size_t>(mixed * 0xc4ceb9fe1a85ec53u >> 20);
  }

  Version& probe(std::vector<Version>& table, std::size_t& used, std::uint32_t key, Value word) {
    if (used * 2 >= table.size()) grow(table);
    for (std::size_t i = hash(key, word) & (table.size() - 1);; i = (i + 1) & (table.size() - 1)) {
      if (table[i] == kFree) {
        ++used;  // an over-count where the caller leaves it free: it only grows the table early
        return table[i];
      }
      const std::uint64_t place = r_.places_[index(table[i])];
      if (r_.mops_[place].key == key && r_.events_->values().equal(r_.words_[place], word))
        return table[i];
    }
  }

  void grow(std::vector<Version>& table) {
    std::vector<Version> old(table.size() * 2, kFree);
    old.swap(table);
    for (const Version v : old) {
      if (v == kFree) continue;
      const std::uint64_t place = r_.places_[index(v)];
      std::size_t i = hash(r_.mops_[place].key, r_.words_[place]) & (table.size() - 1);
      while (table[i] != kFree) i = (i + 1) & (table.size() - 1);
      table[i] = v;
    }
  }

  const Registers& r_;
  Mode mode_ = Mode::hash;
  std::vector<Range> ranges_;
  Range all_;
  std::vector<Version> table_, others_;
  std::size_t used_ = 0, others_used_ = 0;
};

Registers::Registers(const Events& events, const Limits& limits)
    : events_(&events), keys_(events.values()) {
  decode(limits);
  Slots slots(*this);
  number_writes(slots);
  number_reads(slots);
  mark_intermediate();
}

void Registers::decode(const Limits& limits) {
  const auto& pairs = events_->pairs();
  pairs_.reserve(pairs.size());
  outcomes_.reserve(pairs.size());
  firsts_.reserve(pairs.size() + 1);
  firsts_.push_back(0);
  // As many micro-operations as the first calls have, for all: growing would copy them.
  std::size_t sample = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(pairs.size(), 1000); ++i)
    if (const Value v = events_->value(pairs[i].invoke); v.is_sequence())
      sample += events_->values().items(v).size();
  const std::size_t expected = sample * (pairs.size() / 1000 + 1);
  if (expected * (sizeof(RwMop) + sizeof(Value)) < limits.memory_bytes / 2) {
    mops_.reserve(expected);
    words_.reserve(expected);
  }
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i % 65536 == 0)
      if (const char* why = limits.expired()) throw std::runtime_error(why);
    const Pair& p = pairs[i];
    const bool ok = p.outcome == OpType::ok;
    const std::size_t row = ok ? static_cast<std::size_t>(p.done) : p.invoke;
    const Value value = events_->value(row);
    if (!value.is_sequence()) {
      if (value.is_nil() && !ok) continue;  // it did not say what it would do
      throw std::invalid_argument(fmt::format("a transaction is a vector of micro-operations: {}",
                                              events_->describe(row)));
    }
    decode_call(value, ok, row);
    pairs_.push_back(static_cast<std::uint32_t>(i));
    outcomes_.push_back(p.outcome);
    firsts_.push_back(mops_.size());
  }
  if (pairs_.size() >= kWriterMask) throw std::invalid_argument("more than a billion transactions");
}

void Registers::decode_call(Value value, bool reads, std::size_t row) {
  const Values& values = events_->values();
  for (const Value mop : values.items(value)) {
    const auto bad = [&] {
      throw std::invalid_argument(
          fmt::format("{} is neither [:r key value] nor [:w key value] in {}", values.edn(mop),
                      events_->describe(row)));
    };
    if (!mop.is_sequence()) bad();
    const auto items = values.items(mop);
    if (items.size() < 2 || items.size() > 3 || !items[0].is_text()) bad();
    if (items[0] != write_word_ && items[0] != read_word_) {
      const std::string_view f = values.text(items[0]);
      if (f == "w" || f == "write") {
        write_word_ = items[0];
      } else if (f == "r" || f == "read") {
        read_word_ = items[0];
      } else {
        bad();
      }
    }
    const bool writes = items[0] == write_word_;
    if (!writes && !reads) continue;
    const Value word = items.size() == 3 ? items[2] : Value();
    if (writes && word.is_nil()) bad();
    mops_.push_back({static_cast<std::uint32_t>(keys_.id(items[1])) & 0x7fffffffu, writes,
                     kInitial});
    words_.push_back(word);
  }
}

void Registers::number_writes(Slots& slots) {
  for (Node t = 0; t < size(); ++t) {
    for (std::uint64_t m = firsts_[t]; m < firsts_[t + 1]; ++m) {
      if (mops_[m].is_read()) continue;
      Version& v = slots.at(m);
      if (v == Slots::kFree) {
        v = static_cast<Version>(writers_.size());
        writers_.push_back(t);
        places_.push_back(m);
      } else if (const Node other = writer(v); other != t && !failed(t)) {
        if (failed(other)) {
          writers_[index(v)] = t;
        } else {
          writers_[index(v)] |= kAmbiguous;
          if (unknowns_.empty())
            unknowns_.push_back(fmt::format("{} is written to key {} more than once, by {} and {}",
                                            value_text(v), key_text(mops_[m].key), op(other), op(t)));
        }
      }
      mops_[m].version = v;
    }
  }
}

void Registers::number_reads(Slots& slots) {
  for (std::uint64_t m = 0; m < mops_.size(); ++m) {
    if (!mops_[m].is_read() || words_[m].is_nil()) continue;
    Version& v = slots.at(m);
    if (v == Slots::kFree) {
      v = static_cast<Version>(writers_.size());
      writers_.push_back(kWriterMask);
      places_.push_back(m);
    }
    mops_[m].version = v;
  }
}

void Registers::mark_intermediate() {
  std::vector<Version> last(keys(), kInitial);
  std::vector<Node> by(keys(), kNone);
  for (Node t = 0; t < size(); ++t) {
    for (std::uint64_t m = firsts_[t + 1]; m-- > firsts_[t];) {
      const RwMop mop = mops_[m];
      if (mop.is_read()) continue;
      if (by[mop.key] != t) {
        by[mop.key] = t;
        last[mop.key] = mop.version;
      } else if (last[mop.key] != mop.version && writer(mop.version) == t) {
        writers_[index(mop.version)] |= kIntermediate;
      }
    }
  }
}

std::string Registers::key_text(std::uint32_t key) const { return events_->values().edn(key_value(key)); }

std::string Registers::value_text(Version v) const {
  return v == kInitial ? "nil" : events_->values().edn(words_[places_[index(v)]]);
}

Json Registers::value_json(Version v) const {
  return v == kInitial ? Json() : events_->values().json(words_[places_[index(v)]]);
}

std::string Registers::mop_text(const RwMop& m) const {
  return fmt::format("[{} {} {}]", m.write ? ":w" : ":r", key_text(m.key), value_text(m.version));
}

std::size_t Registers::bytes() const {
  return pairs_.capacity() * 5 + firsts_.capacity() * 8 + mops_.capacity() * 16 +
         writers_.capacity() * 12;
}

}  // namespace gameday::txn
