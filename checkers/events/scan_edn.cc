// EDN (github.com/edn-format/edn), and what Clojure's printer adds to it: ratios, ##Inf, maps with a
// namespace, records.
#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

#include "checkers/events/scan.h"

namespace gameday::reading {
namespace {

enum : unsigned char { kSpace = 1, kDelimiter = 2, kDigit = 4 };

constexpr std::array<unsigned char, 256> kClasses = [] {
  std::array<unsigned char, 256> classes{};
  for (const char c : {' ', '\t', '\n', '\r', '\f', '\v', ','})
    classes[static_cast<unsigned char>(c)] = kSpace | kDelimiter;
  for (const char c : {'"', ';', '(', ')', '[', ']', '{', '}', '\\', '^', '`', '~', '@'})
    classes[static_cast<unsigned char>(c)] = kDelimiter;
  for (char c = '0'; c <= '9'; ++c) classes[static_cast<unsigned char>(c)] = kDigit;
  return classes;
}();

bool is(char c, unsigned char what) { return (kClasses[static_cast<unsigned char>(c)] & what) != 0; }

// Characters that have a name instead of themselves.
constexpr std::pair<std::string_view, char> kNamedCharacters[] = {
    {"newline", '\n'}, {"space", ' '},      {"tab", '\t'},
    {"return", '\r'},  {"backspace", '\b'}, {"formfeed", '\f'}};

}  // namespace

bool EdnScanner::skip() {
  cut_ = false;
  for (;;) {
    while (at_ != end_ && is(*at_, kSpace)) ++at_;
    if (at_ == end_) return true;
    if (*at_ == ';') {
      while (at_ != end_ && *at_ != '\n') ++at_;
      cut_ = at_ == end_;
    } else if (*at_ == '#' && end_ - at_ > 1 && at_[1] == '_') {
      if (!discard()) return false;
      cut_ = at_ == end_;
    } else {
      return true;
    }
  }
}

bool EdnScanner::discard() {
  at_ += 2;
  Value ignored;
  if (!deeper() || !skip() || !value(ignored)) return false;
  --depth_;
  return true;
}

std::string_view EdnScanner::token() {
  const char* const begin = at_;
  while (at_ != end_ && !is(*at_, kDelimiter)) ++at_;
  return {begin, static_cast<std::size_t>(at_ - begin)};
}

bool EdnScanner::slow_op(Events::Row& row) {
  const char* const begin = at_;
  if (!at_end() && *at_ == '#' && end_ - at_ > 1 && at_[1] != '{') {  // a record
    ++at_;
    token();
    if (!skip()) return false;
  }
  if (at_end() || *at_ != '{') return wrong(at_, "an op: a map");
  if (!begin_op(row)) return false;
  literal_ = begin;
  ++at_;
  for (;;) {
    if (!skip()) return false;
    if (!at_end() && *at_ == '}') {
      ++at_;
      return end_op(begin, row);
    }
    const char* const key_at = at_;
    Atom key;
    if (!atom(key)) return false;
    const bool is_keyword = key.is_text && *key_at == ':';
    std::string odd;  // the text of a key of another kind
    if (!key.is_text) odd.assign(key_at, at_);
    const OpKey which = key.is_text ? op_key(key.text) : OpKey::other;
    if (which == OpKey::other && key.is_text) odd.assign(key.text);
    if (which != OpKey::other && again(which)) return wrong(key_at, "every key once");
    if (!skip()) return false;
    if (at_end() || *at_ == '}') return wrong(at_, "a value for the key before");
    if (!field(which, which == OpKey::other ? odd : key.text,
               is_keyword ? Value::Kind::keyword : Value::Kind::string, row))
      return false;
  }
}

bool EdnScanner::atom(Atom& a) {
  a.at = at_;
  if (at_end()) return wrong(at_, "a value");
  if (*at_ == ':') {
    a.is_text = true;
    return keyword(a.text);
  }
  if (*at_ == '"') {
    a.is_text = true;
    return string(a.text);
  }
  if (!value(a.value)) return false;
  if (a.value.kind() == Value::Kind::symbol) {
    a.is_text = true;
    a.text = {a.at, static_cast<std::size_t>(at_ - a.at)};
  }
  return true;
}

bool EdnScanner::value(Value& v) {
  if (at_end()) return wrong(at_, "a value");
  const char c = *at_;
  if (is(c, kDigit)) return number(v);
  switch (c) {
    case ':': {
      std::string_view text;
      if (!keyword(text)) return false;
      v = writer().keyword(text);
      return true;
    }
    case '[': return sequence(Value::Kind::vector, ']', v);
    case '(': return sequence(Value::Kind::list, ')', v);
    case '{': return map(v, {});
    case '"': {
      std::string_view text;
      if (!string(text)) return false;
      v = writer().string(text);
      return true;
    }
    case '-': case '+':
      return end_ - at_ > 1 && is(at_[1], kDigit) ? number(v) : word(v);
    case '#': return dispatch(v);
    case '\\': return character(v);
    case '^': {  // metadata, which no value has here
      ++at_;
      Value ignored;
      const bool good = deeper() && skip() && value(ignored) && skip() && value(v);
      --depth_;
      return good;
    }
    default: return is(c, kDelimiter) ? wrong(at_, "a value") : word(v);
  }
}

bool EdnScanner::keyword(std::string_view& text) {
  const char* const begin = at_++;
  text = token();
  if (text.empty() || text == ":") return wrong(begin, "a keyword");
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }) ||
         valid_utf8(text);
}

bool EdnScanner::word(Value& v) {
  const char* const begin = at_;
  const std::string_view text = token();
  if (text == "nil") {
    v = {};
  } else if (text == "true" || text == "false") {
    v = Value::boolean(text == "true");
  } else {
    const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
      return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) != 0x7f;
    });
    if (text.empty() || !plain) return wrong(begin, "a value");
    if (!valid_utf8(text)) return false;
    v = writer().symbol(text);
  }
  return true;
}

bool EdnScanner::sequence(Value::Kind kind, char close, Value& v) {
  if (!deeper()) return false;
  const char* const begin = at_;
  const std::size_t base = stack_.size();
  ++at_;
  for (;;) {
    if (!skip()) return false;
    if (at_end()) return wrong(at_, fmt::format("a value or '{}'", close));
    if (*at_ == close) break;
    Value item;
    if (!value(item)) return false;
    stack_.push_back(item);
  }
  ++at_;
  if (kind == Value::Kind::set && !unique(base, 1, begin)) return false;
  v = writer().collection(kind, std::span(stack_).subspan(base));
  stack_.resize(base);
  --depth_;
  return true;
}

// `space`: the namespace of the keywords that are keys and have none.
bool EdnScanner::map(Value& v, std::string_view space) {
  if (!deeper()) return false;
  const char* const begin = at_;
  const std::size_t base = stack_.size();
  ++at_;
  for (bool key = true;; key = !key) {
    if (!skip()) return false;
    if (at_end()) return wrong(at_, key ? "a key or '}'" : "a value for the key before");
    if (*at_ == '}') {
      if (!key) return wrong(at_, "a value for the key before");
      break;
    }
    Value item;
    if (key && !space.empty() && *at_ == ':') {
      std::string_view name;
      if (!keyword(name)) return false;
      if (name.substr(0, 2) == "_/") {
        item = writer().keyword(name.substr(2));
      } else {
        item = writer().keyword(name.find('/') == name.npos ? fmt::format("{}/{}", space, name)
                                                            : std::string(name));
      }
    } else if (!value(item)) {
      return false;
    }
    stack_.push_back(item);
  }
  ++at_;
  if (!unique(base, 2, begin)) return false;
  v = writer().collection(Value::Kind::map, std::span(stack_).subspan(base));
  stack_.resize(base);
  --depth_;
  return true;
}

// Clojure's reader refuses a set or map with an item or key twice. Collections in it are not compared.
bool EdnScanner::unique(std::size_t base, std::size_t step, const char* begin) {
  const std::size_t n = (stack_.size() - base) / step;
  const auto twice = [&] {
    return wrong(begin, step == 1 ? "a set without duplicates" : "a map without duplicate keys");
  };
  if (n <= 8) {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (stack_[base + i * step] == stack_[base + j * step]) return twice();
    return true;
  }
  std::vector<std::uint64_t> words(n);
  for (std::size_t i = 0; i < n; ++i) words[i] = stack_[base + i * step].bits();
  std::sort(words.begin(), words.end());
  return std::adjacent_find(words.begin(), words.end()) == words.end() || twice();
}

bool EdnScanner::dispatch(Value& v) {
  const char* const begin = at_++;
  if (at_end()) return wrong(at_, "a set, a tag or a name after '#'");
  if (*at_ == '{') return sequence(Value::Kind::set, '}', v);
  if (*at_ == '#') {
    ++at_;
    const std::string_view name = token();
    if (name != "Inf" && name != "-Inf" && name != "NaN") return wrong(begin, "##Inf, ##-Inf or ##NaN");
    const double inf = std::numeric_limits<double>::infinity();
    v = writer().real(name == "Inf" ? inf : name == "-Inf" ? -inf : std::numeric_limits<double>::quiet_NaN());
    return true;
  }
  if (*at_ == ':') {
    std::string_view name;
    if (!keyword(name)) return false;
    const std::string kept(name.substr(name.starts_with(':') ? 1 : 0));
    if (!skip()) return false;
    if (at_end() || *at_ != '{') return wrong(at_, "a map after its namespace");
    return map(v, kept);
  }
  Value tag;
  if (is(*at_, kDelimiter | kDigit)) return wrong(begin, "a set, a tag or a name after '#'");
  if (!word(tag)) return false;
  if (tag.kind() != Value::Kind::symbol) return wrong(begin, "a tag");
  Value tagged;
  if (!deeper() || !skip() || !value(tagged)) return false;
  --depth_;
  v = writer().collection(Value::Kind::tagged, std::array{tag, tagged});
  return true;
}

bool EdnScanner::string(std::string_view& text) {
  const char* const begin = ++at_;
  const char* p = begin;
  unsigned char any = 0;
  while (p != end_ && *p != '"' && *p != '\\')
    any = static_cast<unsigned char>(any | static_cast<unsigned char>(*p++));
  if (p != end_ && *p == '\\') {
    scratch_.assign(begin, p);
    while (p != end_ && *p != '"') {
      if (*p == '\\') {
        if (!escape(p)) return false;
      } else {
        any = static_cast<unsigned char>(any | static_cast<unsigned char>(*p));
        scratch_ += *p++;
      }
    }
    text = scratch_;
  } else {
    text = {begin, static_cast<std::size_t>(p - begin)};
  }
  if (p == end_) return wrong(p, "the end of the string that began before");
  at_ = p + 1;
  return any < 0x80 || valid_utf8({begin, static_cast<std::size_t>(p - begin)});
}

bool EdnScanner::escape(const char*& p) {
  const char* const begin = p++;
  if (p == end_) return wrong(p, "an escape");
  const char c = *p++;
  switch (c) {
    case '"': case '\\': scratch_ += c; return true;
    case 'b': scratch_ += '\b'; return true;
    case 'f': scratch_ += '\f'; return true;
    case 'n': scratch_ += '\n'; return true;
    case 'r': scratch_ += '\r'; return true;
    case 't': scratch_ += '\t'; return true;
    default: break;
  }
  if (c == 'u') {
    int code = hex4(p, end_);
    if (code < 0) return wrong(end_ - p < 4 ? end_ : p, "four hexadecimal digits");
    p += 4;
    // Java's strings are UTF-16, and so are their escapes.
    if (code >= 0xd800 && code < 0xdc00) {
      const int low = end_ - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, end_) : -1;
      if (low < 0xdc00 || low > 0xdfff)
        return wrong(end_ - p < 6 ? end_ : p, "the other half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      p += 6;
    } else if (code >= 0xdc00 && code <= 0xdfff) {
      return wrong(begin, "the first half of a surrogate pair before the second");
    }
    append_utf8(scratch_, static_cast<unsigned>(code));
    return true;
  }
  if (c >= '0' && c <= '7') {  // up to three octal digits, at most 377
    unsigned code = static_cast<unsigned>(c - '0');
    for (int i = 0; i < 2 && p != end_ && *p >= '0' && *p <= '7'; ++i)
      code = code * 8 + static_cast<unsigned>(*p++ - '0');
    if (code > 0xff) return wrong(begin, "an octal escape up to \\377");
    append_utf8(scratch_, code);
    return true;
  }
  return wrong(begin, "one of the escapes of EDN");
}

bool EdnScanner::character(Value& v) {
  const char* const begin = at_++;
  if (at_end()) return wrong(at_, "a character");
  // One character, whatever it is, and what follows it up to a delimiter: \newline, \u0041, \[.
  ++at_;
  while (at_ != end_ && (*at_ & 0xc0) == 0x80) ++at_;
  const std::size_t first = static_cast<std::size_t>(at_ - begin - 1);
  if (!is(begin[1], kDelimiter)) token();
  std::string_view text(begin + 1, static_cast<std::size_t>(at_ - begin - 1));
  if (!valid_utf8(text)) return false;
  std::string decoded;
  if (text.size() > first) {
    int code = -1;
    if (text[0] == 'u' && text.size() == 5) code = hex4(text.data() + 1, text.data() + 5);
    if (text[0] == 'o' && text.size() <= 4) {
      unsigned octal = 0;
      const auto [end, error] = std::from_chars(text.data() + 1, text.data() + text.size(), octal, 8);
      if (error == std::errc() && end == text.data() + text.size() && octal <= 0xff)
        code = static_cast<int>(octal);
    }
    if (code >= 0xd800 && code <= 0xdfff) return wrong(begin, "a character, not half of one");
    if (code >= 0) {
      append_utf8(decoded, static_cast<unsigned>(code));
      text = decoded;
    } else if (std::none_of(std::begin(kNamedCharacters), std::end(kNamedCharacters),
                            [&](const auto& named) { return named.first == text; })) {
      return wrong(begin, "a character");
    }
  }
  for (const auto& [name, c] : kNamedCharacters)
    if (text.size() == 1 && text[0] == c) text = name;
  v = writer().character(text);
  return true;
}

bool EdnScanner::number(Value& v) {
  const char* const begin = at_;
  const char* p = at_;
  const bool negative = *p == '-';
  if (*p == '-' || *p == '+') ++p;
  const char* const digits = p;
  while (p != end_ && is(*p, kDigit)) ++p;
  if ((p == end_ || is(*p, kDelimiter)) && (*digits != '0' || p - digits == 1)) {
    v = decimal(negative, digits, p);
    at_ = p;
    return true;
  }
  const std::string_view text = token();
  if (odd_number(text, v)) return true;
  return fault().at != nullptr ? false : wrong(begin, "a number");
}

namespace {

// "123N" and the like: digits in a radix, with a sign.
bool integer_in(std::string_view t, int radix, bool negative, std::int64_t& n) {
  std::string text(negative ? "-" : "");
  text += t;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n, radix);
  return !t.empty() && t[0] != '-' && error == std::errc() && end == text.data() + text.size();
}

bool all_digits(std::string_view t) {
  return !t.empty() && std::all_of(t.begin(), t.end(), [](char c) { return is(c, kDigit); });
}

// [digits][.digits][e[sign]digits]
bool is_decimal(std::string_view t) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < t.size() && is(t[i], kDigit)) ++i;
    return i > from;
  };
  if (!digits()) return false;
  if (i < t.size() && t[i] == '.') {
    ++i;
    digits();  // "1." is a number for Clojure
  }
  if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
    ++i;
    if (i < t.size() && (t[i] == '+' || t[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == t.size();
}

}  // namespace

// Ratios, suffixes, reals, and integers that are not decimal.
bool EdnScanner::odd_number(std::string_view t, Value& v) {
  const bool negative = t[0] == '-';
  if (t[0] == '-' || t[0] == '+') t.remove_prefix(1);
  const std::string sign(negative ? "-" : "");
  if (const auto slash = t.find('/'); slash != t.npos) {
    const auto over = t.substr(0, slash), under = t.substr(slash + 1);
    std::int64_t a = 0, b = 0;
    if (!all_digits(over) || !all_digits(under)) return false;
    if (!integer_in(over, 10, false, a) || !integer_in(under, 10, false, b)) {
      v = writer().big(sign + std::string(t));
      return true;
    }
    if (b == 0) return false;
    const std::int64_t divisor = std::gcd(a, b);
    a = (negative ? -a : a) / divisor;
    b /= divisor;
    v = b == 1 ? writer().integer(a) : writer().big(fmt::format("{}/{}", a, b));
    return true;
  }
  if (t.ends_with('M') && is_decimal(t.substr(0, t.size() - 1))) {
    v = writer().big(sign + std::string(t));
    return true;
  }
  std::string_view whole = t;
  if (whole.ends_with('N')) whole.remove_suffix(1);
  std::int64_t n = 0;
  if (all_digits(whole) && (whole[0] != '0' || whole.size() == 1)) {
    v = decimal(negative, whole.data(), whole.data() + whole.size());
    return true;
  }
  const auto radix_at = whole.find_first_of("rR");
  int radix = 8;
  std::string_view digits = whole.substr(1);
  if (whole.size() > 2 && (whole[1] == 'x' || whole[1] == 'X') && whole[0] == '0') {
    radix = 16;
    digits = whole.substr(2);
  } else if (radix_at != whole.npos && radix_at <= 2 && all_digits(whole.substr(0, radix_at))) {
    radix = std::stoi(std::string(whole.substr(0, radix_at)));
    digits = whole.substr(radix_at + 1);
  } else if (whole[0] != '0') {
    digits = {};
  }
  if (radix >= 2 && radix <= 36 && integer_in(digits, radix, negative, n)) {
    v = writer().integer(n);
    return true;
  }
  if (!is_decimal(t)) return false;
  const std::string text = sign + std::string(t.ends_with('.') ? t.substr(0, t.size() - 1) : t);
  double d = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), d);
  v = error == std::errc() && end == text.data() + text.size() ? writer().real(d) : writer().big(text);
  return true;
}

}  // namespace gameday::reading
