#include "reports/reproduced.h"

#include <gtest/gtest.h>

namespace gameday {
namespace {

Json row(const char* name, const char* expected, const char* verdict) {
  return {{"name", name},
          {"system", "redis"},
          {"version", "5:7.0.15"},
          {"settings", "a=b"},
          {"workload", "set"},
          {"expected", expected},
          {"verdict", verdict},
          {"runs", 1},
          {"invalid-runs", 0},
          {"finding", "<b>&"},
          {"summary", "x < y"},
          {"command", "gameday run redis"},
          {"folder", "/store/redis/20261126T000000.000Z"},
          {"anomaly-types", {"lost"}},
          {"as-expected", std::string_view(expected) == verdict},
          {"schedule",
           Json::parse(R"([{"fault": "kill"}, {"fault": "partition"}, {"fault": "kill"}])")},
          {"source", "Jepsen: Redis (2013), https://aphyr.com/posts/283"}};
}

const Json kRows =
    Json::array({row("redis-a", "INVALID", "INVALID"), row("redis-b", "VALID", "INVALID")});

TEST(Reproduced, ThePageHasATableWithLinksThatWorkFromAnywhere) {
  const std::string page = render_reproduced_html(kRows, "/store");
  for (const char* part :
       {"1 of 2 as expected", "<td>redis 5:7.0.15, a=b</td>", "<td>kill, partition</td>",
        "href=\"#redis-a\"", "id=\"redis-a\"", "href=\"redis/20261126T000000.000Z/report.html\"",
        "<a href=\"https://aphyr.com/posts/283\">Jepsen: Redis (2013)</a>",
        "INVALID, not as expected"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find("<b>&"), std::string::npos) << "what comes from a run is text";
  EXPECT_EQ(page.find("<script"), std::string::npos);
}

TEST(Reproduced, TheTextFitsTheTerminal) {
  const std::string text = render_reproduced_text(kRows, 40);
  EXPECT_NE(text.find("+ redis-a: INVALID, as expected"), std::string::npos) << text;
  EXPECT_NE(text.find("- redis-b: INVALID, not as expected"), std::string::npos) << text;
  EXPECT_NE(text.find("1 of 2 as expected"), std::string::npos) << text;
}

TEST(Reproduced, EverySourceIsALink) {
  Json rows = Json::array({row("nats-a", "INVALID", "INVALID")});
  rows[0]["source"] = "Jepsen: NATS, https://jepsen.io/nats; https://github.com/x/1";
  const std::string page = render_reproduced_html(rows, "/store");
  EXPECT_NE(page.find("<a href=\"https://jepsen.io/nats\">Jepsen: NATS</a>, <a "
                      "href=\"https://github.com/x/1\">github.com/x/1</a>"),
            std::string::npos);
  rows[0]["source"] = "https://github.com/x/1";
  EXPECT_NE(render_reproduced_html(rows, "/store").find("\">github.com/x/1</a>"),
            std::string::npos);
  const std::string findings = render_findings_text(rows, 60);
  EXPECT_NE(findings.find("nats-a: INVALID expected"), std::string::npos) << findings;
}

TEST(Reproduced, ARowThatWasNotRunSaysWhy) {
  Json rows = Json::array({row("redis-a", "INVALID", "not run")});
  rows[0]["error"] = "redis needs /usr/bin/redis-server";
  rows[0]["folder"] = "";
  EXPECT_NE(render_reproduced_text(rows, 100).find("not run: redis needs"), std::string::npos);
  EXPECT_EQ(render_reproduced_html(rows, "/store").find("report.html"), std::string::npos);
}

}  // namespace
}  // namespace gameday
