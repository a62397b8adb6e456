#include "reports/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "reports/text.h"

namespace gameday::report {
namespace {

const Json kNothing;

const Json& field(const Json& json, const char* key) {
  if (!json.is_object()) return kNothing;
  const auto found = json.find(key);
  return found == json.end() ? kNothing : *found;
}

std::string text_of(const Json& json) {
  if (json.is_null()) return "";
  if (json.is_string()) return json.get<std::string>();
  if (json.is_array()) {
    std::vector<std::string> parts;
    for (const Json& part : json) parts.push_back(text_of(part));
    return join(parts, ", ");
  }
  return compact(json, 200);
}

std::string text_at(const Json& json, const char* key) { return text_of(field(json, key)); }

std::int64_t integer_at(const Json& json, const char* key, std::int64_t otherwise) {
  const Json& value = field(json, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

double number_at(const Json& json, const char* key, double otherwise) {
  const Json& value = field(json, key);
  return value.is_number() ? value.get<double>() : otherwise;
}

AnomalyView read_anomaly(const Json& json, const std::string& checker, std::size_t events) {
  AnomalyView anomaly;
  anomaly.checker = checker;
  anomaly.type = text_at(json, "type");
  anomaly.invariant = text_at(json, "invariant");
  anomaly.summary = text_at(json, "summary");
  if (const Json& lines = field(json, "explanation"); lines.is_array())
    for (const Json& line : lines) anomaly.explanation.push_back(text_of(line));
  if (const Json& ops = field(json, "ops"); ops.is_array())
    for (const Json& op : ops) {
      const std::int64_t index = op.is_number_integer() ? op.get<std::int64_t>() : -1;
      if (index >= 0 && static_cast<std::size_t>(index) < events)
        anomaly.ops.push_back(static_cast<std::size_t>(index));
      else
        ++anomaly.unknown_ops;
    }
  anomaly.detail = field(json, "detail");
  return anomaly;
}

void read_checkers(const RunRecord& run, RunView& view) {
  const Json& checkers = field(run.results, "checkers");
  if (!checkers.is_array()) return;
  std::vector<AnomalyView> others;
  for (const Json& json : checkers) {
    CheckerView checker;
    checker.name = text_at(json, "checker");
    checker.verdict = parse_verdict(text_at(json, "verdict")).value_or(Verdict::unknown);
    checker.summary = text_at(json, "summary");
    checker.seconds = number_at(json, "seconds", -1);
    checker.stats = field(json, "stats");
    std::int64_t described = 0;
    if (const Json& anomalies = field(json, "anomalies"); anomalies.is_array())
      for (const Json& anomaly : anomalies) {
        auto& into = checker.verdict == Verdict::invalid ? view.anomalies : others;
        into.push_back(read_anomaly(anomaly, checker.name, run.history.size()));
        ++described;
      }
    checker.anomaly_count = std::max(described, integer_at(json, "anomaly-count", described));
    view.anomaly_count += checker.anomaly_count;
    view.checkers.push_back(std::move(checker));
  }
  view.anomalies.insert(view.anomalies.end(), others.begin(), others.end());
}

// Figures of results.json, or counted: a run that was never checked still has a history.
OpFigures read_figures(const RunRecord& run) {
  OpFigures counted;
  for (std::size_t i = 0; i < run.history.size(); ++i) {
    if (!run.history.is_client(i)) continue;
    switch (run.history.type(i)) {
      case OpType::invoke:
        ++counted.invoked;
        break;
      case OpType::ok:
        ++counted.ok;
        break;
      case OpType::fail:
        ++counted.fail;
        break;
      case OpType::info:
        ++counted.info;
        break;
    }
  }
  const Json& ops = field(run.results, "ops");
  return {integer_at(ops, "invoked", counted.invoked), integer_at(ops, "ok", counted.ok),
          integer_at(ops, "fail", counted.fail), integer_at(ops, "info", counted.info)};
}

std::int64_t read_duration(const RunRecord& run) {
  const double seconds = number_at(run.results, "duration", -1);
  if (std::isfinite(seconds) && seconds >= 0 && seconds < 1e9)
    return static_cast<std::int64_t>(seconds * 1e9);
  std::int64_t last = 0;
  for (std::size_t i = 0; i < run.history.size(); ++i) last = std::max(last, run.history.time(i));
  return last;
}

// "2026-11-03T02:14:55Z" reads better as "2026-11-03 02:14:55 UTC".
std::string readable_time(std::string time) {
  if (time.size() != 20 || time[10] != 'T' || time.back() != 'Z') return time;
  time[10] = ' ';
  return time.substr(0, 19) + " UTC";
}

void read_facts(const RunRecord& run, RunView& view) {
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) view.facts.push_back({name, value});
  };
  add("system", view.system);
  add("workload", view.workload);
  add("seed", view.seed);
  add("bugs", text_at(run.test, "bugs"));
  add("faults", text_at(run.test, "faults"));
  std::vector<std::string> left_out;
  if (const Json& left = field(run.test, "faults-left-out"); left.is_array())
    for (const Json& one : left)
      left_out.push_back(text_at(one, "fault") + " (" + text_at(one, "reason") + ")");
  add("without", join(left_out, ", "));
  add("nodes", join(view.nodes, ", "));
  add("clients", text_at(run.test, "clients"));
  const std::string rate = text_at(run.test, "rate");
  if (!rate.empty()) add("rate", rate + " ops/s");
  add("duration", fmt::format("{:.1f} s", static_cast<double>(view.duration) / 1e9));
  add("started", readable_time(view.started));
  add("version", text_at(run.test, "version"));
}

std::string without_word(std::string text, const std::string& word) {
  const std::string prefix = word + ": ";
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

std::string as_sentence(std::string text) {
  while (!text.empty() && text.back() == ' ') text.pop_back();
  if (!text.empty() && text.back() != '.' && text.back() != '!' && text.back() != '?') text += '.';
  return text;
}

std::vector<const CheckerView*> checkers_with(const RunView& view, Verdict verdict) {
  std::vector<const CheckerView*> found;
  for (const auto& checker : view.checkers)
    if (checker.verdict == verdict) found.push_back(&checker);
  return found;
}

// The checker's own summary leads: a runner's summary only counts checkers.
void word_invalid(const RunView& view, const std::string& summary, Sentence& sentence) {
  const auto found = checkers_with(view, Verdict::invalid);
  const CheckerView* first = found.empty() ? nullptr : found.front();
  const AnomalyView* anomaly = nullptr;
  if (first != nullptr)
    for (const auto& candidate : view.anomalies)
      if (candidate.checker == first->name) {
        anomaly = &candidate;
        break;
      }
  if (first != nullptr && !first->summary.empty())
    sentence.head = first->summary;
  else if (!summary.empty())
    sentence.head = summary;
  else if (first != nullptr)
    sentence.head =
        fmt::format("{} found {}", first->name, plural(first->anomaly_count, "contradiction"));
  else
    sentence.head = "the promises were not kept";
  std::vector<std::string> rest;
  if (anomaly != nullptr && !anomaly->summary.empty() &&
      sentence.head.find(anomaly->summary) == std::string::npos)
    rest.push_back((first->anomaly_count > 1 ? "The first: " : "") + as_sentence(anomaly->summary));
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (auto it = found.begin() + 1; it != found.end(); ++it) names.push_back((*it)->name);
    rest.push_back("Also INVALID: " + join(names, ", ") + ".");
  }
  sentence.rest = join(rest, " ");
}

void word_unknown(const RunView& view, const std::string& summary, Sentence& sentence) {
  sentence.head = summary;
  std::vector<std::string> reasons;
  for (const auto* checker : checkers_with(view, Verdict::unknown))
    if (summary.find(checker->summary) == std::string::npos)
      reasons.push_back(as_sentence(checker->name + ": " + checker->summary));
  if (sentence.head.empty()) sentence.head = "it could not be decided whether the promises held";
  sentence.rest = cut(join(reasons, " "), 600);
}

// Only faults that showed an effect make a VALID worth something.
std::string word_valid(const RunRecord& run, const RunView& view) {
  const auto effective = std::count_if(run.faults.begin(), run.faults.end(), [](const auto& fault) {
    return state_of(fault) == FaultState::effective;
  });
  const auto checkers = static_cast<std::int64_t>(view.checkers.size());
  return fmt::format("{} found no contradiction in {} under {}", plural(checkers, "checker"),
                     plural(view.ops.invoked, "op"), plural(effective, "effective fault"));
}

Sentence word(const RunRecord& run, const RunView& view) {
  Sentence sentence;
  if (!view.verdict) {
    sentence.word = "NOT CHECKED YET";
    sentence.head = "gameday check ";
    sentence.head += run.folder.empty() ? "RUN" : run.folder.string();
    if (!run.damage.empty()) sentence.rest = fmt::format("The history ends early: {}.", run.damage);
    return sentence;
  }
  sentence.word = to_string(*view.verdict);
  const std::string summary = without_word(text_at(run.results, "summary"), sentence.word);
  switch (*view.verdict) {
    case Verdict::invalid:
      word_invalid(view, summary, sentence);
      break;
    case Verdict::unknown:
      word_unknown(view, summary, sentence);
      break;
    case Verdict::valid:
      sentence.head = summary;
      if (summary.empty()) sentence.head = word_valid(run, view);
  }
  sentence.head = as_sentence(without_word(sentence.head, sentence.word));
  return sentence;
}

}  // namespace

RunView make_view(const RunRecord& run) {
  RunView view;
  view.system = text_at(run.test, "system");
  view.workload = text_at(run.test, "workload");
  view.seed = text_at(run.test, "seed");
  view.command = text_at(run.test, "command");
  view.started = text_at(run.test, "started");
  view.title = text_at(run.test, "name");
  if (view.title.empty()) view.title = view.system.empty() ? "run" : view.system;
  view.nodes = run.nodes;
  if (const Json& nodes = field(run.test, "nodes"); view.nodes.empty() && nodes.is_array())
    for (const Json& node : nodes) view.nodes.push_back(text_of(node));
  read_checkers(run, view);
  if (run.results.is_object() && !run.results.empty()) {
    Verdict merged = view.checkers.empty() ? Verdict::unknown : Verdict::valid;
    for (const auto& checker : view.checkers) merged = merge(merged, checker.verdict);
    view.verdict = parse_verdict(text_at(run.results, "verdict")).value_or(merged);
  }
  view.ops = read_figures(run);
  view.duration = read_duration(run);
  read_facts(run, view);
  view.sentence = word(run, view);
  return view;
}

OpRow op_row(const History& history, std::size_t index) {
  const std::int64_t pair = history.pair(index);
  const bool invocation = history.type(index) == OpType::invoke;
  const std::size_t first = !invocation && pair >= 0 ? static_cast<std::size_t>(pair) : index;
  const std::int64_t last = invocation ? pair : pair >= 0 ? static_cast<std::int64_t>(index) : -1;
  OpRow row;
  row.index = first;
  row.completed = last;
  row.begin = history.time(first);
  row.process = history.is_client(first) ? fmt::format("{}", history.process(first)) : "nemesis";
  row.node = history.name(history.node(first));
  row.f = history.name(history.f(first));
  row.value = history.value(first);
  const bool open = history.type(first) == OpType::invoke && last < 0;
  row.type =
      open ? "open" : to_string(history.type(last < 0 ? first : static_cast<std::size_t>(last)));
  row.error = history.error(first);
  if (last >= 0) {
    const auto end = static_cast<std::size_t>(last);
    row.end = history.time(end);
    if (row.node.empty()) row.node = history.name(history.node(end));
    if (history.value(end) != row.value) row.result = history.value(end);
    row.error = history.error(end);
  }
  return row;
}

std::vector<OpRow> op_rows(const History& history, const std::vector<std::size_t>& indices) {
  std::vector<OpRow> rows;
  std::set<std::size_t> seen;
  for (const std::size_t index : indices) {
    OpRow row = op_row(history, index);
    if (seen.insert(row.index).second) rows.push_back(std::move(row));
  }
  std::sort(rows.begin(), rows.end(),
            [](const OpRow& a, const OpRow& b) { return a.index < b.index; });
  return rows;
}

FaultState state_of(const FaultRecord& fault) {
  if (fault.requested < 0 && !fault.error.empty()) return FaultState::missed;
  if (!fault.error.empty()) return FaultState::failed;
  if (fault.in_force < 0) return FaultState::never;
  if (fault.healed < 0) return FaultState::unhealed;
  return fault.proof.effective ? FaultState::effective : FaultState::vacuous;
}

std::string_view to_string(FaultState state) {
  switch (state) {
    case FaultState::effective:
      return "effective";
    case FaultState::vacuous:
      return "VACUOUS";
    case FaultState::failed:
      return "FAILED";
    case FaultState::unhealed:
      return "NOT HEALED";
    case FaultState::never:
      return "NEVER IN FORCE";
    case FaultState::missed:
      return "NEVER CAME";
  }
  return "";
}

std::string_view meaning_of(FaultState state) {
  switch (state) {
    case FaultState::effective:
      return "";
    case FaultState::vacuous:
      return "it was in force, but nothing shows that it did anything";
    case FaultState::failed:
      return "it could not be injected or healed";
    case FaultState::unhealed:
      return "the record ends while it was in force";
    case FaultState::never:
      return "it was requested, but the record has no injection";
    case FaultState::missed:
      return "what it waits for did not happen";
  }
  return "";
}

}  // namespace gameday::report

namespace gameday {

std::string verdict_sentence(const RunRecord& run) {
  const auto sentence = report::make_view(run).sentence;
  std::string text = sentence.word + ": " + sentence.head;
  if (!sentence.rest.empty()) text += " " + sentence.rest;
  return report::printable(text);
}

}  // namespace gameday
