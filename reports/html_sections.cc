#include "reports/html_sections.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "reports/chart_data.h"
#include "reports/text.h"

namespace gameday::report {
namespace {

// Every cap is announced on the page.
constexpr std::size_t kOpsShown = 40;        // of an anomaly
constexpr std::size_t kSentencesShown = 40;  // of an anomaly
constexpr std::size_t kFaultsShown = 200;
constexpr std::size_t kCheckersShown = 100;
constexpr std::size_t kOpenAnomalies = 1;       // the others are folded
constexpr std::size_t kUnfolded = 2;            // of one checker; more of them share a fold
constexpr std::size_t kAnomalyBytes = 900'000;  // of markup, all anomalies together
constexpr std::size_t kSentence = 1200;         // code points
constexpr std::size_t kValue = 180;
constexpr std::size_t kDetail = 6000;

std::string sentence(const std::string& text) {
  return html(cut(printable_lines(text), kSentence));
}

// A cell carries its column's name: on a narrow screen each row becomes a card with labels.
std::string cell(std::string_view label, const std::string& markup, std::string_view kind = "") {
  return fmt::format("<td data-label=\"{}\"{}>{}</td>", label,
                     kind.empty() ? "" : fmt::format(" class=\"{}\"", kind),
                     markup.empty() ? "" : "<div>" + markup + "</div>");
}

std::string head(const std::vector<std::string>& names) {
  std::string out = "<thead><tr>";
  for (const auto& name : names) out += fmt::format("<th scope=\"col\">{}</th>", name);
  return out + "</tr></thead>";
}

std::string note(const std::string& text) { return fmt::format("<p class=\"note\">{}</p>", text); }

std::string detail_block(std::string_view title, const Json& json) {
  if (json.is_null() || (json.is_structured() && json.empty())) return "";
  return fmt::format(
      "<details class=\"more\"><summary>{}</summary><pre tabindex=\"0\">{}</pre></details>", title,
      html(pretty(json, kDetail)));
}

std::string value_cell(const OpRow& row) {
  std::string out;
  if (!row.value.is_null()) out += fmt::format("<code>{}</code>", html(compact(row.value, kValue)));
  if (!row.result.is_null())
    out += fmt::format("{}<span class=\"arrow\">→</span> <code>{}</code>", out.empty() ? "" : " ",
                       html(compact(row.result, kValue)));
  return out.empty() ? "<span class=\"none\">none</span>" : out;
}

std::string op_row_markup(const OpRow& row) {
  const std::string index = row.completed < 0 ? fmt::format("{}", row.index)
                                              : fmt::format("{}–{}", row.index, row.completed);
  const std::string took = row.end < 0 ? "" : length_of(row.end - row.begin);
  return "<tr>" + cell("index", index, "num") + cell("time", at_second(row.begin), "num") +
         cell("took", took.empty() ? "<span class=\"none\">no answer</span>" : took, "num") +
         cell("process", html(row.process), "num") + cell("node", html(row.node)) +
         cell("f", fmt::format("<code>{}</code>", html(row.f))) +
         cell("value", value_cell(row), "value") +
         cell("type", fmt::format("<span class=\"type {0}\">{0}</span>", row.type)) +
         cell("error", html(cut(printable(row.error), kValue)), "value") + "</tr>";
}

std::string op_table(const History& history, const AnomalyView& anomaly) {
  const auto rows = op_rows(history, anomaly.ops);
  std::string out;
  if (!rows.empty()) {
    out += "<table class=\"cards ops\"><caption>The ops that show it</caption>" +
           head({"index", "time", "took", "process", "node", "f", "value", "type", "error"}) +
           "<tbody>";
    for (std::size_t i = 0; i < std::min(rows.size(), kOpsShown); ++i)
      out += op_row_markup(rows[i]);
    out += "</tbody></table>";
  }
  if (rows.size() > kOpsShown)
    out += note(fmt::format("Showing {} of {} ops; results.json names the others.", kOpsShown,
                            count(static_cast<std::int64_t>(rows.size()))));
  if (anomaly.unknown_ops > 0)
    out += note(fmt::format("{} more named by results.json, not in this history.",
                            plural(static_cast<std::int64_t>(anomaly.unknown_ops), "op")));
  return out;
}

std::string anomaly_markup(const History& history, const AnomalyView& anomaly, std::size_t number) {
  std::string out =
      fmt::format("<details class=\"anomaly\" id=\"anomaly-{}\" data-anomaly=\"{}\"{}><summary>",
                  number + 1, number, number < kOpenAnomalies ? " open" : "");
  out += fmt::format("<span class=\"chips\"><span class=\"chip\">{}</span>",
                     html(cut(printable(anomaly.type), 80)));
  if (!anomaly.invariant.empty())
    out += fmt::format("<span class=\"chip plain\">invariant {}</span>",
                       html(cut(printable(anomaly.invariant), 80)));
  out += fmt::format("<span class=\"chip plain\">found by {}</span></span>",
                     html(cut(printable(anomaly.checker), 80)));
  out += fmt::format("<span class=\"what\">{}</span></summary><div class=\"body\">",
                     sentence(anomaly.summary));
  if (!anomaly.explanation.empty()) {
    out += "<ol class=\"why\">";
    for (std::size_t i = 0; i < std::min(anomaly.explanation.size(), kSentencesShown); ++i)
      out += fmt::format("<li>{}</li>", sentence(anomaly.explanation[i]));
    out += "</ol>";
    if (anomaly.explanation.size() > kSentencesShown)
      out += note(
          fmt::format("Showing {} of {} sentences.", kSentencesShown, anomaly.explanation.size()));
  }
  out += op_table(history, anomaly) +
         detail_block("Detail as the checker recorded it", anomaly.detail);
  return out + "</div></details>";
}

std::string fault_row(const FaultRecord& fault) {
  const FaultState state = state_of(fault);
  const bool good = state == FaultState::effective;
  std::string proof = html(cut(printable(fault.proof.summary), kSentence));
  if (!fault.error.empty())
    proof += fmt::format("<span class=\"problem\">{}</span>",
                         html(cut(printable(fault.error), kSentence)));
  else if (!good)
    proof += fmt::format("<span class=\"problem\">{}</span>", meaning_of(state));
  return fmt::format("<tr{}>", good ? "" : " class=\"flagged\"") +
         cell("id", fmt::format("{}", fault.id), "num") +
         cell("fault", fmt::format("<strong>{}</strong>", html(cut(printable(fault.fault), 80)))) +
         cell("requested", at_second(fault.requested), "num") +
         cell("in force", at_second(fault.in_force), "num") +
         cell("healed", at_second(fault.healed), "num") +
         cell("what it did", html(cut(printable(fault.summary), kSentence)), "value") +
         cell("proof", proof, "value") +
         cell("state", fmt::format("<span class=\"state {}\">{}</span>", good ? "good" : "bad",
                                   to_string(state))) +
         "</tr>";
}

std::string checker_markup(const CheckerView& checker) {
  static constexpr std::string_view kMarks[] = {"✓", "?", "✗"};
  static constexpr std::string_view kClasses[] = {"valid", "unknown", "invalid"};
  const auto verdict = static_cast<std::size_t>(checker.verdict);
  std::string out = fmt::format(
      "<li class=\"checker {}\"><span class=\"verdict\"><span aria-hidden=\"true\">{}</span> "
      "{}</span>"
      "<div><p><strong>{}</strong> <span class=\"what\">{}</span></p>",
      kClasses[verdict], kMarks[verdict], to_string(checker.verdict),
      html(cut(printable(checker.name), 80)),
      sentence(checker.summary.empty() ? "no summary" : checker.summary));
  out += detail_block("Statistics", checker.stats) + "</div><span class=\"seconds\">";
  if (checker.anomaly_count > 0)
    out += fmt::format("<span>{} {}</span> ", count(checker.anomaly_count),
                       checker.anomaly_count == 1 ? "anomaly" : "anomalies");
  if (checker.seconds >= 0) out += fmt::format("<span>{:.2f} s</span>", checker.seconds);
  return out + "</span></li>";
}

// Lines break between options, not within one: a reader must not take "--" for an option.
std::string command_markup(const std::string& command) {
  const std::string text = cut(printable(command), 4000);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t next = std::min(text.find(" --", at), text.size());
    out += fmt::format("<span class=\"arg\">{}</span>", html(text.substr(at, next - at)));
    if (next < text.size()) out += ' ';
    at = next + 1;
  }
  return out;
}

// A relative link, only for names that cannot be anything else than a file of the run's folder.
std::string file_link(const std::string& path) {
  const bool plain = path.find("..") == std::string::npos &&
                     path.find_first_not_of(
                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789._-/") == std::string::npos;
  const std::string text = fmt::format("<code>{}</code>", html(path));
  return plain ? fmt::format("<a href=\"{}\">{}</a>", path, text) : text;
}

}  // namespace

std::string html_figures(const RunView& view) {
  struct Figure {
    const char* name;
    const char* meaning;
    std::int64_t number;
  };
  const Figure parts[] = {{"ok", "happened", view.ops.ok},
                          {"fail", "did not happen", view.ops.fail},
                          {"info", "may have happened", view.ops.info},
                          {"open", "never answered", std::max<std::int64_t>(0, view.ops.open())}};
  std::string tiles = fmt::format("<div class=\"figure\"><dt>ops invoked</dt><dd>{}</dd></div>",
                                  count(view.ops.invoked));
  std::string bar;
  double at = 0;
  const auto total = static_cast<double>(std::max<std::int64_t>(1, view.ops.invoked));
  for (const auto& part : parts) {
    if (std::string_view(part.name) == "open" && part.number == 0) continue;
    tiles += fmt::format(
        "<div class=\"figure {0}\"><dt><span class=\"type {0}\">{0}</span> "
        "{1}</dt><dd>{2}</dd></div>",
        part.name, part.meaning, count(part.number));
    const double width =
        std::clamp(100.0 * static_cast<double>(part.number) / total, 0.0, 100.0 - at);
    bar += fmt::format("<rect class=\"{}\" x=\"{:.2f}%\" width=\"{:.2f}%\" height=\"8\"/>",
                       part.name, at, width);
    at += width;
  }
  return fmt::format(
      "<div class=\"figures\"><dl>{}</dl><svg class=\"share\" height=\"8\" "
      "aria-hidden=\"true\">{}</svg></div>",
      tiles, bar);
}

std::string html_facts(const RunView& view) {
  std::string out = "<dl class=\"facts\">";
  for (const auto& fact : view.facts)
    out += fmt::format("<div{}><dt>{}</dt><dd>{}</dd></div>",
                       fact.name == "bugs" ? " class=\"bugs\"" : "", fact.name,
                       html(cut(printable(fact.value), 300)));
  return out + "</dl>";
}

std::string html_anomalies(const RunRecord& run, const RunView& view) {
  if (view.anomalies.empty()) return "";
  std::string out = "<section id=\"anomalies\"><h2>What contradicts the promises</h2>";
  std::size_t shown = 0, of_checker = 0;
  bool folded = false;
  const std::size_t limit = std::min(view.anomalies.size(), kAnomaliesShown);
  for (; shown < limit && (shown == 0 || out.size() <= kAnomalyBytes); ++shown, ++of_checker) {
    const auto& checker = view.anomalies[shown].checker;
    const bool another = shown > 0 && checker != view.anomalies[shown - 1].checker;
    if (another) of_checker = 0;
    if (another && std::exchange(folded, false)) out += "</details>";
    if (of_checker == kUnfolded) {
      // What one checker found many times must not bury what another found, or the timeline.
      std::size_t rest = 1;
      while (shown + rest < limit && view.anomalies[shown + rest].checker == checker) ++rest;
      folded = rest > 1;
      if (folded)
        out += fmt::format("<details class=\"fold\"><summary>{} more found by {}</summary>", rest,
                           html(cut(printable(checker), 80)));
    }
    out += anomaly_markup(run.history, view.anomalies[shown], shown);
  }
  if (folded) out += "</details>";
  if (static_cast<std::int64_t>(shown) < view.anomaly_count)
    out += note(fmt::format("Showing {} of {} anomalies; results.json describes {}.", shown,
                            count(view.anomaly_count), view.anomalies.size()));
  return out + "</section>";
}

std::string html_faults(const RunRecord& run) {
  std::string out = "<section id=\"faults\"><h2>Faults</h2>";
  if (run.faults.empty()) return out + note("No fault was injected in this run.") + "</section>";
  const auto flagged = std::count_if(
      run.faults.begin(), run.faults.end(),
      [](const FaultRecord& fault) { return state_of(fault) != FaultState::effective; });
  if (flagged > 0)
    out += note(fmt::format("{} of {} without a proven effect, flagged below.", flagged,
                            plural(static_cast<std::int64_t>(run.faults.size()), "fault")));
  out += "<table class=\"cards faults\">" +
         head({"id", "fault", "requested", "in force", "healed", "what it did", "proof", "state"}) +
         "<tbody>";
  for (std::size_t i = 0; i < std::min(run.faults.size(), kFaultsShown); ++i)
    out += fault_row(run.faults[i]);
  out += "</tbody></table>";
  if (run.faults.size() > kFaultsShown)
    out += note(fmt::format("Showing {} of {} faults; faults.jsonl has the others.", kFaultsShown,
                            run.faults.size()));
  return out + "</section>";
}

std::string html_checkers(const RunView& view) {
  std::string out = "<section id=\"checkers\"><h2>Checkers</h2>";
  if (view.checkers.empty())
    return out + note("No checker has judged this history yet.") + "</section>";
  out += "<ul class=\"checkers\">";
  for (std::size_t i = 0; i < std::min(view.checkers.size(), kCheckersShown); ++i)
    out += checker_markup(view.checkers[i]);
  out += "</ul>";
  if (view.checkers.size() > kCheckersShown)
    out += note(fmt::format("Showing {} of {} checkers.", kCheckersShown, view.checkers.size()));
  return out + "</section>";
}

std::string html_reproduce(const RunView& view) {
  std::string out = "<section id=\"reproduce\"><h2>Run it again</h2>";
  if (view.command.empty())
    return out + note("test.json of this run does not hold its command.") + "</section>";
  return out +
         fmt::format(
             "<div class=\"command\"><pre tabindex=\"0\"><code "
             "id=\"command\">{}</code></pre></div>",
             command_markup(view.command)) +
         note(
             "The seed fixes what the clients do and which faults come when; the nodes' own timing "
             "stays theirs.") +
         "</section>";
}

std::string html_files(const RunRecord& run, const RunView& view) {
  std::string out = "<section id=\"files\"><h2>Files of this run</h2>";
  if (!run.damage.empty()) out += note(fmt::format("The history ends early: {}.", html(run.damage)));
  out += "<dl class=\"files\">";
  const auto add = [&](const std::string& path, const std::string& meaning) {
    out += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", file_link(path), meaning);
  };
  add("history.jsonl", plural(static_cast<std::int64_t>(run.history.size()), "event") +
                           ", one a line: line N is index N−1");
  add("faults.jsonl", "each fault: requested, in force, healed, proof");
  add("results.json", "what the checkers found");
  add("test.json", "the test as a value");
  add("junit.xml", "the same verdict for CI");
  add("gameday.log", "what the harness did");
  constexpr std::size_t kNodes = 30;
  for (std::size_t i = 0; i < std::min(view.nodes.size(), kNodes); ++i)
    add("nodes/" + view.nodes[i] + "/log",
        "what " + html(cut(printable(view.nodes[i]), 80)) + " logged");
  out += "</dl>";
  if (view.nodes.size() > kNodes)
    out += note(fmt::format("Showing {} of {} nodes.", kNodes, view.nodes.size()));
  return out + "</section>";
}

}  // namespace gameday::report
