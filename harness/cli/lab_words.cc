#include "harness/cli/lab_words.h"

#include "harness/cli/commands.h"
#include "harness/core/verdict.h"
#include "nemesis/catalog.h"
#include "nemesis/targets.h"

namespace gameday::cli {
namespace {

using Kind = nemesis::Parameter::Kind;

std::vector<std::string> split_at_commas(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0, to = 0; to != std::string::npos; from = to + 1) {
    to = text.find(',', from);
    parts.push_back(text.substr(from, to == std::string::npos ? to : to - from));
  }
  return parts;
}

Json json_or_text(const std::string& text) {
  Json json = parse_json(text);
  return json.is_discarded() ? Json(text) : json;
}

// A parameter that may only be text stays text, though "7" is JSON too; one that is a list may be
// written without brackets.
Json value_of(const nemesis::Parameter* parameter, const std::string& text) {
  Json value = json_or_text(text);
  if (parameter == nullptr || value.is_array()) return value;
  switch (parameter->kind) {
    case Kind::word:
    case Kind::text:
      return value.is_string() ? value : Json(text);
    case Kind::numbers: {
      Json list = Json::array();
      for (const auto& part : split_at_commas(text)) list.push_back(json_or_text(part));
      return list;
    }
    case Kind::targets:
      if (std::find(std::begin(nemesis::kTargetWords), std::end(nemesis::kTargetWords), text) !=
          std::end(nemesis::kTargetWords))
        return text;
      return split_at_commas(text);
    case Kind::order:
      return split_at_commas(text);
    default:
      return value;
  }
}

const nemesis::Parameter* parameter_of(const nemesis::Entry& entry, const std::string& name) {
  for (const auto& parameter : entry.parameters)
    if (parameter.name == name) return &parameter;
  return nullptr;
}

std::string rounded(double seconds) { return fmt::format("{:.1f} s", seconds); }

}  // namespace

Result<std::vector<std::string>> split_words(const std::string& line) {
  std::vector<std::string> words;
  std::string word, closers;  // brackets that are open, the innermost last
  bool in_word = false;
  char quote = 0;
  for (const char c : line) {
    if (quote != 0) {
      if (c == quote) quote = 0;
      if (quote != 0 || !closers.empty()) word += c;  // those of JSON stay
      continue;
    }
    if (closers.empty() && (c == ' ' || c == '\t')) {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
      continue;
    }
    in_word = true;
    if (c == '\'' || c == '"') {
      quote = c;
      if (closers.empty()) continue;
    }
    if (c == '[') closers += ']';
    if (c == '{') closers += '}';
    if (!closers.empty() && c == closers.back()) closers.pop_back();
    word += c;
  }
  if (quote != 0) return fail("a quote {} is not closed", quote);
  if (!closers.empty()) return fail("\"{}\" is missing", closers.back());
  if (in_word) words.push_back(word);
  return words;
}

Result<Json> inject_request(const std::vector<std::string>& words) {
  if (words.empty()) return fail("inject what? `gameday list faults` shows the faults");
  const nemesis::Entry* entry = nemesis::find(words[0]);
  if (entry == nullptr) {
    std::vector<std::string_view> known;
    for (const auto& one : nemesis::catalog()) known.push_back(one.name);
    return fail("there is no fault \"{}\"; known: {}", words[0], fmt::join(known, ", "));
  }
  Json request = {{"do", "inject"}, {"fault", words[0]}};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t sign = words[i].find('=');
    if (sign == std::string::npos || sign == 0)
      return fail("\"{}\" must be key=value; {} has {}", words[i], words[0],
                  entry->parameters.empty() ? "no parameters" : nemesis::describe(entry->parameters));
    const std::string key = words[i].substr(0, sign);
    request["parameters"][key] = value_of(parameter_of(*entry, key), words[i].substr(sign + 1));
  }
  return request;
}

Result<Json> heal_request(const std::string& which) {
  if (which == "all") return Json{{"do", "heal"}, {"id", "all"}};
  const Json id = parse_json(which);
  if (!id.is_number_unsigned())
    return fail("heal what? the number of a fault, or \"all\", not \"{}\"", which);
  return Json{{"do", "heal"}, {"id", id}};
}

int print_answer(const Json& answer) {
  const std::string text = answer.value("text", std::string());
  if (!text.empty()) fmt::print("{}\n", text);
  if (answer.value("ok", false)) return flushed();
  return complain(answer.contains("bad") ? exit_code::bad_arguments : exit_code::tool_failed,
                  answer.value("error", std::string("the lab did not say why")));
}

std::string describe_faults(const Json& faults) {
  if (faults.empty()) return "nothing is in force\n";
  std::string text;
  for (const auto& fault : faults) {
    text += fmt::format("{:>3}  {:<10}  {}  (for {}", fault.at("id").get<int>(),
                        fault.at("fault").get<std::string>(), fault.at("summary").get<std::string>(),
                        rounded(fault.at("seconds").get<double>()));
    if (fault.contains("seconds-left"))
      text += fmt::format(", {} left", rounded(std::max(0.0, fault["seconds-left"].get<double>())));
    text += ")\n";
  }
  return text;
}

std::string describe_nodes(const Json& nodes) {
  std::string text;
  for (const auto& node : nodes) {
    std::string more;
    if (node.contains("answers") && !node["answers"].get<bool>()) more = "does not answer";
    if (node.value("primary", false)) more = "leads";
    if (node.contains("term"))
      more += fmt::format("{}term {}", more.empty() ? "" : ", ", node["term"].dump());
    if (const int starts = node.value("starts", 1); starts > 1)
      more += fmt::format("{}started {} times", more.empty() ? "" : ", ", starts);
    text += fmt::format("  {:<4}  {:<26}  {:<6}  {}\n", node.at("node").get<std::string>(),
                        node.at("endpoint").get<std::string>(), node.at("state").get<std::string>(), more);
  }
  return text;
}

}  // namespace gameday::cli
