#include "reports/console.h"

#include <gtest/gtest.h>

#include <sstream>

#include "reports/sample.h"
#include "reports/text.h"

namespace gameday {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

TEST(Console, SaysWhatOneNeedsToKnow) {
  const std::string text = render_console(sample_run({}), {false, 100});
  for (const char* part :
       {"✗ INVALID: 3 acknowledged writes were lost.", "lost-write (I3), found by lost-writes",
        "no majority", "✓ VALID    availability", "? UNKNOWN  session-guarantees",
        "✗ INVALID  lost-writes", "dropped 312 packets", "VACUOUS", "FAILED: no loop device",
        "store/search/20261103T021455Z/report.html", "gameday run search --workload all",
        "2 more anomalies"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_TRUE(text.starts_with("✗ INVALID: "));
}

TEST(Console, KeepsToTheWidthButNeverBreaksTheCommand) {
  for (const int width : {40, 60, 80, 132}) {
    for (const auto& line :
         lines_of(render_console(sample_run({.attack = kAttack}), {false, width}))) {
      if (line.starts_with("Report ") || line.starts_with("Reproduce ")) continue;
      EXPECT_LE(report::columns(line), static_cast<std::size_t>(width)) << line;
    }
  }
}

TEST(Console, EscapeSequencesOfTheSystemAreNeutralised) {
  const std::string text = render_console(sample_run({.attack = kAttack}), {false, 100});
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find('\x07'), std::string::npos);
  EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos);
  EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_NE(text.find("\\u{1b}"), std::string::npos);
}

TEST(Console, ColourIsOursOnly) {
  const std::string text = render_console(sample_run({.attack = kAttack}), {true, 100});
  EXPECT_EQ(text.find("\x1b]"), std::string::npos);
  EXPECT_NE(text.find("\x1b[1;31m"), std::string::npos);
}

TEST(Console, AnEmptyRecordAndAnUncheckedOne) {
  EXPECT_NE(render_console({}, {}).find("gameday check RUN"), std::string::npos);
  RunRecord run = sample_run({.ops = 50});
  run.results = nullptr;
  run.damage = "line 51: not JSON";
  EXPECT_NE(render_console(run, {}).find("ends early: line 51"), std::string::npos);
}

}  // namespace
}  // namespace gameday
