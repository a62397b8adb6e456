#include "reports/console.h"

#include <fmt/format.h>

#include <algorithm>

#include "reports/text.h"
#include "reports/view.h"

namespace gameday {
namespace report {
namespace {

constexpr std::size_t kOpsShown = 12;
constexpr std::size_t kSentencesShown = 8;
constexpr std::size_t kFaultsShown = 20;
constexpr std::size_t kSentence = 600;  // code points

enum class Tone { plain, strong, soft, good, bad, doubt };

// Collects lines. Text of the run is made printable here, so that no escape sequence passes.
class Screen {
 public:
  explicit Screen(ConsoleStyle style)
      : color_(style.color), width_(static_cast<std::size_t>(std::max(style.width, 40))) {}

  // A paragraph: `mark` stands before its first line, the others are indented as far.
  void paragraph(const std::string& mark, const std::string& text, Tone tone = Tone::plain,
                 Tone mark_tone = Tone::plain) {
    // On a narrow screen a wide mark gets a line of its own.
    const bool apart = columns(mark) > width_ / 2;
    const std::size_t indent = apart ? 6 : columns(mark);
    if (apart) alone(mark.substr(0, mark.find_last_not_of(' ') + 1), mark_tone);
    bool first = !apart;
    for (const auto& line : wrap(cut(printable(text), kSentence), width_ - indent)) {
      out_ += first ? painted(mark, mark_tone) : std::string(indent, ' ');
      out_ += painted(line, tone) + "\n";
      first = false;
    }
  }
  // A line that is never broken.
  void whole(const std::string& mark, const std::string& text) {
    out_ += painted(mark, Tone::soft) + printable(text) + "\n";
  }
  void title(const std::string& text) { out_ += "\n" + painted(text, Tone::strong) + "\n"; }
  void gap() { out_ += "\n"; }
  std::size_t width() const { return width_; }
  std::string take() { return std::move(out_); }

 private:
  void alone(const std::string& mark, Tone tone) {
    if (columns(mark) <= width_) {
      out_ += painted(mark, tone) + "\n";
      return;
    }
    for (const auto& line : wrap(mark, width_)) out_ += painted(line, tone) + "\n";
  }

  std::string painted(const std::string& text, Tone tone) const {
    if (!color_ || tone == Tone::plain) return text;
    static constexpr const char* kCodes[] = {"0", "1", "2", "32", "1;31", "33"};
    return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<std::size_t>(tone)], text);
  }

  bool color_;
  std::size_t width_;
  std::string out_;
};

struct Look {
  const char* mark;
  Tone tone;
};

Look look_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::valid:
      return {"✓", Tone::good};
    case Verdict::unknown:
      return {"?", Tone::doubt};
    case Verdict::invalid:
      return {"✗", Tone::bad};
  }
  return {"?", Tone::doubt};
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t used = columns(text);
  if (used < width) text.append(width - used, ' ');
  return text;
}

void add_verdict(const RunRecord& run, const RunView& view, Screen& screen) {
  const Look look = view.verdict ? look_of(*view.verdict) : Look{"…", Tone::doubt};
  const auto& sentence = view.sentence;
  screen.paragraph(std::string(look.mark) + " ", sentence.word + ": " + sentence.head, look.tone,
                   look.tone);
  if (!sentence.rest.empty()) screen.paragraph("  ", sentence.rest, Tone::strong);
  std::vector<std::string> parts = {view.title};
  for (const auto& fact : view.facts) {
    if (fact.name == "system" && fact.value == view.title) continue;
    if (fact.name != "started" && fact.name != "version")
      parts.push_back(fact.name + " " + fact.value);
  }
  screen.paragraph("  ", join(parts, " · "), Tone::soft);
  if (!run.damage.empty())
    screen.paragraph("  ", fmt::format("The history ends early: {}.", run.damage));
}

void add_op(const OpRow& row, Screen& screen) {
  std::string text = row.f;
  if (!row.value.is_null()) text += " " + compact(row.value, 120);
  if (!row.result.is_null()) text += " → " + compact(row.result, 120);
  text += fmt::format(" {}, process {}{}", row.type, row.process,
                      row.node.empty() ? "" : " on " + row.node);
  if (row.end >= 0) text += ", took " + length_of(row.end - row.begin);
  if (!row.error.empty()) text += " (" + row.error + ")";
  screen.paragraph(fmt::format("    {:>7} {:>10}  ", row.index, at_second(row.begin)), text,
                   Tone::plain, Tone::soft);
}

void add_anomaly(const RunRecord& run, const RunView& view, Screen& screen) {
  if (view.anomalies.empty()) return;
  const AnomalyView& anomaly = view.anomalies.front();
  screen.title("Why");
  const std::string invariant = anomaly.invariant.empty() ? "" : " (" + anomaly.invariant + ")";
  screen.paragraph("  ", fmt::format("{}{}, found by {}: {}", anomaly.type, invariant,
                                     anomaly.checker, anomaly.summary));
  const std::size_t sentences = std::min(anomaly.explanation.size(), kSentencesShown);
  for (std::size_t i = 0; i < sentences; ++i) screen.paragraph("  - ", anomaly.explanation[i]);
  if (sentences < anomaly.explanation.size())
    screen.paragraph("  - ", fmt::format("({} more sentences in report.html)",
                                         anomaly.explanation.size() - sentences));
  const auto rows = op_rows(run.history, anomaly.ops);
  for (std::size_t i = 0; i < std::min(rows.size(), kOpsShown); ++i) add_op(rows[i], screen);
  if (rows.size() > kOpsShown)
    screen.paragraph("    ", fmt::format("({} more ops in report.html)", rows.size() - kOpsShown),
                     Tone::soft);
  if (view.anomaly_count > 1)
    screen.paragraph(
        "  ",
        fmt::format("{} more {} in report.html and results.json", count(view.anomaly_count - 1),
                    view.anomaly_count == 2 ? "anomaly" : "anomalies"),
        Tone::soft);
}

void add_checkers(const RunView& view, Screen& screen) {
  if (view.checkers.empty()) return;
  screen.title("Checkers");
  std::size_t widest = 0;
  for (const auto& checker : view.checkers)
    widest = std::max(widest, columns(printable(checker.name)));
  widest = std::min<std::size_t>(widest, 24);
  for (const auto& checker : view.checkers) {
    const Look look = look_of(checker.verdict);
    const std::string name = cut(printable(checker.name), 40);
    // Only of a checker that somebody may have waited for.
    const std::string time = checker.seconds < 0.1 ? "" : fmt::format(" ({:.1f} s)", checker.seconds);
    screen.paragraph(fmt::format("  {} {:<7}  {}  ", look.mark, to_string(checker.verdict),
                                 padded(name, widest)),
                     cut(printable(checker.summary), kSentence - 20) + time, Tone::plain,
                     look.tone);
  }
}

void add_faults(const RunRecord& run, Screen& screen) {
  screen.title("Faults");
  if (run.faults.empty()) screen.paragraph("  ", "none was injected");
  for (std::size_t i = 0; i < std::min(run.faults.size(), kFaultsShown); ++i) {
    const FaultRecord& fault = run.faults[i];
    const FaultState state = state_of(fault);
    const bool good = state == FaultState::effective;
    std::string text = cut(printable(fault.summary), 200);
    if (!fault.proof.summary.empty()) text += ": " + cut(printable(fault.proof.summary), 200);
    if (!good)
      text += fmt::format(". {}: {}", to_string(state),
                          fault.error.empty() ? meaning_of(state) : fault.error);
    const std::string from = at_second(fault.in_force), to = at_second(fault.healed);
    screen.paragraph(fmt::format("  {} {}  {:>9} to {:>9}  ", good ? "✓" : "!",
                                 padded(cut(printable(fault.fault), 30), 10), from, to),
                     text, Tone::plain, good ? Tone::plain : Tone::bad);
  }
  if (run.faults.size() > kFaultsShown)
    screen.paragraph("  ",
                     fmt::format("({} more in faults.jsonl)", run.faults.size() - kFaultsShown),
                     Tone::soft);
}

void add_ends(const RunRecord& run, const RunView& view, bool page, Screen& screen) {
  const auto& ops = view.ops;
  std::string figures =
      fmt::format("{} invoked: {} ok, {} fail (did not happen), {} info (may have happened)",
                  count(ops.invoked), count(ops.ok), count(ops.fail), count(ops.info));
  if (ops.open() > 0) figures += fmt::format(", {} never answered", count(ops.open()));
  screen.gap();
  screen.paragraph("Ops        ", figures, Tone::plain, Tone::strong);
  if (page)
    screen.whole("Report     ", (run.folder / "report.html").string());
  screen.whole("Reproduce  ", view.command.empty()
                                  ? "test.json of this run does not hold its command"
                                  : view.command);
}

}  // namespace
}  // namespace report

std::string render_console(const RunRecord& run, ConsoleStyle style) {
  using namespace report;  // NOLINT: the page's own vocabulary
  const RunView view = make_view(run);
  Screen screen(style);
  add_verdict(run, view, screen);
  add_anomaly(run, view, screen);
  add_checkers(view, screen);
  add_faults(run, screen);
  add_ends(run, view, style.page, screen);
  return screen.take();
}

}  // namespace gameday
