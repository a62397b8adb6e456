#include "reports/junit.h"

#include <fmt/format.h>

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>

#include "reports/console.h"
#include "reports/text.h"
#include "reports/view.h"

namespace gameday {
namespace report {
namespace {

constexpr std::size_t kText = 20'000;

// pugixml escapes markup but passes on control characters, which XML 1.0 forbids in any form.
void set(pugi::xml_node node, const char* name, const std::string& text) {
  node.append_attribute(name).set_value(cut(printable(text), kText).c_str());
}

void set_text(pugi::xml_node node, const std::string& text) {
  node.text().set(cut(printable_lines(text), kText).c_str());
}

std::string seconds(double s) { return fmt::format("{:.3f}", std::max(0.0, s)); }

std::string describe_anomalies(const RunRecord& run, const RunView& view,
                               const CheckerView& checker) {
  std::string out;
  std::int64_t described = 0;
  for (const auto& anomaly : view.anomalies) {
    if (anomaly.checker != checker.name) continue;
    ++described;
    out += fmt::format("{}{}: {}\n", anomaly.type,
                       anomaly.invariant.empty() ? "" : " (" + anomaly.invariant + ")",
                       anomaly.summary);
    for (const auto& line : anomaly.explanation) out += "  " + line + "\n";
    for (const auto& row : op_rows(run.history, anomaly.ops))
      out += fmt::format("  [{}] {} process {} {} {}{}: {}{}\n", row.index, at_second(row.begin),
                         row.process, row.f, compact(row.value, 200),
                         row.result.is_null() ? "" : " -> " + compact(row.result, 200), row.type,
                         row.error.empty() ? "" : " (" + row.error + ")");
  }
  if (described < checker.anomaly_count)
    out += fmt::format("{} of {} anomalies are described.\n", described, checker.anomaly_count);
  return out;
}

void add_properties(pugi::xml_node suite, const RunRecord& run, const RunView& view) {
  auto properties = suite.append_child("properties");
  const auto add = [&](const std::string& name, const std::string& value) {
    auto property = properties.append_child("property");
    set(property, "name", name);
    set(property, "value", value);
  };
  add("verdict", view.sentence.word);
  if (!view.command.empty()) add("command", view.command);
  for (const auto& fact : view.facts) add(fact.name, fact.value);
  for (const auto& fault : run.faults)
    add(fmt::format("fault.{}", fault.id),
        fmt::format("{}: {}; {}; {}", fault.fault, fault.summary, to_string(state_of(fault)),
                    fault.error.empty() ? fault.proof.summary : fault.error));
}

void add_case(pugi::xml_node suite, const std::string& class_name, const RunRecord& run,
              const RunView& view, const CheckerView& checker) {
  auto test = suite.append_child("testcase");
  set(test, "name", checker.name);
  set(test, "classname", class_name);
  set(test, "time", seconds(checker.seconds));
  if (checker.verdict == Verdict::valid) return;
  const bool invalid = checker.verdict == Verdict::invalid;
  auto problem = test.append_child(invalid ? "failure" : "error");
  set(problem, "message", checker.summary.empty() ? "no reason was recorded" : checker.summary);
  set(problem, "type", std::string(to_string(checker.verdict)));
  std::string text = describe_anomalies(run, view, checker);
  if (text.empty()) text = checker.summary + "\n";
  if (!view.command.empty()) text += "reproduce: " + view.command + "\n";
  set_text(problem, text);
}

// Where no checker is to blame (not checked yet, or UNKNOWN because the run itself was vacuous),
// CI must still turn red.
bool needs_case_of_the_run(const RunView& view) {
  if (!view.verdict) return true;
  return *view.verdict != Verdict::valid &&
         std::none_of(view.checkers.begin(), view.checkers.end(),
                      [&](const CheckerView& checker) { return checker.verdict >= *view.verdict; });
}

}  // namespace
}  // namespace report

std::string render_junit(const RunRecord& run) {
  using namespace report;  // NOLINT: the page's own vocabulary
  RunView view = make_view(run);
  if (needs_case_of_the_run(view)) {
    CheckerView whole;
    whole.name = "run";
    whole.verdict = view.verdict.value_or(Verdict::unknown);
    whole.summary = (view.verdict ? "" : "not checked yet: ") + view.sentence.head;
    view.checkers.insert(view.checkers.begin(), whole);
  }
  const std::string name =
      fmt::format("gameday.{}.{}", view.system.empty() ? "unknown" : view.system,
                  view.workload.empty() ? "unknown" : view.workload);
  const auto number = [&](Verdict verdict) {
    return std::to_string(
        std::count_if(view.checkers.begin(), view.checkers.end(),
                      [&](const auto& checker) { return checker.verdict == verdict; }));
  };
  pugi::xml_document document;
  auto declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version") = "1.0";
  declaration.append_attribute("encoding") = "UTF-8";
  auto suites = document.append_child("testsuites");
  auto suite = suites.append_child("testsuite");
  set(suite, "name", name);
  set(suite, "tests", std::to_string(view.checkers.size()));
  set(suite, "failures", number(Verdict::invalid));
  set(suite, "errors", number(Verdict::unknown));
  set(suite, "skipped", "0");
  set(suite, "time", seconds(static_cast<double>(view.duration) / 1e9));
  if (!view.started.empty()) set(suite, "timestamp", view.started);
  add_properties(suite, run, view);
  for (const auto& checker : view.checkers) add_case(suite, name, run, view, checker);
  set_text(suite.append_child("system-out"), render_console(run, {false, 100}));
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default, pugi::encoding_utf8);
  return out.str();
}

}  // namespace gameday
