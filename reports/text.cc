#include "reports/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace gameday::report {
namespace {

constexpr char32_t kInvalid = 0xfffd;
constexpr int kDeepest = 200;  // nlohmann's dump() recurses; a hostile value must not end the stack

// Decodes the code point at text[at] and moves past it; an invalid byte is U+FFFD of length 1.
char32_t decode(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(at++);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 && lead < 0xf5 ? 3 : lead >= 0xe0 ? 2 : 1;
  if (lead < 0xc2 || lead > 0xf4 || at + static_cast<std::size_t>(more) > text.size())
    return kInvalid;
  char32_t c = lead & (0x3fU >> more);
  for (int i = 0; i < more; ++i) {
    const unsigned char next = byte(at + static_cast<std::size_t>(i));
    if ((next & 0xc0) != 0x80) return kInvalid;
    c = (c << 6) | (next & 0x3fU);
  }
  constexpr std::array<char32_t, 4> kLeast = {0, 0x80, 0x800, 0x10000};
  if (c < kLeast[static_cast<std::size_t>(more)] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
    return kInvalid;
  at += static_cast<std::size_t>(more);
  return c;
}

void encode(char32_t c, std::string& out) {
  const auto push = [&](char32_t byte) {
    out += static_cast<char>(static_cast<unsigned char>(byte));
  };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xc0 | (c >> 6));
    push(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    push(0xe0 | (c >> 12));
    push(0x80 | ((c >> 6) & 0x3f));
    push(0x80 | (c & 0x3f));
  } else {
    push(0xf0 | (c >> 18));
    push(0x80 | ((c >> 12) & 0x3f));
    push(0x80 | ((c >> 6) & 0x3f));
    push(0x80 | (c & 0x3f));
  }
}

struct Range {
  char32_t first, last;
};

template <std::size_t N>
bool within(char32_t c, const std::array<Range, N>& ranges) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& r) { return c >= r.first && c <= r.last; });
}

// Characters that change a terminal's state, cannot be seen, or make other text lie about its
// order; also the noncharacters that XML 1.0 forbids.
bool is_hidden(char32_t c) {
  static constexpr std::array<Range, 13> kHidden = {{{0x00, 0x1f},
                                                     {0x7f, 0x9f},
                                                     {0xad, 0xad},
                                                     {0x61c, 0x61c},
                                                     {0x180e, 0x180e},
                                                     {0x200b, 0x200f},
                                                     {0x2028, 0x202e},
                                                     {0x2060, 0x206f},
                                                     {0xfeff, 0xfeff},
                                                     {0xfff0, 0xfffb},
                                                     {0xfffe, 0xffff},
                                                     {0xe0000, 0xe0fff},
                                                     {0xf0000, 0x10ffff}}};
  return within(c, kHidden);
}

std::string shown(std::string_view text, bool lines) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    if (lines && (c == U'\n' || c == U'\t')) {
      encode(c, out);
    } else if (c == U'\n') {
      out += "\\n";
    } else if (is_hidden(c)) {
      out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(c));
    } else {
      encode(c, out);
    }
  }
  return out;
}

bool deeper_than(const Json& json, int levels) {
  if (!json.is_structured()) return false;
  if (levels == 0) return true;
  return std::any_of(json.begin(), json.end(),
                     [levels](const Json& child) { return deeper_than(child, levels - 1); });
}

std::string dump(const Json& json, int indent) {
  if (deeper_than(json, kDeepest)) return "(nested too deeply to be shown)";
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// The number of bytes that the first `limit` code points take.
std::size_t prefix_bytes(std::string_view text, std::size_t limit) {
  std::size_t at = 0;
  for (std::size_t n = 0; n < limit && at < text.size(); ++n) decode(text, at);
  return at;
}

std::size_t width_of(char32_t c) {
  static constexpr std::array<Range, 4> kCombining = {
      {{0x300, 0x36f}, {0x1ab0, 0x1aff}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}}};
  static constexpr std::array<Range, 9> kWide = {{{0x1100, 0x115f},
                                                  {0x2e80, 0xa4cf},
                                                  {0xac00, 0xd7a3},
                                                  {0xf900, 0xfaff},
                                                  {0xfe30, 0xfe6f},
                                                  {0xff00, 0xff60},
                                                  {0xffe0, 0xffe6},
                                                  {0x1f300, 0x1faff},
                                                  {0x20000, 0x3fffd}}};
  if (within(c, kCombining)) return 0;
  return within(c, kWide) ? 2 : 1;
}

// The bytes of the longest prefix that fits into `width` columns, at least one code point.
std::size_t fitting(std::string_view text, std::size_t width) {
  std::size_t at = 0;
  for (std::size_t used = 0; at < text.size();) {
    std::size_t next = at;
    used += width_of(decode(text, next));
    if (used > width && at > 0) break;
    at = next;
  }
  return at;
}

}  // namespace

std::string printable(std::string_view text) { return shown(text, false); }
std::string printable_lines(std::string_view text) { return shown(text, true); }

std::string html(std::string_view text) {
  std::string out;
  for (const char c : printable_lines(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string script_json(const Json& json) {
  std::string out;
  const std::string text = dump(json, -1);
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode(text, at);
    // Outside of strings JSON has none of these, so an escape is always within one.
    if (c == U'<' || c == U'>' || c == U'&' || c == U'\u2028' || c == U'\u2029')
      out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(c));
    else
      encode(c, out);
  }
  return out;
}

std::string cut(const std::string& text, std::size_t limit) {
  const std::size_t end = prefix_bytes(text, limit);
  if (end == text.size()) return text;
  std::size_t total = limit;
  for (std::size_t at = end; at < text.size(); ++total) decode(text, at);
  return fmt::format("{}… ({} characters)", text.substr(0, end),
                     count(static_cast<std::int64_t>(total)));
}

std::string compact(const Json& json, std::size_t limit) {
  return cut(printable(dump(json, -1)), limit);
}

std::string pretty(const Json& json, std::size_t limit) {
  return cut(printable_lines(dump(json, 2)), limit);
}

std::string count(std::int64_t n) {
  std::string digits = fmt::format("{}", n);
  const std::size_t sign = n < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > sign + 3;) digits.insert(at -= 3, 1, ',');
  return digits;
}

std::string plural(std::int64_t n, std::string_view one) {
  return fmt::format("{} {}{}", count(n), one, n == 1 ? "" : "s");
}

std::string at_second(std::int64_t ns) {
  if (ns < 0) return "-";
  return fmt::format("{:.3f} s", static_cast<double>(ns) / 1e9);
}

std::string length_of(std::int64_t ns) {
  if (ns < 0) return "-";
  const auto t = static_cast<double>(ns);
  if (t < 1e6) return fmt::format("{:.0f} µs", t / 1e3);
  if (t < 1e8) return fmt::format("{:.1f} ms", t / 1e6);
  if (t < 1e9) return fmt::format("{:.0f} ms", t / 1e6);
  return fmt::format("{:.2f} s", t / 1e9);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::size_t columns(std::string_view text) {
  std::size_t total = 0;
  for (std::size_t at = 0; at < text.size();) total += width_of(decode(text, at));
  return total;
}

std::vector<std::string> wrap(const std::string& text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t space = std::min(text.find(' ', at), text.size());
    std::string_view word = std::string_view(text).substr(at, space - at);
    at = space + 1;
    if (word.empty()) continue;
    if (!line.empty() && columns(line) + 1 + columns(word) > width)
      lines.push_back(std::exchange(line, {}));
    while (line.empty() && columns(word) > width) {
      const std::size_t end = fitting(word, width);
      lines.emplace_back(word.substr(0, end));
      word.remove_prefix(end);
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty() || lines.empty()) lines.push_back(line);
  return lines;
}

std::string base64_of_hex(std::string_view hex) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const auto nibble = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
  };
  std::string out;
  // Three hex digits are two digits of base64.
  for (std::size_t at = 0; at < hex.size(); at += 3) {
    unsigned bits = 0;
    for (std::size_t i = at; i < at + 3; ++i)
      bits = bits << 4 | (i < hex.size() ? nibble(hex[i]) : 0);
    out += kDigits[bits >> 6];
    if (at + 1 < hex.size()) out += kDigits[bits & 63];
  }
  while (out.size() % 4 != 0) out += '=';
  return out;
}

}  // namespace gameday::report
