#include "reports/html.h"

#include <fmt/format.h>

#include <functional>
#include <map>
#include <string_view>

#include "reports/assets.h"
#include "reports/chart_data.h"
#include "reports/html_sections.h"
#include "reports/text.h"
#include "reports/view.h"

namespace gameday {
namespace report {
namespace {

using Parts = std::map<std::string, std::string, std::less<>>;

// Fills {{name}} in one pass: what is filled in is never looked at again.
std::string fill(std::string_view page, const Parts& parts) {
  std::string out;
  while (true) {
    const std::size_t open = page.find("{{");
    out += page.substr(0, open);
    if (open == std::string_view::npos) return out;
    const std::size_t close = page.find("}}", open);
    out += parts.at(std::string(page.substr(open + 2, close - open - 2)));
    page.remove_prefix(close + 2);
  }
}

std::string policy() {
  const auto source = [](const Asset& asset) {
    return fmt::format("'sha256-{}'", base64_of_hex(asset.sha256));
  };
  return fmt::format(
      "default-src 'none'; style-src {}; script-src {} {}; img-src data:; base-uri 'none'; "
      "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      source(k_style), source(k_d3), source(k_script));
}

struct Look {
  const char* name;   // of the CSS class
  const char* mark;   // the verdict must not be told by colour alone
  const char* color;  // of the tab's icon
};

Look look_of(const RunView& view) {
  if (!view.verdict) return {"unchecked", "…", "%236b7280"};
  switch (*view.verdict) {
    case Verdict::valid:
      return {"valid", "✓", "%23187443"};
    case Verdict::unknown:
      return {"unknown", "?", "%238a5a00"};
    case Verdict::invalid:
      return {"invalid", "✗", "%23b3261e"};
  }
  return {"unknown", "?", "%238a5a00"};
}

std::string icon(const Look& look) {
  return fmt::format(
      "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect "
      "width='16' height='16' rx='4' fill='{}'/%3E%3C/svg%3E",
      look.color);
}

std::string navigation(const RunView& view) {
  std::string out = "<ul>";
  const auto link = [&](const char* id, const char* name) {
    out += fmt::format("<li><a href=\"#{}\">{}</a></li>", id, name);
  };
  if (!view.anomalies.empty()) link("anomalies", "Anomalies");
  link("timeline", "Timeline");
  link("rates", "Rates");
  link("faults", "Faults");
  link("checkers", "Checkers");
  link("reproduce", "Reproduce");
  link("files", "Files");
  return out + "</ul>";
}

std::string eyebrow(const RunView& view) {
  std::string out = fmt::format("<strong>{}</strong>", html(view.title));
  if (!view.workload.empty()) out += " · workload " + html(view.workload);
  if (!view.seed.empty()) out += " · seed " + html(view.seed);
  return out;
}

const char* timeline_title(const RunView& view, const RunRecord& run) {
  if (!view.anomalies.empty()) return "Timeline around the anomaly";
  return run.faults.empty() ? "Timeline" : "Timeline around the first fault";
}

}  // namespace
}  // namespace report

std::string render_html(const RunRecord& run) {
  using namespace report;  // NOLINT: the page's own vocabulary
  const RunView view = make_view(run);
  const Look look = look_of(view);
  const Parts parts = {
      {"csp", policy()},
      {"title", html(view.sentence.word + " · " + view.title)},
      {"icon", icon(look)},
      {"style", std::string(k_style.text)},
      {"class", look.name},
      {"nav", navigation(view)},
      {"eyebrow", eyebrow(view)},
      {"mark", look.mark},
      {"word", html(view.sentence.word)},
      {"head", html(view.sentence.head)},
      {"rest", view.sentence.rest.empty()
                   ? ""
                   : fmt::format("<p class=\"rest\">{}</p>", html(view.sentence.rest))},
      {"figures", html_figures(view)},
      {"facts", html_facts(view)},
      {"anomalies", html_anomalies(run, view)},
      {"timeline-title", timeline_title(view, run)},
      {"faults", html_faults(run)},
      {"checkers", html_checkers(view)},
      {"reproduce", html_reproduce(view)},
      {"files", html_files(run, view)},
      {"footer",
       "Made by <code>gameday report</code>. Times are seconds since the start of the run."},
      {"data", script_json(chart_data(run, view))},
      {"d3", std::string(k_d3.text)},
      {"script", std::string(k_script.text)},
  };
  return fill(k_page.text, parts);
}

}  // namespace gameday
