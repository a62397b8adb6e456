#include "reports/reproduced.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "reports/assets.h"
#include "reports/text.h"

namespace gameday {
namespace {

using report::html;

std::string text_of(const Json& row, const char* key) { return row.value(key, std::string()); }

std::string list_of(const Json& row, const char* key) {
  return fmt::format("{}", fmt::join(row.value(key, std::vector<std::string>()), ", "));
}

// "INVALID, as expected", "VALID (0 of 10 runs INVALID), not as expected: ..."
std::string outcome(const Json& row) {
  std::string words = text_of(row, "verdict");
  if (row.value("runs", 0) > 1)
    words +=
        fmt::format(" ({} of {} runs INVALID)", row.value("invalid-runs", 0), row.value("runs", 0));
  if (row.value("as-expected", false)) return words + ", as expected";
  const std::string error = text_of(row, "error");
  return words + (error.empty() ? ", not as expected" : ": " + error);
}

std::size_t as_expected(const Json& rows) {
  std::size_t count = 0;
  for (const auto& row : rows) count += row.value("as-expected", false) ? 1 : 0;
  return count;
}

const char* body_class(const std::string& verdict) {
  return verdict == "INVALID"   ? "invalid"
         : verdict == "VALID"   ? "valid"
         : verdict == "UNKNOWN" ? "unknown"
                                : "unchecked";
}

std::string link(const std::string& url, const std::string& text) {
  return fmt::format("<a href=\"{}\">{}</a>", html(url), html(text));
}

// "Title, https://where; https://more": links.
std::string source_link(const Json& row) {
  const std::string source = text_of(row, "source");
  std::vector<std::string> urls;
  const auto first = source.find("https://");
  for (auto at = first; at != std::string::npos; at = source.find("https://", at + 1))
    urls.push_back(source.substr(at, source.find_first_of("; ", at) - at));
  if (urls.empty()) return html(source);
  const auto end = source.find_last_not_of(", ", first == 0 ? 0 : first - 1);
  std::string links = link(urls[0], first == 0 ? urls[0].substr(8) : source.substr(0, end + 1));
  for (std::size_t i = 1; i < urls.size(); ++i) links += ", " + link(urls[i], urls[i].substr(8));
  return links;
}

std::string system_of(const Json& row) {
  const std::string version = text_of(row, "version"), settings = text_of(row, "settings");
  return text_of(row, "system") + (version.empty() ? "" : " " + version) +
         (settings.empty() ? "" : ", " + settings);
}

std::string faults_of(const Json& row) {
  std::vector<std::string> names;
  for (const auto& planned : row.value("schedule", Json::array())) {
    const std::string name = text_of(planned, "fault");
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names.empty() ? "no fault" : fmt::format("{}", fmt::join(names, ", "));
}

constexpr std::string_view kStyle = R"(
table.findings { width: 100%; border-collapse: collapse; font-size: .875rem; margin: 1rem 0 2rem; }
.findings th, .findings td { text-align: left; vertical-align: top; padding: .35rem .6rem;
  border-bottom: 1px solid var(--line); overflow-wrap: normal; }
.findings th { color: var(--soft); font-weight: 600; }
.scroll { overflow-x: auto; }
main { max-width: 76rem; margin: 0 auto; padding: 1rem 1.5rem 3rem; }
.finding { background: var(--surface); border: 1px solid var(--line); border-radius: 12px;
  padding: .9rem 1.2rem; margin: .8rem 0; box-shadow: var(--shadow); }
.finding h2 { font-size: 1.05rem; margin: 0 0 .3rem; display: flex; flex-wrap: wrap; gap: .3rem .8rem;
  align-items: center; }
.finding p { margin: .2rem 0; }
.finding .soft { color: var(--soft); font-size: .875rem; }
.invalid { --verdict: var(--invalid); --tint: var(--tint-invalid); }
.valid { --verdict: var(--valid); --tint: var(--tint-valid); }
.unknown { --verdict: var(--unknown); --tint: var(--tint-unknown); }
.unchecked { --verdict: var(--unchecked); --tint: var(--tint-unchecked); }
)";

}  // namespace

std::string render_reproduced_html(const Json& rows, const std::string& folder) {
  const std::string title =
      fmt::format("gameday reproduce: {} of {} as expected", as_expected(rows), rows.size());
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light "
      "dark\">\n<title>{0}</title>\n<style>{1}{2}</style>\n</head>\n"
      "<body>\n<main>\n<h1>{0}</h1>\n",
      html(title), report::k_style.text, kStyle);
  page +=
      "<div class=\"scroll\"><table "
      "class=\"findings\">\n<tr><th>finding</th><th>system</th><th>workload</th>"
      "<th>faults</th><th>expected</th><th>came out</th><th>anomalies</th><th>source</th></tr>\n";
  for (const auto& row : rows)
    page += fmt::format(
        "<tr class=\"{}\"><td><a href=\"#{}\">{}</a></td><td>{}</td><td>{}</td><td>{}</td>"
        "<td>{}</td><td><span class=\"chip\">{}</span></td><td>{}</td><td>{}</td></tr>\n",
        body_class(text_of(row, "verdict")), html(text_of(row, "name")), html(text_of(row, "name")),
        html(system_of(row)), html(text_of(row, "workload")), html(faults_of(row)),
        html(text_of(row, "expected")), html(outcome(row)), html(list_of(row, "anomaly-types")),
        source_link(row));
  page += "</table></div>\n";
  for (const auto& row : rows) {
    page += fmt::format(
        "<section id=\"{}\" class=\"finding {}\">\n<h2>{} <span "
        "class=\"chip\">{}</span></h2>\n<p>{}</p>\n",
        html(text_of(row, "name")), body_class(text_of(row, "verdict")), html(text_of(row, "name")),
        html(outcome(row)), html(text_of(row, "finding")));
    page += fmt::format("<p class=\"soft\">{}; workload {}, {}, expected {}", html(system_of(row)),
                        html(text_of(row, "workload")), html(faults_of(row)),
                        html(text_of(row, "expected")));
    if (const auto types = list_of(row, "anomaly-types"); !types.empty())
      page += fmt::format("; found {}", html(types));
    page += fmt::format("</p>\n<p class=\"soft\">{}</p>\n", source_link(row));
    if (const auto summary = text_of(row, "summary"); !summary.empty())
      page += fmt::format("<p>{}</p>\n", html(summary));
    if (const auto run = text_of(row, "folder"); !run.empty()) {
      const auto report = (std::filesystem::path(run) / "report.html").lexically_relative(folder);
      page += fmt::format("<p><a href=\"{}\">report</a> <code>{}</code></p>\n",
                          html(report.string()), html(text_of(row, "command")));
    }
    page += "</section>\n";
  }
  return page + "</main>\n</body>\n</html>\n";
}

namespace {

class Page {
 public:
  explicit Page(std::size_t width) : width_(width) {}
  void add(std::size_t indent, const std::string& paragraph) {
    for (const auto& line : report::wrap(report::printable(paragraph), width_ - indent))
      text += std::string(indent, ' ') + line + "\n";
  }
  std::string text;

 private:
  std::size_t width_;
};

}  // namespace

std::string render_reproduced_text(const Json& rows, std::size_t width) {
  Page page(width);
  for (const auto& row : rows) {
    page.add(0, fmt::format("{} {}: {}", row.value("as-expected", false) ? "+" : "-",
                            text_of(row, "name"), outcome(row)));
    page.add(4, text_of(row, "finding"));
    if (const auto types = list_of(row, "anomaly-types"); !types.empty())
      page.add(4, "found: " + types);
    if (const auto folder = text_of(row, "folder"); !folder.empty()) page.add(4, "run: " + folder);
    page.add(4, "source: " + text_of(row, "source"));
  }
  return page.text + fmt::format("{} of {} as expected\n", as_expected(rows), rows.size());
}

std::string render_findings_text(const Json& rows, std::size_t width) {
  Page page(width);
  for (const auto& row : rows) {
    page.add(0, fmt::format("{}: {} expected", text_of(row, "name"), text_of(row, "expected")));
    page.add(4, text_of(row, "finding"));
    page.add(4, fmt::format("{}; workload {}, {}", system_of(row), text_of(row, "workload"),
                            faults_of(row)));
    page.add(4, "source: " + text_of(row, "source"));
  }
  return page.text;
}

}  // namespace gameday
