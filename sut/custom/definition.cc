#include "sut/custom/definition.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "harness/core/json_depth.h"

namespace gameday::custom {
namespace {

constexpr const char* kMissing = "is missing";
constexpr std::uintmax_t kLargest = 1 << 20;  // bytes of a file
constexpr std::size_t kLongestName = 40;
constexpr const char* kNameLetters = "abcdefghijklmnopqrstuvwxyz0123456789-_";

bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= kLongestName && text[0] != '-' &&
         text.find_first_not_of(kNameLetters) == std::string::npos;
}
bool has_control(const std::string& text) {
  return std::ranges::any_of(
      text, [](char c) { return (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == 127; });
}

// An object whose fields are taken one by one; the first thing that is wrong is kept, by its full
// name.
class Fields {
 public:
  Fields(const Json& json, std::string path, std::optional<std::string>& wrong)
      : json_(json), path_(std::move(path)), wrong_(wrong) {
    if (!json_.is_object()) complain("", "must be an object");
  }

  const Json* find(const char* name, bool required) {
    known_.insert(name);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(name);
    if (found != json_.end()) return &*found;
    if (required) complain(name, kMissing);
    return nullptr;
  }
  std::string text(const char* name, bool required, std::string otherwise = {}) {
    const Json* json = find(name, required);
    if (json == nullptr) return otherwise;
    if (!json->is_string() || json->get_ref<const std::string&>().empty() ||
        has_control(json->get_ref<const std::string&>())) {
      complain(name, "must be a text that is not empty, without control characters");
      return otherwise;
    }
    return json->get<std::string>();
  }
  double number(const char* name, double otherwise, double least, double most,
                bool required = false) {
    const Json* json = find(name, required);
    if (json == nullptr) return otherwise;
    if (!json->is_number() || json->get<double>() < least || json->get<double>() > most) {
      complain(name, fmt::format("must be a number from {} to {}", least, most));
      return otherwise;
    }
    return json->get<double>();
  }
  std::int64_t whole(const char* name, std::int64_t otherwise, std::int64_t least,
                     std::int64_t most, bool required = false) {
    const Json* json = find(name, required);
    if (json == nullptr) return otherwise;
    if (!json->is_number_integer() || *json < least || *json > most) {
      complain(name, fmt::format("must be a whole number from {} to {}", least, most));
      return otherwise;
    }
    return json->get<std::int64_t>();
  }
  // A list of texts; one text is a shell command.
  std::vector<std::string> command(const char* name, bool required) {
    const Json* json = find(name, required);
    if (json == nullptr) return {};
    if (json->is_string() && !json->get_ref<const std::string&>().empty())
      return {"/bin/sh", "-c", json->get<std::string>()};
    auto words = list(*json);
    if (words.empty() || words[0].empty() || std::ranges::any_of(words, has_control))
      complain(name, "must be a list of texts, the program first, or a text for the shell");
    return words;
  }
  std::vector<std::string> texts(const char* name, bool required) {
    const Json* json = find(name, required);
    if (json == nullptr) return {};
    auto words = list(*json);
    if (words.empty()) complain(name, "must be a list of texts that is not empty");
    return words;
  }
  std::string inner(const std::string& name) const {
    return path_.empty() ? name : name.empty() ? path_ : path_ + "." + name;
  }
  void complain(const std::string& name, const std::string& what) {
    if (!wrong_)
      wrong_ = fmt::format("{} {}", name.empty() && path_.empty() ? "the file" : inner(name), what);
  }
  // After all that there may be has been asked for. A field that is not known is what another,
  // which is missing, was meant to be: it is told instead.
  void finish() {
    if (!json_.is_object()) return;
    for (const auto& [name, ignored] : json_.items()) {
      if (known_.contains(name)) continue;
      if (wrong_ && wrong_->starts_with(inner("")) && wrong_->ends_with(kMissing)) wrong_.reset();
      complain(name, fmt::format("is not a field; there are {}", fmt::join(known_, ", ")));
    }
  }

 private:
  static std::vector<std::string> list(const Json& json) {
    if (!json.is_array()) return {};
    std::vector<std::string> words;
    for (const auto& word : json) {
      if (!word.is_string()) return {};
      words.push_back(word.get<std::string>());
    }
    return words;
  }

  const Json& json_;
  std::string path_;
  std::optional<std::string>& wrong_;
  std::set<std::string> known_;
};

using Wrong = std::optional<std::string>;

std::uint16_t port(Fields& fields, const char* name) {
  return static_cast<std::uint16_t>(fields.whole(name, 0, 1, 65'535, true));
}

Check check_of(const Json& json, const std::string& path, Wrong& wrong) {
  Check check;
  Fields fields(json, path, wrong);
  const Json* http = fields.find("http", false);
  if (fields.find("tcp", false) != nullptr) check.tcp = port(fields, "tcp");
  check.command = fields.command("command", false);
  if (http != nullptr) {
    Fields inner(*http, fields.inner("http"), wrong);
    Check::Http& h = check.http.emplace();
    h.port = port(inner, "port");
    h.path = inner.text("path", false, "/");
    h.status = static_cast<int>(inner.whole("status", 200, 100, 599));
    h.contains = inner.text("contains", false);
    if (h.path[0] != '/' || h.path.find_first_of(" \n\t") != std::string::npos)
      inner.complain("path", "must begin with / and have no space");
    inner.finish();
  }
  fields.finish();
  const int ways = (check.tcp ? 1 : 0) + (check.http ? 1 : 0) + (check.command.empty() ? 0 : 1);
  if (ways != 1) fields.complain("", "must have one of tcp, http and command");
  return check;
}

Definition definition_of(const Json& json, Wrong& wrong) {
  Definition d;
  Fields top(json, "", wrong);
  d.name = top.text("name", true);
  if (!is_name(d.name) || d.name == "latest")
    top.complain("name",
                 "may have small letters, digits, - and _ only, 40 at most, and not be \"latest\": "
                 "it names folders");
  d.summary = top.text("summary", false, "a system of one's own");
  d.promises = top.text("promises", false, "strict-serializable");
  d.patience = top.whole("patience", 20, 1, 600);
  d.settle_seconds = top.number("settle-seconds", 2, 0, 600);
  if (const Json* node = top.find("node", true)) {
    Fields fields(*node, "node", wrong);
    d.command = fields.command("command", true);
    if (const Json* environment = fields.find("environment", false)) {
      if (!environment->is_object())
        fields.complain("environment", "must be an object of texts");
      else
        for (const auto& [name, value] : environment->items()) {
          if (name.empty() || name.find('=') != std::string::npos || has_control(name))
            fields.complain("environment", "has a name that no variable may have");
          else if (!value.is_string() || has_control(value.get<std::string>()))
            fields.complain("environment." + name, "must be a text without control characters");
          else
            d.environment[name] = value.get<std::string>();
        }
    }
    fields.finish();
  }
  if (const Json* ready = top.find("ready", true)) d.ready = check_of(*ready, "ready", wrong);
  if (const Json* primary = top.find("primary", false))
    d.primary = check_of(*primary, "primary", wrong);
  if (const Json* settled = top.find("settled", false))
    d.settled = check_of(*settled, "settled", wrong);
  if (const Json* client = top.find("client", true)) {
    Fields fields(*client, "client", wrong);
    d.client = fields.command("command", true);
    const auto workloads = fields.texts("workloads", true);
    if (!std::ranges::all_of(workloads, is_name))
      fields.complain("workloads", "must be a list of names of `gameday list workloads`");
    d.workloads = fmt::format("{}", fmt::join(workloads, " "));
    fields.finish();
  }
  if (const Json* settings = top.find("settings", false)) {
    if (!settings->is_object())
      top.complain("settings", "must be an object");
    else
      for (const auto& [name, value] : settings->items()) {
        if (!is_name(name))
          top.complain(
              "settings",
              fmt::format("has the name \"{}\": small letters, digits, - and _ only", name));
        Fields fields(value, "settings." + name, wrong);
        d.settings.push_back({name, fields.text("values", false, "text"),
                              fields.text("initial", true), fields.text("meaning", false, name)});
        fields.finish();
      }
  }
  top.finish();
  return d;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

std::size_t index_of(const Node& node, const std::vector<Node>& all) {
  return static_cast<std::size_t>(std::ranges::find(all, node.name, &Node::name) - all.begin()) + 1;
}

std::string of_each(const std::string& text, const Scene& scene, bool own) {
  std::vector<std::string> parts;
  for (const Node& node : scene.all) {
    if (!own && node.name == scene.node.name) continue;
    std::string part = replaced(text, "ADDRESS", node.address);
    part = replaced(std::move(part), "INDEX", std::to_string(index_of(node, scene.all)));
    parts.push_back(replaced(std::move(part), "NAME", node.name));
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

std::optional<std::string> meaning(const std::string& word, const Scene& scene) {
  if (word == "name") return scene.node.name;
  if (word == "index") return std::to_string(index_of(scene.node, scene.all));
  if (word == "address") return scene.node.address;
  if (word == "data") return scene.node.data.string();
  if (word == "folder") return scene.definition.folder.string();
  if (word.starts_with("nodes:")) return of_each(word.substr(6), scene, true);
  if (word.starts_with("peers:")) return of_each(word.substr(6), scene, false);
  if (word.starts_with("set:")) {
    const auto found = scene.settings.find(word.substr(4));
    if (found != scene.settings.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> filled_in(const std::string& text, const Scene& scene) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '{') {
      result += text[at];
      continue;
    }
    if (text.compare(at, 2, "{{") == 0) {
      result += text[at++];
      continue;
    }
    const auto end = text.find('}', at);
    if (end == std::string::npos)
      return fail("\"{}\" is not closed; {{{{ is a brace", text.substr(at));
    const std::string word = text.substr(at + 1, end - at - 1);
    const auto value = meaning(word, scene);
    if (!value)
      return fail(
          "\"{{{}}}\" in \"{}\" is not known; there are {{name}}, {{index}}, {{address}}, "
          "{{data}}, "
          "{{folder}}, {{nodes:TEXT}}, {{peers:TEXT}} and {{set:SETTING}}; {{{{ is a brace",
          word, text);
    result += *value;
    at = end;
  }
  return result;
}

Result<Definition> load(const std::filesystem::path& file) {
  std::error_code error;
  if (const auto kind = std::filesystem::status(file, error).type();
      kind != std::filesystem::file_type::regular && kind != std::filesystem::file_type::not_found)
    return fail("{}: is no file that describes a system", file.string());
  if (const auto size = std::filesystem::file_size(file, error); !error && size > kLargest)
    return fail("{}: is larger than {} bytes", file.string(), kLargest);
  std::ifstream in(file);
  if (!in) return fail("{}: cannot be read", file.string());
  std::ostringstream content;
  content << in.rdbuf();
  Json json;
  try {
    if (nests_deeper(content.str(), 100)) return fail("{}: nests deeper than 100", file.string());
    std::vector<std::set<std::string>> open;
    std::optional<std::string> twice;
    json = Json::parse(content.str(), [&](int, Json::parse_event_t event, Json& parsed) {
      if (event == Json::parse_event_t::object_start) open.emplace_back();
      if (event == Json::parse_event_t::object_end) open.pop_back();
      if (event == Json::parse_event_t::key &&
          !open.back().insert(parsed.get<std::string>()).second)
        twice = parsed.get<std::string>();
      return true;
    });
    if (twice) return fail("{}: {} is there twice", file.string(), *twice);
  } catch (
      const Json::exception& e) {  // "[json.exception.parse_error.101] parse error at line 3, ..."
    const std::string_view what = e.what();
    return fail("{}: {}", file.string(), what.substr(std::min(what.find("] ") + 2, what.size())));
  }
  Wrong wrong;
  Definition definition = definition_of(json, wrong);
  if (wrong) return fail("{}: {}", file.string(), *wrong);
  definition.folder = std::filesystem::absolute(file).parent_path();
  return definition;
}

}  // namespace gameday::custom
