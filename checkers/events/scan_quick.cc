// The quick path of both scanners. Nearly every line of a history has the keys of the line before, in
// the same order and with the same bytes between the values; so what stands between the values of an
// op is remembered, compared eight bytes at a time, and only the values are read. Whatever does not
// match goes the slow way. Texts have kPadding bytes behind their end that may be read.
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

// An integer of up to 17 digits without leading zeros; p stands behind it.
inline bool quick_integer(const char*& p, std::int64_t& n) {
  static_assert(std::endian::native == std::endian::little);
  const bool negative = *p == '-';
  const char* q = p + (negative ? 1 : 0);
  const char* const digits = q;
  std::uint64_t sum = 0;
  for (int i = 0; i < 3; ++i) {
    const std::uint64_t t = load(q) ^ 0x3030303030303030;
    const std::uint64_t others = (t | (t + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0;
    const int count = others == 0 ? 8 : std::countr_zero(others) / 8;
    if (count > 0) sum = sum * kPowers[count] + eight_digits(t << (64 - 8 * count));
    q += count;
    if (count < 8) break;
  }
  const auto length = q - digits;
  if (length == 0 || length > 17 || (length > 1 && *digits == '0')) return false;
  n = negative ? -static_cast<std::int64_t>(sum) : static_cast<std::int64_t>(sum);
  p = q;
  return true;
}

}  // namespace

bool Shape::learn(OpKey which, Value name, std::string_view before) {
  if (keys.size() == kKeys || before.empty() || before.size() > sizeof(Literal::words)) return false;
  keys.push_back({Literal(before), which, name});
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
  while ((*q >= 'a' && *q <= 'z') || *q == '-' || *q == '_') ++q;
  text = {p + 1, static_cast<std::size_t>(q - p - 1)};
  if (quoted ? *q != '"' : text.empty() || (*q != ' ' && *q != ',' && *q != '}')) return false;
  p = q + (quoted ? 1 : 0);
  return p <= end_;
}

inline bool Scanner::quick_type(std::string_view text, OpType& type) {
  if (text == "ok") {
    type = OpType::ok;
  } else if (text == "invoke") {
    type = OpType::invoke;
  } else if (text == "fail") {
    type = OpType::fail;
  } else if (text == "info") {
    type = OpType::info;
  } else {
    return false;
  }
  return true;
}

inline Events::Name Scanner::quick_name(std::string_view text) {
  if (text.empty() || text.size() > 8) return rows_.name(text);
  const std::uint64_t word = load(text.data()) << (64 - 8 * text.size());
  KnownName& known = names_[(word * 0x9e3779b97f4a7c15) >> 61];
  if (known.word != word || known.size != text.size()) known = {word, text.size(), rows_.name(text)};
  return known.name;
}

bool Scanner::quick_op(const Shape& shape, Events::Row& row) {
  const char* p = at_;
  row = {};
  row.process = kUnnamed;
  key_ = {};
  extra_.clear();
  for (const Shape::Key& key : shape.keys) {
    if (!key.before.at(p)) return false;
    p += key.before.size;
    if (p >= end_) return false;
    std::int64_t n = 0;
    std::string_view text;
    switch (key.which) {
      case OpKey::index:
        if (!quick_integer(p, row.index) || row.index < 0) return false;
        break;
      case OpKey::time:
        if (!quick_integer(p, row.time) || row.time < 0) return false;
        break;
      case OpKey::process:
        if (quick_integer(p, n)) {
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
        const char* const begin = p;
        if (quick_integer(p, n) && (*p == ',' || *p == '}' || *p == ' ')) {
          v = Value::integer(n);
        } else {
          at_ = begin;
          if (!value(v)) return false;
          p = at_;
        }
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
    const Shape& shape = shapes_[static_cast<std::size_t>(latest_)];
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
