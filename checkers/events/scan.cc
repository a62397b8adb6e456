#include "checkers/events/scan.h"

#include <cmath>

namespace gameday::reading {

OpKey op_key(std::string_view text) {
  switch (text.size()) {
    case 1: return text == "f" ? OpKey::f : OpKey::other;
    case 3: return text == "key" ? OpKey::key : OpKey::other;
    case 4: return text == "type" ? OpKey::type : text == "time" ? OpKey::time : OpKey::other;
    case 5: return text == "value" ? OpKey::value : text == "index" ? OpKey::index : OpKey::other;
    case 7: return text == "process" ? OpKey::process : OpKey::other;
    default: return OpKey::other;
  }
}

bool Scanner::begin_op(Events::Row& row) {
  row = {};
  row.process = kUnnamed;
  seen_ = 0;
  key_ = {};
  extra_.clear();
  latest_ ^= 1;
  Shape& shape = shapes_[latest_];
  shape.keys.clear();
  shape.whole = false;  // until it is
  learning_ = true;
  literal_ = at_;
  return deeper();
}

bool Scanner::end_op(const char* begin, Events::Row& row) {
  --depth_;
  if ((seen_ & 1u << static_cast<unsigned>(OpKey::type)) == 0) return wrong(begin, "an op with a :type");
  if (keyed_) row.value = writer_.vector({key_, row.value});
  if (!extra_.empty()) row.extra = writer_.collection(Value::Kind::map, extra_);
  Shape& shape = shapes_[latest_];
  const auto tail = static_cast<std::size_t>(at_ - literal_);
  if (learning_ && tail <= sizeof(Shape::Literal::words)) {
    shape.tail = Shape::Literal({literal_, tail});
    shape.whole = true;
  }
  return true;
}

bool Scanner::field(OpKey which, std::string_view key, Value::Kind key_kind, Events::Row& row) {
  if (which == OpKey::key && !keyed_) which = OpKey::other;
  Shape& shape = shapes_[latest_];
  if (which != OpKey::other)
    learning_ = learning_ && !again(which) &&
                shape.learn(which, {}, {literal_, static_cast<std::size_t>(at_ - literal_)});
  const bool good = read_field(which, key, key_kind, row);
  literal_ = at_;
  return good;
}

bool Scanner::read_field(OpKey which, std::string_view key, Value::Kind key_kind, Events::Row& row) {
  seen_ |= 1u << static_cast<unsigned>(which);
  if (which == OpKey::value) return value(row.value);
  if (which == OpKey::key) return value(key_);
  if (which == OpKey::other) {
    const Value name = key_kind == Value::Kind::keyword ? writer_.keyword(key) : writer_.string(key);
    learning_ = learning_ && shapes_[latest_].learn(
                                 which, name, {literal_, static_cast<std::size_t>(at_ - literal_)});
    Value v;
    if (!value(v)) return false;
    for (std::size_t i = 0; i < extra_.size(); i += 2)
      if (extra_[i] == name) {
        extra_[i + 1] = v;
        learning_ = false;
        return true;
      }
    extra_.insert(extra_.end(), {name, v});
    return true;
  }
  Atom a;
  a.at = at_;
  if (!atom(a)) return false;
  switch (which) {
    case OpKey::type: {
      const auto type = a.is_text ? parse_op_type(a.text) : std::nullopt;
      if (!type) return wrong(a.at, "the type invoke, ok, fail or info");
      row.type = *type;
      return true;
    }
    case OpKey::f:
      row.f = a.is_text            ? rows_.name(a.text)
              : a.value.is_nil() ? Events::Name{0}
                                 : rows_.name({a.at, static_cast<std::size_t>(at_ - a.at)});
      return true;
    case OpKey::process: return process_field(a, row);
    default: return number_field(which, a, key_kind, row);
  }
}

bool Scanner::process_field(const Atom& a, Events::Row& row) {
  if (a.is_text) {
    row.process = rows_.named_process(a.text);
  } else if (a.value.is_nil()) {
    row.process = rows_.named_process("nil");
  } else if (a.value.is_integer() && a.value.as_integer() >= 0 &&
             a.value.as_integer() <= std::numeric_limits<std::int32_t>::max()) {
    row.process = static_cast<std::int32_t>(a.value.as_integer());
  } else {
    return wrong(a.at, "a process: a number from 0 to 2147483647, a name or nil");
  }
  return true;
}

bool Scanner::number_field(OpKey which, const Atom& a, Value::Kind key_kind, Events::Row& row) {
  std::int64_t& to = which == OpKey::time ? row.time : row.index;
  if (!a.is_text && a.value.is_integer()) {
    to = std::max<std::int64_t>(a.value.as_integer(), -1);
    return true;
  }
  if (!a.is_text && a.value.is_nil()) return true;
  // A time of another kind, such as a date, is kept, but nobody can compute with it.
  const std::string_view key = which == OpKey::time ? "time" : "index";
  extra_.push_back(key_kind == Value::Kind::keyword ? writer_.keyword(key) : writer_.string(key));
  extra_.push_back(a.is_text ? writer_.string(a.text) : a.value);
  return true;
}

Value Scanner::decimal(bool negative, const char* digits, const char* end) {
  if (end - digits <= 17) {
    std::int64_t n = 0;
    for (const char* p = digits; p != end; ++p) n = n * 10 + (*p - '0');
    return Value::integer(negative ? -n : n);
  }
  while (digits + 1 != end && *digits == '0') ++digits;
  if (end - digits <= 18) {
    std::int64_t n = 0;
    for (const char* p = digits; p != end; ++p) n = n * 10 + (*p - '0');
    return writer_.integer(negative ? -n : n);
  }
  std::string text(negative ? "-" : "");
  text.append(digits, end);
  return writer_.big(text);
}

int Scanner::hex4(const char* p, const char* end) {
  if (end - p < 4) return -1;
  int code = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    code = code * 16 + digit;
  }
  return code;
}

void Scanner::append_utf8(std::string& out, unsigned code) {
  const auto add = [&](unsigned byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 63));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 63));
    add(0x80 | (code & 63));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 63));
    add(0x80 | (code >> 6 & 63));
    add(0x80 | (code & 63));
  }
}

bool Scanner::valid_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = p + text.size();
  while (p != end) {
    const unsigned c = *p;
    if (c < 0x80) {
      ++p;
      continue;
    }
    const int more = c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 0;
    unsigned code = c & (0x3fu >> more);
    bool good = more > 0 && end - p > more;
    for (int i = 1; good && i <= more; ++i) {
      good = (p[i] & 0xc0) == 0x80;
      code = code << 6 | (p[i] & 63u);
    }
    // Neither too long a form, nor half of a pair of UTF-16, nor beyond Unicode.
    good = good && (more != 2 || (code >= 0x800 && (code < 0xd800 || code > 0xdfff))) &&
           (more != 3 || (code >= 0x10000 && code <= 0x10ffff));
    if (!good) return wrong(reinterpret_cast<const char*>(p), "UTF-8");
    p += more + 1;
  }
  return true;
}

}  // namespace gameday::reading
