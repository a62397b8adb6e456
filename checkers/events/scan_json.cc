// JSON after RFC 8259. Of a key that comes twice the last counts, as in the readers of Clojure and
// of most languages.
#include <algorithm>
#include <charconv>

#include "checkers/events/scan.h"

namespace gameday::reading {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

}  // namespace

bool JsonScanner::skip() {
  while (at_ != end_ && is_space(*at_)) ++at_;
  return true;
}

bool JsonScanner::slow_op(Events::Row& row) {
  const char* const begin = at_;
  if (at_end() || *at_ != '{') return wrong(at_, "an op: an object");
  if (!begin_op(row)) return false;
  ++at_;
  skip();
  if (!at_end() && *at_ == '}') {
    ++at_;
    return end_op(begin, row);
  }
  for (;;) {
    std::string_view name;
    if (!key(name)) return false;
    const OpKey which = op_key(name);
    // The name may live in scratch_, which the value overwrites: only a rare key, so copy it.
    const std::string kept(which == OpKey::other ? name : std::string_view());
    if (!field(which, which == OpKey::other ? std::string_view(kept) : name, Value::Kind::string, row))
      return false;
    skip();
    if (at_end() || (*at_ != ',' && *at_ != '}')) return wrong(at_, "a comma or '}'");
    if (*at_++ == '}') return end_op(begin, row);
    skip();
  }
}

bool JsonScanner::key(std::string_view& text) {
  if (at_end() || *at_ != '"') return wrong(at_, "a key between quotes");
  if (!string(text)) return false;
  skip();
  if (at_end() || *at_ != ':') return wrong(at_, "a colon after the key");
  ++at_;
  skip();
  return true;
}

bool JsonScanner::atom(Atom& a) {
  a.at = at_;
  if (at_end() || *at_ != '"') return value(a.value);
  a.is_text = true;
  return string(a.text);
}

bool JsonScanner::value(Value& v) {
  if (at_end()) return wrong(at_, "a value");
  switch (*at_) {
    case '"': {
      std::string_view text;
      if (!string(text)) return false;
      v = writer().string(text);
      return true;
    }
    case '[': return array(v);
    case '{': return object(v);
    case 't': v = Value::boolean(true); return literal("true");
    case 'f': v = Value::boolean(false); return literal("false");
    case 'n': v = {}; return literal("null");
    default: return number(v);
  }
}

bool JsonScanner::literal(std::string_view word) {
  for (const char c : word) {
    if (at_end() || *at_ != c) return wrong(at_, word);
    ++at_;
  }
  return true;
}

bool JsonScanner::array(Value& v) {
  if (!deeper()) return false;
  const std::size_t base = stack_.size();
  ++at_;
  skip();
  if (!at_end() && *at_ == ']') {
    ++at_;
  } else {
    for (;;) {
      Value item;
      if (!value(item)) return false;
      stack_.push_back(item);
      skip();
      if (at_end() || (*at_ != ',' && *at_ != ']')) return wrong(at_, "a comma or ']'");
      if (*at_++ == ']') break;
      skip();
    }
  }
  v = writer().vector(std::span(stack_).subspan(base));
  stack_.resize(base);
  --depth_;
  return true;
}

bool JsonScanner::object(Value& v) {
  if (!deeper()) return false;
  const std::size_t base = stack_.size();
  ++at_;
  skip();
  if (!at_end() && *at_ == '}') {
    ++at_;
  } else {
    for (;;) {
      std::string_view name;
      if (!key(name)) return false;
      const Value key_value = writer().string(name);
      Value item;
      if (!value(item)) return false;
      stack_.push_back(key_value);
      stack_.push_back(item);
      skip();
      if (at_end() || (*at_ != ',' && *at_ != '}')) return wrong(at_, "a comma or '}'");
      if (*at_++ == '}') break;
      skip();
    }
  }
  drop_earlier(base);
  v = writer().collection(Value::Kind::map, std::span(stack_).subspan(base));
  stack_.resize(base);
  --depth_;
  return true;
}

// Of keys that come twice the first place and the last value stay.
void JsonScanner::drop_earlier(std::size_t base) {
  const std::size_t pairs = (stack_.size() - base) / 2;
  if (pairs < 2) return;
  const auto key_at = [&](std::size_t i) -> Value& { return stack_[base + 2 * i]; };
  std::vector<std::pair<std::uint64_t, std::size_t>> sorted(pairs);
  for (std::size_t i = 0; i < pairs; ++i) sorted[i] = {key_at(i).bits(), i};
  std::sort(sorted.begin(), sorted.end());
  bool twice = false;
  std::vector<bool> dropped(pairs);
  for (std::size_t i = 0; i + 1 < pairs;) {
    std::size_t last = i;
    while (last + 1 < pairs && sorted[last + 1].first == sorted[i].first) {
      dropped[sorted[++last].second] = true;
      twice = true;
    }
    if (last > i) stack_[base + 2 * sorted[i].second + 1] = stack_[base + 2 * sorted[last].second + 1];
    i = last + 1;
  }
  if (!twice) return;
  std::size_t to = base;
  for (std::size_t i = 0; i < pairs; ++i) {
    if (dropped[i]) continue;
    stack_[to] = stack_[base + 2 * i];
    stack_[to + 1] = stack_[base + 2 * i + 1];
    to += 2;
  }
  stack_.resize(to);
}

bool JsonScanner::string(std::string_view& text) {
  const char* const begin = ++at_;
  const char* p = begin;
  unsigned char any = 0;
  while (p != end_ && *p != '"' && *p != '\\' && static_cast<unsigned char>(*p) >= 0x20)
    any = static_cast<unsigned char>(any | static_cast<unsigned char>(*p++));
  if (p != end_ && *p == '\\') {
    scratch_.assign(begin, p);
    while (p != end_ && *p != '"' && static_cast<unsigned char>(*p) >= 0x20) {
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
  if (*p != '"') return wrong(p, "no control character in a string");
  at_ = p + 1;
  return any < 0x80 || valid_utf8({begin, static_cast<std::size_t>(p - begin)});
}

bool JsonScanner::escape(const char*& p) {
  const char* const begin = p++;
  if (p == end_) return wrong(p, "an escape");
  switch (*p++) {
    case '"': scratch_ += '"'; return true;
    case '\\': scratch_ += '\\'; return true;
    case '/': scratch_ += '/'; return true;
    case 'b': scratch_ += '\b'; return true;
    case 'f': scratch_ += '\f'; return true;
    case 'n': scratch_ += '\n'; return true;
    case 'r': scratch_ += '\r'; return true;
    case 't': scratch_ += '\t'; return true;
    case 'u': break;
    default: return wrong(begin, "one of the escapes of JSON");
  }
  int code = hex4(p, end_);
  if (code < 0) return wrong(end_ - p < 4 ? end_ : p, "four hexadecimal digits");
  p += 4;
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

bool JsonScanner::number(Value& v) {
  const char* const begin = at_;
  const char* p = at_;
  const bool negative = *p == '-';
  if (negative) ++p;
  const char* const digits = p;
  while (p != end_ && is_digit(*p)) ++p;
  if (p == digits) return wrong(negative ? p : begin, negative ? "a digit" : "a value");
  if (*digits == '0' && p - digits > 1) return wrong(digits + 1, "no digit after a leading zero");
  if (p == end_ || (*p != '.' && *p != 'e' && *p != 'E')) {
    v = decimal(negative, digits, p);
    at_ = p;
    return true;
  }
  if (*p == '.') {
    const char* const fraction = ++p;
    while (p != end_ && is_digit(*p)) ++p;
    if (p == fraction) return wrong(p, "a digit after the point");
  }
  if (p != end_ && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end_ && (*p == '+' || *p == '-')) ++p;
    const char* const exponent = p;
    while (p != end_ && is_digit(*p)) ++p;
    if (p == exponent) return wrong(p, "a digit of the exponent");
  }
  double d = 0;
  const auto [end, error] = std::from_chars(begin, p, d);
  v = error == std::errc() && end == p ? writer().real(d)
                                       : writer().big({begin, static_cast<std::size_t>(p - begin)});
  at_ = p;
  return true;
}

}  // namespace gameday::reading
