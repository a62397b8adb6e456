// Scanners of JSON and EDN: from text to values, and from an op's map to a row. Private to the readers.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "checkers/events/assembly.h"
#include "checkers/events/events.h"

namespace gameday::reading {

constexpr int kMaxDepth = 200;

inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }  // within a line

// What is wrong, and where; `at` points into the text that was being read.
struct Fault {
  const char* at = nullptr;  // nullptr: nothing is wrong
  std::string expected;
};

// The keys of an op that have columns of their own; `key` is the key of a key-value store's log.
enum class OpKey { index, time, process, type, f, value, key, other };
OpKey op_key(std::string_view text);

// What stands between the values of an op.
struct Shape {
  static constexpr std::size_t kKeys = 16;
  struct Literal {
    Literal() = default;
    explicit Literal(std::string_view text);
    bool at(const char* p) const;
    std::uint64_t words[5] = {};
    std::uint64_t last = 0;  // the bits of the last word that count
    std::size_t size = 0, count = 0;
  };
  struct Key {
    Literal before;  // what stands before the value: the key, and what is between it and the value before
    OpKey which;
    Value name;          // of a key without a column of its own
    std::size_t digits;  // of the number before, where it is one
  };
  // False: it cannot be remembered.
  bool learn(OpKey which, Value name, std::string_view before);

  std::vector<Key> keys;
  Literal tail;
  bool whole = false;  // it may be used
};
// What a text has behind its end, so that words can be read there.
constexpr std::size_t kPadding = 64;

// Reads one text after another; every function that returns bool returns false when the text is not
// as it must be, and then fault() says why.
class Scanner {
 public:
  // Rows get their names from `rows` and their values from `writer`.
  Scanner(Events& rows, Values::Writer& writer, bool json) : rows_(rows), writer_(writer), json_(json) {}
  virtual ~Scanner() = default;

  void start(const char* at, const char* end) {
    at_ = at;
    end_ = end;
    fault_ = {};
    depth_ = 0;
    stack_.clear();
  }
  const char* at() const { return at_; }
  const char* end() const { return end_; }
  bool at_end() const { return at_ == end_; }
  void move_to(const char* at) { at_ = at; }
  const Fault& fault() const { return fault_; }
  bool wrong(const char* at, std::string_view expected) {
    fault_ = {at, std::string(expected)};
    return false;
  }

  virtual bool skip() = 0;         // what may stand between two values
  virtual bool value(Value& v) = 0;
  // An op's map; at_ is at its first byte.
  bool op(Events::Row& row) { return quick(row) || slow_op(row); }
  // Makes rows of a key-value store's log: their value becomes [key value].
  void take_keys(bool on) { keyed_ = on; }

  Values::Writer& writer() { return writer_; }
  Events& rows() { return rows_; }

 protected:
  // A value whose text, if it has one, is not interned.
  struct Atom {
    const char* at = nullptr;
    bool is_text = false;
    std::string_view text;  // until the next text is read
    Value value;
  };
  virtual bool atom(Atom& a) = 0;
  virtual bool slow_op(Events::Row& row) = 0;

  // The value of one key of an op's map.
  bool field(OpKey which, std::string_view key, Value::Kind key_kind, Events::Row& row);
  bool read_field(OpKey which, std::string_view key, Value::Kind key_kind, Events::Row& row);
  bool begin_op(Events::Row& row);
  bool end_op(const char* begin, Events::Row& row);
  bool again(OpKey which) const { return (seen_ & 1u << static_cast<unsigned>(which)) != 0; }

  bool deeper() { return ++depth_ <= kMaxDepth || wrong(at_, "at most 200 levels of nesting"); }
  // An integer of decimal digits, `big` where it does not fit.
  Value decimal(bool negative, const char* digits, const char* end);
  bool valid_utf8(std::string_view text);  // or a fault at its first wrong byte
  // Four hexadecimal digits at p; -1: they are not there.
  static int hex4(const char* p, const char* end);
  static void append_utf8(std::string& out, unsigned code);

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::vector<Value> stack_;  // items of the collections that are open
  std::string scratch_;       // a text with escapes

 private:
  bool quick(Events::Row& row);
  bool quick_op(Shape& shape, Events::Row& row);
  bool quick_text(const char*& p, std::string_view& text) const;
  bool quick_value(const char*& p, Value& v);
  bool quick_atom(const char*& p, Value& v);
  bool quick_vector(const char*& p, Value& v);
  static bool quick_type(std::string_view text, OpType& type);
  Events::Name quick_name(std::string_view text);
  bool process_field(const Atom& a, Events::Row& row);
  bool number_field(OpKey which, const Atom& a, Value::Kind key_kind, Events::Row& row);

  Events& rows_;
  Values::Writer& writer_;
  Fault fault_;
  int depth_ = 0;
  bool keyed_ = false;
  unsigned seen_ = 0;
  Value key_;
  std::vector<Value> extra_;
  std::vector<Value> items_;  // of the vectors that quick_vector() has not closed
  std::size_t digits_ = 0;    // of the longer number before

  const bool json_;
  Shape shapes_[2];       // of the two kinds of ops that came last
  int latest_ = 0;
  bool learning_ = false;
  const char* literal_ = nullptr;  // where the value before ended, or the op began
  struct KnownName {  // a short :f
    std::uint64_t word = 0;
    std::size_t size = 0;
    Events::Name name = 0;
  };
  KnownName names_[8];

  friend class JsonScanner;
  friend class EdnScanner;
};

class JsonScanner final : public Scanner {
 public:
  JsonScanner(Events& rows, Values::Writer& writer) : Scanner(rows, writer, true) {}
  bool skip() override;
  bool value(Value& v) override;

 private:
  bool slow_op(Events::Row& row) override;
  bool atom(Atom& a) override;
  bool string(std::string_view& text);
  bool escape(const char*& p);
  bool number(Value& v);
  bool literal(std::string_view word);
  bool array(Value& v);
  bool object(Value& v);
  bool key(std::string_view& text);
  void drop_earlier(std::size_t base);
};

class EdnScanner final : public Scanner {
 public:
  EdnScanner(Events& rows, Values::Writer& writer) : Scanner(rows, writer, false) {}
  bool skip() override;
  bool value(Value& v) override;
  // A row of Jepsen's text: process, type, f, value and perhaps an error up to the end of the line.
  bool text_op(Events::Row& row);
  // What skip() skipped, a comment or a discarded value, may go on behind the end of the text.
  bool cut() const { return cut_; }
  // Characters up to the next delimiter.
  std::string_view token();

 private:
  bool slow_op(Events::Row& row) override;
  bool atom(Atom& a) override;
  bool discard();
  bool text_line(Events::Row& row);
  bool text_error();
  bool string(std::string_view& text);
  bool escape(const char*& p);
  bool character(Value& v);
  bool number(Value& v);
  bool odd_number(std::string_view t, Value& v);
  bool word(Value& v);
  bool keyword(std::string_view& text);
  bool dispatch(Value& v);
  bool sequence(Value::Kind kind, char close, Value& v);
  bool map(Value& v, std::string_view space);
  bool unique(std::size_t base, std::size_t step, const char* begin);

  bool cut_ = false;
};

}  // namespace gameday::reading
