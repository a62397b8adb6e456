// The quick path of both scanners. Nearly every line of a history has the keys of the line before, in
// the same order and with the same bytes between the values; so what stands between the values of an
// op is remembered, compared eight bytes at a time, and only the values are read. Whatever does not
// match goes the slow way. Texts have kPadding bytes behind their end that may be read.
#include <algorithm>
#include <bit>
#include <cstring>

#include "checkers/events/scan.h"

namespace gameday::reading {
namespace {

std::uint64_t load(const char* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

// Eight digits at once: pairs, then fours, then all (D. Lemire, "Quickly parsing eight digits", 2018).
std::uint64_t eight_digits(std::uint64_t t) {
  t = t * 10 + (t >> 8);
  return ((t & 0x000000ff000000ff) * 0x000f424000000064 +
          ((t >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32;
}

constexpr std::uint64_t kPowers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;
constexpr std::uint64_t kLows = ~kHighs;

// The first `n` bytes of a word, of 1 to 8.
std::uint64_t first_bytes(std::uint64_t word, std::size_t n) {
  return word & ~std::uint64_t{0} >> (64 - 8 * n);
}

// How many bytes come before the first one whose high bit is set here.
std::size_t bytes_before(std::uint64_t highs) {
  return highs == 0 ? 8 : static_cast<std::size_t>(std::countr_zero(highs)) / 8;
}

// How many small letters a word begins with.
std::size_t letters(std::uint64_t word) {
  const std::uint64_t low = word & kLows;
  const std::uint64_t from_a = low + (0x80 - 'a') * kOnes, behind_z = low + (0x7f - 'z') * kOnes;
  return bytes_before(~(from_a & ~behind_z & ~word) & kHighs);
}

// How many bytes come before the first that a string of JSON does not have as it is.
std::size_t plain_bytes(std::uint64_t word) {
  const std::uint64_t low = word & kLows;
  const std::uint64_t quote = (low ^ '"' * kOnes) + kLows, backslash = (low ^ '\\' * kOnes) + kLows;
  const std::uint64_t printed = low + (0x80 - 0x20) * kOnes;
  return bytes_before((word | ~(quote & backslash & printed)) & kHighs);
}

constexpr std::uint64_t word_of(std::string_view text) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    word |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  return word;
}

// An integer of up to 17 digits without leading zeros; p stands behind it. `guess`: how many digits
// the one before had. What comes behind is then looked for there at once, and need not wait until the
// digits are counted; the compiler must not take the count for the guess, hence volatile.
inline bool quick_integer(const char*& p, std::int64_t& n, std::size_t& guess) {
  static_assert(std::endian::native == std::endian::little);
  const bool negative = *p == '-';
  const char* const digits = p + (negative ? 1 : 0);
  std::uint64_t sum = 0;
  std::size_t length = 0;
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t t = load(digits + length) ^ 0x3030303030303030;
    const std::uint64_t others = (t | (t + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0;
    const int count = others == 0 ? 8 : std::countr_zero(others) / 8;
    if (count > 0) sum = sum * kPowers[count] + eight_digits(t << (64 - 8 * count));
    length += static_cast<std::size_t>(count);
    if (count < 8) break;
  }
  if (length == 0 || length > 17 || (length > 1 && *digits == '0')) return false;
  n = negative ? -static_cast<std::int64_t>(sum) : static_cast<std::int64_t>(sum);
  if (length != guess) guess = length;
  p = digits + *const_cast<volatile std::size_t*>(&guess);
  return true;
}

// The same for what is most often short. A length that a branch finds is guessed ahead of the bytes,
// so that the next value need not wait until this one is read.
inline bool quick_small(const char*& p, std::int64_t& n, std::size_t& guess) {
  const auto digit = [&](int i) { return static_cast<unsigned>(static_cast<unsigned char>(p[i])) - '0'; };
  const unsigned a = digit(0), b = digit(1);
  if (a - 1 > 8) {  // a zero, a sign or no number
    if (a != 0 || b <= 9) return a != 0 && quick_integer(p, n, guess);
    n = 0;
    p += 1;
    return true;
  }
  if (b > 9) {
    n = a;
    p += 1;
    return true;
  }
  const unsigned c = digit(2);
  if (c > 9) {
    n = a * 10 + b;
    p += 2;
    return true;
  }
  const unsigned d = digit(3);
  if (d > 9) {
    n = a * 100 + b * 10 + c;
    p += 3;
    return true;
  }
  return quick_integer(p, n, guess);
}

// Ends a number or a word of EDN within an op.
bool ends_word(char c) { return c == ' ' || c == ']' || c == '}' || c == ','; }

}  // namespace

bool Shape::learn(OpKey which, Value name, std::string_view before) {
  if (keys.size() == kKeys || before.empty() || before.size() > sizeof(Literal::words)) return false;
  keys.push_back({Literal(before), which, name, 0});
  return true;
}

Shape::Literal::Literal(std::string_view text) : size(text.size()) {
  std::memcpy(words, text.data(), size);
  const std::size_t rest = size % 8;
  count = size / 8 + (rest > 0 ? 1 : 0);
  last = rest > 0 ? ~std::uint64_t{0} >> (64 - 8 * rest) : ~std::uint64_t{0};
}

inline bool Shape::Literal::at(const char* p) const {
  for (std::size_t i = 0; i + 1 < count; ++i)
    if (load(p + 8 * i) != words[i]) return false;
  return count == 0 || ((load(p + 8 * (count - 1)) ^ words[count - 1]) & last) == 0;
}

// A plain text: a string or a keyword of letters and signs; p stands behind it.
inline bool Scanner::quick_text(const char*& p, std::string_view& text) const {
  const bool quoted = *p == '"';
  if (!quoted && (json_ || *p != ':')) return false;
  const char* q = p + 1;
  q += letters(load(q));
  while ((*q >= 'a' && *q <= 'z') || *q == '-' || *q == '_') ++q;
  text = {p + 1, static_cast<std::size_t>(q - p - 1)};
  if (quoted ? *q != '"' : text.empty() || (*q != ' ' && *q != ',' && *q != '}')) return false;
  p = q + (quoted ? 1 : 0);
  return p <= end_;
}

inline bool Scanner::quick_type(std::string_view text, OpType& type) {
  if (text.empty() || text.size() > 6) return false;
  const std::uint64_t word = first_bytes(load(text.data()), text.size());
  constexpr std::pair<std::uint64_t, OpType> kTypes[] = {{word_of("invoke"), OpType::invoke},
                                                         {word_of("ok"), OpType::ok},
                                                         {word_of("fail"), OpType::fail},
                                                         {word_of("info"), OpType::info}};
  bool known = false;  // without a branch: which of them comes nobody can predict
  for (const auto& [name, which] : kTypes) {
    type = word == name ? which : type;
    known |= word == name;
  }
  return known;
}

// A small integer, a short text, or nothing; p stands behind it. Whatever else goes the slow way.
inline bool Scanner::quick_atom(const char*& p, Value& v) {
  const std::uint64_t word = load(p);
  if (json_ && *p == '"') {
    if (p[2] == '"' && p[1] >= 'a' && p[1] <= 'z') {
      v = writer_.short_string(static_cast<unsigned char>(p[1]), 1, p + 1);
      p += 3;
      return true;
    }
    const std::size_t n = plain_bytes(load(p + 1));
    if (n == 8 || p[1 + n] != '"') return false;
    v = writer_.short_string(n == 0 ? 0 : first_bytes(load(p + 1), n), n, p + 1);
    p += n + 2;
    return true;
  }
  if (!json_ && *p == ':') {
    if (p[2] == ' ' && p[1] >= 'a' && p[1] <= 'z') {
      v = writer_.short_keyword(static_cast<unsigned char>(p[1]), 1, p + 1);
      p += 2;
      return true;
    }
    const std::size_t n = letters(load(p + 1));
    if (n == 0 || n == 8 || !ends_word(p[1 + n])) return false;
    v = writer_.short_keyword(first_bytes(load(p + 1), n), n, p + 1);
    p += n + 1;
    return true;
  }
  std::int64_t n = 0;
  const char* q = p;
  if (quick_small(q, n, digits_)) {
    if (!ends_word(*q)) return false;
    v = Value::integer(n);
    p = q;
    return true;
  }
  const std::size_t length = json_ ? 4 : 3;
  if (first_bytes(word, length) != (json_ ? word_of("null") : word_of("nil")) || !ends_word(p[length]))
    return false;
  v = {};
  p += length;
  return true;
}

// Vectors of anything: what a transaction is. Items that are not quick are read the slow way.
bool Scanner::quick_vector(const char*& p, Value& v) {
  constexpr int kLevels = 8;
  std::size_t starts[kLevels];
  int level = 0;
  std::size_t top = 0;
  const auto spaces = [&] {
    while (*p == ' ' || (!json_ && *p == ',')) ++p;
  };
  starts[0] = 0;
  ++p;
  for (bool empty = true;;) {
    spaces();
    if (*p == ']' && (empty || !json_)) {
      empty = false;
    } else {
      if (*p == '[' && level + 1 < kLevels) {
        starts[++level] = top;
        ++p;
        empty = true;
        continue;
      }
      empty = false;
      Value item;
      if (!quick_atom(p, item)) {
        if (p >= end_) return false;
        at_ = p;
        depth_ += level + 1;
        if (!value(item)) return false;
        depth_ -= level + 1;
        p = at_;
      }
      if (top == items_.size()) items_.resize(std::max<std::size_t>(64, 2 * top));
      items_[top++] = item;
      spaces();
    }
    while (*p == ']') {
      ++p;
      const Value done = writer_.vector(std::span(items_.data() + starts[level], top - starts[level]));
      top = starts[level];
      if (level-- == 0) {
        v = done;
        return p <= end_;
      }
      if (top == items_.size()) items_.resize(std::max<std::size_t>(64, 2 * top));
      items_[top++] = done;
      spaces();
    }
    if (json_ && *p++ != ',') return false;
  }
}

inline bool Scanner::quick_value(const char*& p, Value& v) {
  if (quick_atom(p, v)) return true;
  if (*p == '[') return quick_vector(p, v);
  at_ = p;
  if (!value(v)) return false;
  p = at_;
  return true;
}

inline Events::Name Scanner::quick_name(std::string_view text) {
  if (text.empty() || text.size() > 8) return rows_.name(text);
  const std::uint64_t word = load(text.data()) << (64 - 8 * text.size());
  KnownName& known = names_[(word * 0x9e3779b97f4a7c15) >> 61];
  if (known.word != word || known.size != text.size()) known = {word, text.size(), rows_.name(text)};
  return known.name;
}

bool Scanner::quick_op(Shape& shape, Events::Row& row) {
  const char* p = at_;
  row = {};
  row.process = kUnnamed;
  key_ = {};
  extra_.clear();
  for (Shape::Key& key : shape.keys) {
    if (!key.before.at(p)) return false;
    p += key.before.size;
    if (p >= end_) return false;
    std::int64_t n = 0;
    std::string_view text;
    switch (key.which) {
      case OpKey::index:
        if (!quick_integer(p, row.index, key.digits) || row.index < 0) return false;
        break;
      case OpKey::time:
        if (!quick_integer(p, row.time, key.digits) || row.time < 0) return false;
        break;
      case OpKey::process:
        if (quick_small(p, n, key.digits)) {
          if (n < 0 || n > std::numeric_limits<std::int32_t>::max()) return false;
          row.process = static_cast<std::int32_t>(n);
        } else if (quick_text(p, text)) {
          row.process = rows_.named_process(text);
        } else {
          return false;
        }
        break;
      case OpKey::type:
        if (!quick_text(p, text) || !quick_type(text, row.type)) return false;
        break;
      case OpKey::f:
        if (!quick_text(p, text)) return false;
        row.f = quick_name(text);
        break;
      default: {
        Value v;
        if (!quick_value(p, v)) return false;
        if (key.which == OpKey::value) {
          row.value = v;
        } else if (key.which == OpKey::key) {
          key_ = v;
        } else {
          extra_.insert(extra_.end(), {key.name, v});
        }
      }
    }
    if (p >= end_) return false;
  }
  if (!shape.tail.at(p) || (p += shape.tail.size) > end_) return false;
  at_ = p;
  if (keyed_) row.value = writer_.vector({key_, row.value});
  if (!extra_.empty()) row.extra = writer_.collection(Value::Kind::map, extra_);
  return true;
}

// The shape of the op before, and then that of the one that had another.
bool Scanner::quick(Events::Row& row) {
  const char* const begin = at_;
  const auto mark = writer_.mark();
  for (int i = 0; i < 2; ++i) {
    Shape& shape = shapes_[static_cast<std::size_t>(latest_)];
    if (shape.whole && quick_op(shape, row)) return true;
    at_ = begin;
    fault_ = {};
    depth_ = 0;
    stack_.clear();
    writer_.rewind(mark);
    latest_ ^= 1;
  }
  return false;
}

}  // namespace gameday::reading
