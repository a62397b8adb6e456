// Values of a history, eight bytes each: what an operation was given or answered, in any of the
// formats that histories come in (EDN is the richest: github.com/edn-format/edn). Numbers, nil and
// booleans live in the word itself; text is interned; collections are spans of words in one flat
// arena, so that a billion of them is a few gigabytes and no allocation each.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/core/json.h"

namespace gameday {

class Value {
 public:
  enum class Kind : std::uint8_t {
    nil, boolean, integer, real,
    big,                            // a number that does not fit into an integer: its text
    string, keyword, symbol, character,
    vector, list, set, map, tagged  // collections; tagged is two items: the tag's symbol, a value
  };

  constexpr Value() = default;  // nil
  constexpr Value(Kind kind, std::int64_t payload)
      : bits_(static_cast<std::uint64_t>(payload) << 4 | static_cast<std::uint64_t>(kind)) {}
  static constexpr Value boolean(bool b) { return {Kind::boolean, b}; }
  // Only for numbers that fits(); others are `big`.
  static constexpr Value integer(std::int64_t n) { return {Kind::integer, n}; }
  static constexpr bool fits(std::int64_t n) { return n >= -kLimit && n < kLimit; }

  constexpr Kind kind() const { return static_cast<Kind>(bits_ & 15); }
  constexpr bool is_nil() const { return bits_ == 0; }
  constexpr bool is_integer() const { return kind() == Kind::integer; }
  constexpr bool is_text() const { return kind() >= Kind::big && kind() <= Kind::character; }
  constexpr bool is_collection() const { return kind() >= Kind::vector; }
  constexpr bool is_sequence() const { return kind() == Kind::vector || kind() == Kind::list; }
  constexpr std::int64_t payload() const { return static_cast<std::int64_t>(bits_) >> 4; }
  constexpr std::int64_t as_integer() const { return payload(); }
  constexpr std::uint64_t bits() const { return bits_; }
  // The same word: equality for everything but collections, whose content Values::equal compares.
  constexpr bool operator==(const Value&) const = default;

 private:
  static constexpr std::int64_t kLimit = std::int64_t{1} << 59;
  std::uint64_t bits_ = 0;
};
static_assert(sizeof(Value) == 8);

// Owns the text and the collections that Values point to. Filled by one Writer a thread; read by
// any number of threads once nobody writes.
class Values {
 public:
  Values();
  ~Values();
  Values(const Values&) = delete;
  Values& operator=(const Values&) = delete;

  // What a text kind says: a string without quotes, a keyword without its colon. Interned: two equal
  // texts of one kind are the same word.
  std::string_view text(Value v) const { return text_slot(static_cast<std::size_t>(v.payload())); }
  double real(Value v) const;      // of a real, an integer or a big
  // Items of a vector, list, set or tagged value; of a map: key, value, key, value, ...
  std::span<const Value> items(Value v) const {
    const Value* at = cells_ + v.payload();
    return {at + 1, static_cast<std::size_t>(at->payload())};
  }
  // The value of a map's key by the key's text, whether keyword or string; nil where there is none.
  Value get(Value map, std::string_view key) const;
  // A keyword, string or symbol with this text.
  bool says(Value v, std::string_view t) const;

  // By content, as Clojure's =: a vector equals a list of the same items, sets and maps regardless
  // of order; 1 is not 1.0, and :a is not "a".
  bool equal(Value a, Value b) const;
  std::size_t hash(Value v) const;  // equal values have equal hashes

  std::string edn(Value v) const;   // for people; as EDN prints it
  Json json(Value v) const;         // sets and lists become arrays, keywords strings

  std::size_t bytes() const;        // committed for collections, for figures of memory

  // Adds values. Not shared between threads; any number of them may write at once.
  class Writer;

  // One that a single thread may use without making a Writer: for tests and small additions.
  Writer& writer();

 private:
  friend class Writer;
  std::int64_t intern(std::string_view text);         // locked
  std::int64_t take_cells(std::size_t n);             // locked; throws std::bad_alloc

  Value* cells_ = nullptr;  // reserved address space, committed as it is taken
  std::size_t reserved_ = 0, committed_ = 0, taken_ = 0;  // in cells
  std::mutex mutex_;
  // Tables that double in size and never move, so that a text can be read while others are added.
  std::string_view& text_slot(std::size_t id) const {
    const std::size_t n = id + kFirstTexts;
    const auto table = static_cast<std::size_t>(std::bit_width(n)) - std::bit_width(kFirstTexts);
    return texts_[table][n - (kFirstTexts << table)];
  }
  static constexpr std::size_t kFirstTexts = 64;
  std::array<std::unique_ptr<std::string_view[]>, 48> texts_;
  std::size_t text_count_ = 0;
  std::unordered_map<std::string_view, std::int64_t> text_ids_;
  std::vector<std::unique_ptr<char[]>> text_blocks_;
  std::size_t text_left_ = 0;
  char* text_next_ = nullptr;
  std::unique_ptr<Writer> writer_;
};

class Values::Writer {
 public:
  explicit Writer(Values& values) : values_(values) {}

  Value integer(std::int64_t n);  // `big` where it does not fit
  Value real(double d);
  Value string(std::string_view t) { return {Value::Kind::string, intern(t)}; }
  Value keyword(std::string_view t) { return {Value::Kind::keyword, intern(t)}; }
  Value symbol(std::string_view t) { return {Value::Kind::symbol, intern(t)}; }
  Value character(std::string_view t) { return {Value::Kind::character, intern(t)}; }
  Value big(std::string_view t) { return {Value::Kind::big, intern(t)}; }
  // A text of up to eight bytes, which are the first of `word`; the others of it are 0.
  Value short_string(std::uint64_t word, std::size_t size, const char* text) {
    return {Value::Kind::string, intern_short(word, size, text)};
  }
  Value short_keyword(std::uint64_t word, std::size_t size, const char* text) {
    return {Value::Kind::keyword, intern_short(word, size, text)};
  }
  Value collection(Value::Kind kind, std::span<const Value> items) {
    const std::size_t n = items.size();
    if (n >= left_) return collection_elsewhere(kind, items);
    const std::int64_t at = next_;
    next_ += static_cast<std::int64_t>(n + 1);
    left_ -= n + 1;
    Value* const to = values_.cells_ + at;
    to[0] = Value::integer(static_cast<std::int64_t>(n));
    for (std::size_t i = 0; i < n; ++i) to[i + 1] = items[i];
    return {kind, at};
  }
  Value vector(std::span<const Value> items) { return collection(Value::Kind::vector, items); }
  Value vector(std::initializer_list<Value> items) {
    return vector(std::span(items.begin(), items.size()));
  }
  Value from_json(const Json& json);

  const Values& values() const { return values_; }

  // Takes back the collections since mark(), which nobody may have kept.
  struct Mark {
    std::int64_t next = 0;
    std::size_t left = 0;
  };
  Mark mark() const { return {next_, left_}; }
  void rewind(const Mark& mark) {
    // Only within its block: what is left of an earlier one is not worth it.
    if (next_ - mark.next != static_cast<std::int64_t>(mark.left) - static_cast<std::int64_t>(left_)) return;
    next_ = mark.next;
    left_ = mark.left;
  }

 private:
  std::int64_t intern(std::string_view t);
  std::int64_t intern_long(std::string_view t);
  std::int64_t intern_short(std::uint64_t word, std::size_t size, const char* text) {
    Short& known = short_[(word * 0x9e3779b97f4a7c15 + size) >> 58];
    if (known.word != word || known.size != size || known.id < 0)
      known = {word, size, intern_long({text, size})};
    return known.id;
  }
  Value collection_elsewhere(Value::Kind kind, std::span<const Value> items);

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view t) const { return std::hash<std::string_view>{}(t); }
  };
  Values& values_;
  std::int64_t next_ = 0;
  std::size_t left_ = 0;
  struct Short {  // a text of up to eight bytes
    std::uint64_t word = 0;
    std::size_t size = 0;
    std::int64_t id = -1;
  };
  std::array<Short, 64> short_{};  // by hash; what came last
  // What this thread has interned before; the keys live in values_.
  std::unordered_map<std::string_view, std::int64_t> seen_;
};

// Numbers values densely from 0 in the order of first sight, by content: what a checker indexes its
// columns with. Integers, where they are small and dense, cost one array look-up.
class Dense {
 public:
  explicit Dense(const Values& values) : values_(values) {}
  std::int32_t id(Value v);           // adds it
  std::int32_t find(Value v) const;   // -1: never seen
  Value value(std::int32_t id) const { return seen_[static_cast<std::size_t>(id)]; }
  std::size_t size() const { return seen_.size(); }
  void reserve(std::size_t n);

 private:
  std::size_t slot(Value v) const;    // in table_
  void grow(std::size_t slots);

  const Values& values_;
  std::vector<Value> seen_;
  std::vector<std::int32_t> small_;   // id + 1 of the integers from 0 on; as long as it stays dense
  std::vector<std::int32_t> table_;   // open addressing: id + 1, 0 is free
};

}  // namespace gameday
