#include "reports/text.h"

#include <gtest/gtest.h>

#include "reports/sample.h"

namespace gameday::report {
namespace {

bool is_plain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x20 && byte != 0x7f;
  });
}

TEST(Text, PrintableShowsWhatWouldBeInvisible) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\\u{1b}[2Jb");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\u{0}b");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "\\u{9b}31m");  // a C1 control sequence introducer
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "abc"),
            "\\u{202e}abc");
  EXPECT_EQ(printable("two\nlines\t."), "two\\nlines\\u{9}.");
  EXPECT_EQ(printable_lines("two\nlines\t."), "two\nlines\t.");
  EXPECT_EQ(printable("Größe → 漢字 😀"), "Größe → 漢字 😀");
}

TEST(Text, PrintableMendsBrokenUtf8) {
  const std::string replacement = "\xef\xbf\xbd";
  EXPECT_EQ(printable("\xff"), replacement);
  EXPECT_EQ(printable("\x9b"), replacement);
  EXPECT_EQ(printable("\xc0\xaf"), replacement + replacement);           // overlong
  EXPECT_EQ(printable("\xed\xa0\x80").substr(0, 3), replacement);        // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80").substr(0, 3), replacement);    // beyond U+10FFFF
  EXPECT_EQ(printable("ok\xe2\x82"), "ok" + replacement + replacement);  // cut short
  EXPECT_TRUE(is_plain(printable(kAttack)));
}

TEST(Text, HtmlLeavesNoMarkup) {
  const std::string safe = html(kAttack);
  EXPECT_EQ(safe.find_first_of("<>\"'"), std::string::npos);
  EXPECT_EQ(html("a & <b>"), "a &amp; &lt;b&gt;");
}

TEST(Text, ScriptJsonCannotEndItsElementAndIsStillTheSameJson) {
  const Json value = {{"text", "</script><!-- &\xe2\x80\xa8\xe2\x80\xa9"}, {"bad", "\xff"}};
  const std::string text = script_json(value);
  EXPECT_EQ(text.find_first_of("<>&"), std::string::npos);
  EXPECT_EQ(text.find("\xe2\x80\xa8"), std::string::npos);
  const Json back = Json::parse(text);
  EXPECT_EQ(back["text"], value["text"]);
  EXPECT_EQ(back["bad"], "\xef\xbf\xbd");
}

TEST(Text, CutsAreAnnounced) {
  EXPECT_EQ(cut("short", 10), "short");
  EXPECT_EQ(cut(std::string(2000, 'x'), 3), "xxx… (2,000 characters)");
  EXPECT_EQ(cut("äöüß", 2), "äö… (4 characters)");
}

TEST(Text, ADeepValueDoesNotEndTheStack) {
  Json deep = Json::array();
  for (int i = 0; i < 2000; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  EXPECT_EQ(compact(deep, 100), "(nested too deeply to be shown)");
}

TEST(Text, Numbers) {
  EXPECT_EQ(count(0), "0");
  EXPECT_EQ(count(999), "999");
  EXPECT_EQ(count(12031), "12,031");
  EXPECT_EQ(count(-1234567), "-1,234,567");
  EXPECT_EQ(at_second(8'310'000'000), "8.310 s");
  EXPECT_EQ(at_second(-1), "-");
  EXPECT_EQ(length_of(9'300'000), "9.3 ms");
  EXPECT_EQ(plural(1, "fault"), "1 fault");
}

TEST(Text, WrapKeepsToTheWidth) {
  for (const std::size_t width : {20U, 33U, 80U})
    for (const auto& line :
         wrap("one two " + std::string(90, 'x') + " 漢字漢字漢字漢字漢字漢字 end", width))
      EXPECT_LE(columns(line), width);
  EXPECT_EQ(wrap("a b", 20), std::vector<std::string>{"a b"});
  EXPECT_EQ(wrap("", 20), std::vector<std::string>{""});
}

TEST(Text, Base64OfAHash) {
  EXPECT_EQ(base64_of_hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
  EXPECT_EQ(base64_of_hex("61"), "YQ==");
  EXPECT_EQ(base64_of_hex("616263"), "YWJj");
}

}  // namespace
}  // namespace gameday::report
