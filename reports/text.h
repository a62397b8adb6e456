// Text for people, out of text that a system under test may have chosen. Everything inside
// `reports/` is kept as it came; these functions stand at the edges, where it is written out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/json.h"

namespace gameday::report {

// Valid UTF-8 of one line that shows what is there: control characters (also C1 and DEL), invisible
// ones and those that reverse the direction of text become \u{1b}; an invalid byte becomes U+FFFD;
// a newline becomes "\n", two characters.
std::string printable(std::string_view text);
// The same, but newlines and tabs stay.
std::string printable_lines(std::string_view text);

// printable() with the characters of markup escaped; good for content and quoted attributes.
std::string html(std::string_view text);
// JSON that can stand in <script type="application/json">: no <, > or &, no U+2028.
std::string script_json(const Json& json);

// At most `limit` code points; what is cut is announced: "... (12,031 characters)". The text must
// be valid UTF-8.
std::string cut(const std::string& text, std::size_t limit);
// A JSON value in one printable line of at most `limit` code points; strings keep their quotes.
std::string compact(const Json& json, std::size_t limit);
// A JSON value indented over several lines, at most `limit` bytes of it.
std::string pretty(const Json& json, std::size_t limit);

std::string count(std::int64_t n);                         // 12,031
std::string plural(std::int64_t n, std::string_view one);  // "1 fault", "3 faults"
std::string at_second(std::int64_t ns);                    // "8.310 s"; "-" when negative
std::string length_of(std::int64_t ns);                    // "412 µs", "9.3 ms", "1.20 s"
std::string join(const std::vector<std::string>& parts, std::string_view separator);

// The columns a terminal needs for valid UTF-8: 2 for wide characters, 0 for combining ones.
std::size_t columns(std::string_view text);
// Breaks a paragraph at spaces into lines of at most `width` columns; a longer word is split.
std::vector<std::string> wrap(const std::string& text, std::size_t width);

// base64 of a hash that is written as hex digits, as Content-Security-Policy wants it.
std::string base64_of_hex(std::string_view hex);

}  // namespace gameday::report
