#include "reports/junit.h"

#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "reports/sample.h"

namespace gameday {
namespace {

pugi::xml_document parse(const std::string& xml) {
  pugi::xml_document document;
  const auto result =
      document.load_buffer(xml.data(), xml.size(), pugi::parse_default, pugi::encoding_utf8);
  EXPECT_TRUE(result) << result.description();
  return document;
}

// What pugixml would let pass: XML 1.0 has no control characters but tab, CR and LF.
bool has_forbidden_characters(const std::string& xml) {
  return std::any_of(xml.begin(), xml.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && c != '\n' && c != '\t' && c != '\r';
  });
}

std::string property(const pugi::xml_node& suite, const char* name) {
  return suite.child("properties")
      .find_child_by_attribute("property", "name", name)
      .attribute("value")
      .value();
}

TEST(Junit, OneCaseACheckerWithItsVerdict) {
  const auto document = parse(render_junit(sample_run({})));
  const auto suite = document.child("testsuites").child("testsuite");
  EXPECT_STREQ(suite.attribute("name").value(), "gameday.search.all");
  EXPECT_EQ(suite.attribute("tests").as_int(), 5);
  EXPECT_EQ(suite.attribute("failures").as_int(), 1);
  EXPECT_EQ(suite.attribute("errors").as_int(), 1);
  EXPECT_EQ(property(suite, "seed"), "7");
  EXPECT_TRUE(property(suite, "command").starts_with("gameday run search "));
  EXPECT_NE(property(suite, "fault.0").find("dropped 312 packets"), std::string::npos);
  const auto lost = suite.find_child_by_attribute("testcase", "name", "lost-writes");
  EXPECT_STREQ(lost.attribute("time").value(), "0.410");
  EXPECT_STREQ(lost.child("failure").attribute("message").value(),
               "3 acknowledged writes were lost");
  EXPECT_NE(std::string(lost.child("failure").text().get()).find("no majority can have stored"),
            std::string::npos);
  const auto unknown = suite.find_child_by_attribute("testcase", "name", "session-guarantees");
  EXPECT_NE(std::string(unknown.child("error").attribute("message").value()).find("budget"),
            std::string::npos);
  EXPECT_FALSE(suite.find_child_by_attribute("testcase", "name", "availability").first_child());
}

TEST(Junit, HostileTextStaysText) {
  const std::string xml = render_junit(sample_run({.attack = kAttack}));
  EXPECT_FALSE(has_forbidden_characters(xml));
  EXPECT_EQ(xml.find("<script"), std::string::npos);
  const auto document = parse(xml);
  const auto failure = document.select_node("//failure").node();
  EXPECT_NE(std::string(failure.text().get()).find("</script><script>"), std::string::npos);
}

TEST(Junit, ARunThatWasNotCheckedIsAnError) {
  RunRecord run = sample_run({.ops = 50});
  run.results = Json::object();
  const auto document = parse(render_junit(run));
  EXPECT_EQ(document.select_nodes("//testcase").size(), 1U);
  const auto error = document.select_node("//testcase/error").node();
  EXPECT_NE(std::string(error.attribute("message").value()).find("not checked yet: gameday check"),
            std::string::npos);
}

TEST(Junit, AnUnknownRunWithoutAnUnknownCheckerIsAnError) {
  RunRecord run = sample_run({.ops = 50, .invalid = false});
  run.results["verdict"] = "UNKNOWN";
  run.results["summary"] = "every fault was vacuous";
  const auto document = parse(render_junit(run));
  EXPECT_EQ(document.select_nodes("//error").size(), 1U);
  EXPECT_EQ(document.select_nodes("//testcase").size(), 4U);
}

TEST(Junit, AnEmptyRecordIsWellFormed) {
  const auto document = parse(render_junit({}));
  EXPECT_STREQ(document.select_node("//testsuite").node().attribute("name").value(),
               "gameday.unknown.unknown");
}

}  // namespace
}  // namespace gameday
