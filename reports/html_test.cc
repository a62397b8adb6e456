#include "reports/html.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "reports/assets.h"
#include "reports/sample.h"
#include "reports/text.h"

namespace gameday {
namespace {

constexpr std::size_t kLimit = 3'000'000;

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// The page without its own style and scripts: what is made of the run.
std::string made_of_the_run(std::string page) {
  for (const auto* asset : {&report::k_style, &report::k_d3, &report::k_script}) {
    const std::size_t at = page.find(asset->text);
    EXPECT_NE(at, std::string::npos);
    page.erase(at, asset->text.size());
  }
  return page;
}

Json data_of(const std::string& page) {
  const std::string open = "id=\"data\">";
  const std::size_t begin = page.find(open) + open.size();
  return Json::parse(page.substr(begin, page.find("</script>", begin) - begin));
}

TEST(Html, ReadsWithoutJavaScript) {
  const std::string page = made_of_the_run(render_html(sample_run({})));
  for (const char* part :
       {"3 acknowledged writes were lost.", "The first: append ", "invariant I3",
        "no majority can have stored", "dropped 312 packets between n1 and n2, n3", "VACUOUS",
        "FAILED", "session-guarantees",
        ">gameday run search</span> <span class=\"arg\">--workload all<", "nodes/n1/log",
        "history.jsonl"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  EXPECT_EQ(page.find("{{"), std::string::npos);
}

TEST(Html, HostileTextStaysText) {
  RunRecord run = sample_run({.attack = kAttack});
  run.nodes.push_back("../" + kAttack);
  const std::string page = render_html(run);
  const std::string ours = made_of_the_run(page);
  EXPECT_EQ(occurrences(ours, "<script"), 3U);  // data, D3, ours
  EXPECT_EQ(occurrences(ours, "</script"), 3U);
  EXPECT_EQ(occurrences(ours, "<img"), 0U);
  EXPECT_EQ(occurrences(ours, "<!--"), 0U);
  EXPECT_EQ(occurrences(ours, "href=\"nodes/"), 3U);  // the odd name is shown, not linked
  EXPECT_EQ(ours.find('\x1b'), std::string::npos);
  EXPECT_EQ(ours.find('\0'), std::string::npos);
  EXPECT_EQ(ours.find("\xe2\x80\xae"), std::string::npos);
  EXPECT_NE(ours.find("&lt;img src=x onerror=alert(1)&gt;"), std::string::npos);
  EXPECT_FALSE(data_of(page)["ops"].empty());
}

TEST(Html, ThePolicyAllowsNothingButThePagesOwnParts) {
  const std::string page = render_html(sample_run({.ops = 50}));
  const std::size_t at = page.find("Content-Security-Policy\" content=\"");
  const std::string policy = page.substr(at, page.find('>', at) - at);
  EXPECT_NE(policy.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
  for (const auto* asset : {&report::k_style, &report::k_d3, &report::k_script})
    EXPECT_NE(policy.find(report::base64_of_hex(asset->sha256)), std::string::npos);
  EXPECT_EQ(page.find("http://", page.find("<body")),
            page.find("http://www.w3.org", page.find("<body")));
}

TEST(Html, OurScriptsNeverBuildMarkup) {
  const std::string script(report::k_script.text);
  for (const char* word :
       {"innerHTML", "outerHTML", "insertAdjacentHTML", ".html(", "document.write", "eval(",
        "new Function", "createContextualFragment", "setAttribute(\"style", "DOMParser"})
    EXPECT_EQ(script.find(word), std::string::npos) << word;
}

TEST(Html, WhatOneCheckerFoundManyTimesSharesAFold) {
  RunRecord run = sample_run({.ops = 50});
  Json& checkers = run.results["checkers"];
  const auto found = std::find_if(checkers.begin(), checkers.end(),
                                  [](const Json& c) { return !c.at("anomalies").empty(); });
  ASSERT_NE(found, checkers.end());
  Json& anomalies = found->at("anomalies");
  while (anomalies.size() < 6) anomalies.push_back(Json(anomalies[0]));
  const std::string page = render_html(run);
  EXPECT_NE(page.find("4 more found by " + found->at("checker").get<std::string>()),
            std::string::npos);
  EXPECT_EQ(occurrences(page, "<details"), occurrences(page, "</details>"));
}

TEST(Html, MissingPartsAreTolerated) {
  EXPECT_NE(render_html({}).find("gameday check RUN"), std::string::npos);
  RunRecord run = sample_run({.ops = 50});
  run.results = Json::object();
  run.test = Json::object();
  run.faults.clear();
  run.damage = "line 51: <b>not JSON</b>";
  const std::string page = render_html(run);
  EXPECT_NE(page.find("NOT CHECKED YET"), std::string::npos);
  EXPECT_NE(page.find("The history ends early"), std::string::npos);
  EXPECT_NE(page.find("No fault was injected"), std::string::npos);
}

TEST(Html, AHistoryWithoutTimesOrWithHugeOnes) {
  for (const std::int64_t time : {std::int64_t{-1}, std::int64_t{1'790'000'000'000'000'000}}) {
    RunRecord run;
    Op op;
    op.process = 0;
    op.f = "read";
    op.time = time;
    ASSERT_TRUE(run.history.append(op));
    const Json data = data_of(render_html(run));
    EXPECT_LT(data["begin"], data["end"]);
    EXPECT_LE(data["buckets"]["ok"].size(), 121U);
  }
}

TEST(Html, ALargeHistoryMakesAReasonablePage) {
  const RunRecord run = sample_run({.ops = 200'000});
  ASSERT_GT(run.history.size(), 300'000U);
  const std::string page = render_html(run);
  EXPECT_LT(page.size(), kLimit);
  const Json data = data_of(page);
  EXPECT_FALSE(data["complete"].get<bool>());
  EXPECT_GT(data["total"], 150'000);
  EXPECT_LE(data["ops"].size(), 6000U);
  std::int64_t completed = 0;
  for (const char* type : {"ok", "fail", "info"})
    for (const auto& n : data["buckets"][type]) completed += n.get<std::int64_t>();
  EXPECT_EQ(completed, data["total"].get<std::int64_t>());
  // Every op that an anomaly cites is there, whatever was left out.
  for (const auto& anomaly : data["anomalies"])
    for (const auto& cited : anomaly["ops"])
      EXPECT_TRUE(std::any_of(data["ops"].begin(), data["ops"].end(),
                              [&](const Json& op) { return op[0] == cited; }));
}

TEST(Html, HostileSizesStayBelowTheLimitAndAreAnnounced) {
  RunRecord run = sample_run({.ops = 20'000, .attack = std::string(3000, '<')});
  Json& anomalies = run.results["checkers"][0]["anomalies"];
  for (int i = 0; i < 200; ++i) {
    Json anomaly = anomalies[0];
    anomaly["summary"] = std::string(100'000, '&');
    anomaly["explanation"] = Json(std::vector<std::string>(500, std::string(5000, '"')));
    for (int op = 0; op < 3000; ++op) anomaly["ops"].push_back(op);
    anomalies.push_back(anomaly);
  }
  for (int i = 0; i < 2000; ++i) run.faults.push_back(run.faults[0]);
  const std::string page = render_html(run);
  EXPECT_LT(page.size(), kLimit);
  EXPECT_NE(page.find(" of 203 anomalies"), std::string::npos);
  EXPECT_NE(page.find("Showing 200 of 2016 faults"), std::string::npos);
  EXPECT_NE(page.find("Showing 40 of "), std::string::npos);
}

// --- in a browser, where there is one ------------------------------------------------------------

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");  // NOLINT: a fixed command, in a test
  if (pipe == nullptr) return out;
  char buffer[4096];
  for (std::size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  pclose(pipe);
  return out;
}

class Browser : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/usr/bin/chromium"))
      GTEST_SKIP() << "/usr/bin/chromium is not installed: the page is not tried in a browser";
    char name[] = "/tmp/gameday-report-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::string dom_of(const RunRecord& run) {
    std::ofstream(folder_ / "report.html") << render_html(run);
    return output_of(
        "timeout 60 /usr/bin/chromium --headless --no-sandbox --disable-gpu --disable-quic "
        "--no-first-run "
        "--disable-background-networking --disable-component-update --disable-sync "
        "--user-data-dir=" +
        (folder_ / "profile").string() + " --dump-dom file://" +
        (folder_ / "report.html").string() + " 2>/dev/null");
  }
  std::filesystem::path folder_;
};

TEST_F(Browser, DrawsTheChartsAndHostileTextDoesNothing) {
  const std::string dom = dom_of(sample_run({.attack = kAttack}));
  if (dom.empty())
    GTEST_SKIP() << "chromium did not start here: the page is not tried in a browser";
  EXPECT_NE(dom.find("scripted"), std::string::npos);  // our script ran to its end, past the policy
  EXPECT_EQ(occurrences(dom, "<title>owned"), 0U);
  EXPECT_GE(occurrences(dom, "<svg"), 5U);
  EXPECT_NE(dom.find("class=\"op ok cited\""), std::string::npos);
  EXPECT_NE(dom.find(" ops in this window; the run has "), std::string::npos);
  EXPECT_EQ(occurrences(dom, "<img"), 0U);
}

TEST_F(Browser, DrawsAnEmptyRun) {
  const std::string dom = dom_of({});
  if (dom.empty())
    GTEST_SKIP() << "chromium did not start here: the page is not tried in a browser";
  EXPECT_EQ(occurrences(dom, "class=\"note\">The history has no client op"), 2U);
  EXPECT_NE(dom.find("scripted"), std::string::npos);
}

}  // namespace
}  // namespace gameday
