#include "checkers/txn/registers.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "checkers/txn/other_model.h"

namespace gameday::txn {
namespace {

constexpr std::size_t kAlone = 1 << 14;  // calls that are not worth a second thread
constexpr std::size_t kMostThreads = 8;

}  // namespace

void Registers::Range::add(const Range& other) {
  low = std::min(low, other.low);
  high = std::max(high, other.high);
  writes += other.writes;
}

// The calls of a thread, decoded. Until they are numbered, the version of a micro-operation is its
// value itself, as long as all values are small integers; else `words` has them.
class Registers::Part {
 public:
  explicit Part(const Events& events) : keys(events.values()), events_(events) {}

  void decode(std::size_t first, std::size_t last, const Limits& limits) {
    reserve(first, last, limits);
    for (std::size_t i = first; i < last; ++i) {
      if (i % 65536 == 0)
        if (const char* why = limits.expired()) throw std::runtime_error(why);
      const Pair& p = events_.pairs()[i];
      const bool ok = p.outcome == OpType::ok;
      const std::size_t row = ok ? static_cast<std::size_t>(p.done) : p.invoke;
      const Value value = events_.value(row);
      if (!value.is_sequence()) {
        if (value.is_nil() && !ok) continue;  // it did not say what it would do
        throw std::invalid_argument(
            fmt::format("a transaction is a vector of micro-operations, and this is none: {}{}",
                        events_.describe(row), other_model(events_)));
      }
      for (const Value mop : events_.values().items(value)) add(mop, ok, row);
      pairs.push_back(static_cast<std::uint32_t>(i));
      outcomes.push_back(p.outcome);
      ends.push_back(mops.size());
    }
  }

  // Values of any kind from here on.
  void widen() {
    wide = true;
    words.reserve(mops.capacity());
    for (const RwMop& m : mops)
      words.push_back(m.version == kInitial ? Value() : Value::integer(m.version));
  }

  Dense keys;
  Column<std::uint32_t> pairs;
  Column<OpType> outcomes;
  Column<std::uint64_t> ends;
  Column<RwMop> mops;
  Column<Value> words;
  bool wide = false;
  std::vector<Range> ranges;  // by key

 private:
  // As many micro-operations as the first calls have, for all: growing would copy them.
  void reserve(std::size_t first, std::size_t last, const Limits& limits) {
    const auto& all = events_.pairs();
    pairs.reserve(last - first);
    outcomes.reserve(last - first);
    ends.reserve(last - first);
    const std::size_t few = std::min<std::size_t>(last - first, 1000);
    std::size_t sample = 0;
    for (std::size_t i = first; i < first + few; ++i)
      if (const Value v = events_.value(all[i].invoke); v.is_sequence())
        sample += events_.values().items(v).size();
    const std::size_t expected = few == 0 ? 0 : sample * ((last - first) / few + 1);
    if (expected * sizeof(RwMop) < limits.memory_bytes / 8) mops.reserve(expected);
  }

  [[noreturn]] void bad(Value mop, std::size_t row) const {
    throw std::invalid_argument(
        fmt::format("{} is neither [:r key value] nor [:w key value] in {}{}", events_.values().edn(mop),
                    events_.describe(row), other_model(events_)));
  }

  bool writes(Value mop, Value name, std::size_t row) {
    if (name == write_word_) return true;
    if (name == read_word_) return false;
    const std::string_view f = events_.values().text(name);
    const bool write = f == "w" || f == "write";
    if (!write && f != "r" && f != "read") bad(mop, row);
    (write ? write_word_ : read_word_) = name;
    return write;
  }

  void add(Value mop, bool reads, std::size_t row) {
    if (!mop.is_sequence()) bad(mop, row);
    const auto items = events_.values().items(mop);
    if (items.size() < 2 || items.size() > 3 || !items[0].is_text()) bad(mop, row);
    const bool write = writes(mop, items[0], row);
    if (!write && !reads) return;
    const Value word = items.size() == 3 ? items[2] : Value();
    if (write && word.is_nil()) bad(mop, row);
    const auto key = static_cast<std::uint32_t>(keys.id(items[1]));
    Version small = kInitial;
    if (!word.is_nil() && !wide) {
      if (word.is_integer() && word.as_integer() >= 0 && word.as_integer() < kLargest)
        small = static_cast<Version>(word.as_integer());
      else
        widen();
    }
    if (write) {
      if (key >= ranges.size()) ranges.resize(std::max<std::size_t>(key + 1, 2 * ranges.size()));
      if (!wide) ranges[key].add(small);
    }
    mops.push_back({key & 0x7fffffffu, write, small});
    if (wide) words.push_back(word);
  }

  static constexpr std::int64_t kLargest = std::numeric_limits<Version>::max();
  const Events& events_;
  Value read_word_, write_word_;  // as they were last seen
};

// Which number a value of a key has. Test harnesses count values up, a key or all keys at once, so
// that most numbers follow from the value; anything else is hashed.
class Registers::Numbers {
 public:
  explicit Numbers(Registers& r) : r_(r), wide_(!r.words_.empty()), raw_(std::move(r.words_)) {
    r.words_ = {};
    if (wide_ || (!by_key() && !by_value())) r_.ranges_.clear();
    r_.written_.assign(r_.in_ranges_, {kWriterMask, kNone});
  }

  // By range; kInitial: it has no number there, or another key has it.
  Version in_range(RwMop m) const {
    if (r_.in_ranges_ == 0) return kInitial;
    const Range& range = r_.ranges_[per_key_ ? m.key : 0];
    if (!range.has(m.version)) return kInitial;
    const Version v = range.first + (m.version - range.low);
    const std::uint32_t key = r_.written_[index(v)].key;
    return key == m.key || key == kNone ? v : kInitial;
  }

  // The number of the value of micro-operation m, which in_range() does not know; a new one is
  // written by nobody.
  Version hashed(std::size_t m) {
    const std::uint32_t key = r_.mops_[m].key;
    const Value word = wide_ ? raw_[m] : Value::integer(r_.mops_[m].version);
    if (r_.words_.size() * 2 >= table_.size()) grow();
    Version& slot = table_[find(key, word)];
    if (slot == kInitial) {
      if (r_.written_.size() >= kWriterMask) throw std::bad_alloc();
      slot = static_cast<Version>(r_.written_.size());
      r_.written_.push_back({kWriterMask, key});
      r_.words_.push_back(word);
    }
    return slot;
  }

  // Whether micro-operation m has a value at all.
  bool has(std::size_t m) const {
    return wide_ ? !raw_[m].is_nil() : r_.mops_[m].version != kInitial;
  }

 private:
  bool by_key() {
    std::size_t size = 0, writes = 0;
    for (Range& range : r_.ranges_) {
      if (!range.dense()) return false;
      range.first = static_cast<std::int32_t>(size);
      size += range.width();
      writes += range.writes;
      if (size >= kWriterMask) return false;
    }
    if (size > writes * 4 + 1024) return false;
    r_.in_ranges_ = size;
    per_key_ = true;
    return size > 0;
  }

  bool by_value() {
    Range all;
    for (const Range& range : r_.ranges_) all.add(range);
    if (all.writes == 0 || !all.dense() || all.width() >= kWriterMask) return false;
    r_.ranges_ = {all};
    r_.in_ranges_ = all.width();
    return true;
  }

  std::size_t find(std::uint32_t key, Value word) const {
    const std::uint64_t h = word.is_collection() ? r_.events_->values().hash(word) : word.bits();
    std::uint64_t mixed = (h + key * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
    mixed ^= mixed >> 32;
    std::size_t i = static_cast<std::size_t>(mixed * 0xc4ceb9fe1a85ec53u >> 20);
    for (;; ++i) {
      const Version v = table_[i & (table_.size() - 1)];
      if (v == kInitial || (r_.key_of(v) == key && r_.events_->values().equal(r_.word(v), word)))
        return i & (table_.size() - 1);
    }
  }

  void grow() {
    table_.assign(std::max<std::size_t>(64, table_.size() * 4), kInitial);
    for (std::size_t v = r_.in_ranges_; v < r_.written_.size(); ++v)
      table_[find(r_.written_[v].key, r_.word(static_cast<Version>(v)))] = static_cast<Version>(v);
  }

  Registers& r_;
  bool wide_, per_key_ = false;
  Column<Value> raw_;
  Column<Version> table_;
};

Registers::Registers(const Events& events, const Limits& limits)
    : events_(&events), keys_(events.values()) {
  {
    std::vector<Part> parts;
    decode(limits, parts);
    join(parts);
  }
  if (pairs_.size() >= kWriterMask) throw std::invalid_argument("more than a billion transactions");
  Numbers numbers(*this);
  number_writes(numbers, limits);
  number_reads(numbers, limits);
}

void Registers::decode(const Limits& limits, std::vector<Part>& parts) {
  const std::size_t calls = events_->pairs().size();
  const std::size_t count =
      calls < kAlone ? 1 : std::clamp<std::size_t>(limits.threads, 1, kMostThreads);
  for (std::size_t i = 0; i < count; ++i) parts.emplace_back(*events_);
  in_parts(count, [&](std::size_t i) {
    parts[i].decode(calls * i / count, calls * (i + 1) / count, limits);
  });
}

// One after the other: keys are numbered by the first part that has them.
void Registers::join(std::vector<Part>& parts) {
  const bool wide = std::any_of(parts.begin(), parts.end(), [](const Part& p) { return p.wide; });
  std::size_t calls = 0, mops = 0;
  for (Part& part : parts) {
    if (wide && !part.wide) part.widen();
    calls += part.pairs.size();
    mops += part.mops.size();
  }
  firsts_.reserve(calls + 1);
  firsts_.push_back(0);
  pairs_ = std::move(parts[0].pairs);
  outcomes_ = std::move(parts[0].outcomes);
  firsts_.insert(firsts_.end(), parts[0].ends.begin(), parts[0].ends.end());
  mops_ = std::move(parts[0].mops);
  words_ = std::move(parts[0].words);
  mops_.reserve(mops);
  for (const Part& part : parts) {
    std::vector<std::uint32_t> key_of(part.keys.size());
    for (std::size_t k = 0; k < key_of.size(); ++k)
      key_of[k] = static_cast<std::uint32_t>(keys_.id(part.keys.value(static_cast<std::int32_t>(k))));
    ranges_.resize(keys_.size());
    for (std::size_t k = 0; k < std::min(part.ranges.size(), key_of.size()); ++k)
      ranges_[key_of[k]].add(part.ranges[k]);
    if (&part == &parts[0]) continue;
    const std::uint64_t before = mops_.size();
    for (const RwMop& m : part.mops)
      mops_.push_back({key_of[m.key] & 0x7fffffffu, m.write, m.version});
    for (const std::uint64_t end : part.ends) firsts_.push_back(before + end);
    words_.insert(words_.end(), part.words.begin(), part.words.end());
    pairs_.insert(pairs_.end(), part.pairs.begin(), part.pairs.end());
    outcomes_.insert(outcomes_.end(), part.outcomes.begin(), part.outcomes.end());
  }
}

void Registers::number_writes(Numbers& numbers, const Limits& limits) {
  std::vector<Version> last(keys(), kInitial);  // of the transaction `by`
  std::vector<Node> by(keys(), kNone);
  for (Node t = 0; t < size(); ++t) {
    if (t % 65536 == 0)
      if (const char* why = limits.expired()) throw std::runtime_error(why);
    for (std::uint64_t m = firsts_[t]; m < firsts_[t + 1]; ++m) {
      if (mops_[m].is_read()) continue;
      number_write(numbers, t, m);
      const auto [key, write, v] = mops_[m];
      if (by[key] == t && last[key] != v && writer(last[key]) == t)
        written_[index(last[key])].writer |= kIntermediate;
      // Written again: the last one after all.
      if (writer(v) == t) written_[index(v)].writer &= ~kIntermediate;
      by[key] = t;
      last[key] = v;
    }
  }
}

void Registers::number_write(Numbers& numbers, Node t, std::size_t m) {
  Version v = numbers.in_range(mops_[m]);
  if (v == kInitial) v = numbers.hashed(m);
  mops_[m].version = v;
  Written& w = written_[index(v)];
  const Node other = writer(v);
  if (other == kWriterMask || (failed(other) && !failed(t))) {
    w = {t, mops_[m].key};
  } else if (other != t && !failed(t)) {
    w.writer |= kAmbiguous;
    if (unknowns_.empty())
      unknowns_.push_back(fmt::format("{} is written to key {} more than once, by {} and {}",
                                      value_text(v), key_text(mops_[m].key), op(other), op(t)));
  }
}

// Those that were written, several at a time; then the others, which get numbers of their own.
void Registers::number_reads(Numbers& numbers, const Limits& limits) {
  const std::size_t count = in_ranges_ == 0 || size() < kAlone
                                ? 1
                                : std::clamp<std::size_t>(limits.threads, 1, kMostThreads);
  std::vector<Column<std::uint64_t>> left(count);
  in_parts(count, [&](std::size_t part) {
    for (std::size_t m = mops_.size() * part / count; m < mops_.size() * (part + 1) / count; ++m) {
      if (!mops_[m].is_read() || !numbers.has(m)) continue;
      const Version v = numbers.in_range(mops_[m]);
      if (v == kInitial || never_written(v))
        left[part].push_back(m);
      else
        mops_[m].version = v;
    }
  });
  for (const auto& part : left)
    for (std::size_t i = 0; i < part.size(); ++i) {
      if (i % 65536 == 0)
        if (const char* why = limits.expired()) throw std::runtime_error(why);
      mops_[part[i]].version = numbers.hashed(part[i]);
    }
}

Value Registers::word(Version v) const {
  if (index(v) >= in_ranges_) return words_[index(v) - in_ranges_];
  const Range& range = ranges_.size() == 1 ? ranges_[0] : ranges_[key_of(v)];
  return Value::integer(std::int64_t{range.low} + (v - range.first));
}

std::string Registers::key_text(std::uint32_t key) const { return events_->values().edn(key_value(key)); }

std::string Registers::value_text(Version v) const {
  return v == kInitial ? "nil" : events_->values().edn(word(v));
}

Json Registers::value_json(Version v) const {
  return v == kInitial ? Json() : events_->values().json(word(v));
}

std::string Registers::mop_text(const RwMop& m) const {
  return fmt::format("[{} {} {}]", m.write ? ":w" : ":r", key_text(m.key), value_text(m.version));
}

std::size_t Registers::bytes() const {
  return pairs_.capacity() * 5 + firsts_.capacity() * 8 + mops_.capacity() * 8 +
         written_.capacity() * 8 + words_.capacity() * 8;
}

}  // namespace gameday::txn
