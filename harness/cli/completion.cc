#include "harness/cli/completion.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <set>

#include "harness/cli/commands.h"
#include "harness/cli/install.h"
#include "harness/cli/reproductions.h"
#include "nemesis/catalog.h"
#include "nemesis/targets.h"

namespace gameday::cli {
namespace completion {
namespace {

namespace fs = std::filesystem;

// What was typed before the word.
struct Line {
  const CLI::App* command = nullptr;
  bool in_command = false;
  std::map<std::string, std::vector<std::string>> given;  // by option
  const CLI::Option* awaits = nullptr;                    // its value is the word
  bool no_options = false;                                // after --

  std::string first(const std::string& option, std::string otherwise = {}) const {
    const auto found = given.find(option);
    return found == given.end() ? otherwise : found->second.front();
  }
};

std::string name_of(const CLI::Option& option) {
  if (option.get_positional()) return option.get_name(true);
  return option.get_lnames().empty() ? option.get_snames().front() : option.get_lnames().front();
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

void add(Suggestions& s, std::string_view text, std::string_view help = {}) {
  s.words.push_back({std::string(text), std::string(help)});
}

void add_listed(Suggestions& s, const std::string& what) {
  const auto listing = list(what);
  const auto add_rows = [&](const Listing& l) {
    const auto column = static_cast<std::size_t>(std::ranges::find(l.columns, "name") - l.columns.begin());
    for (const auto& row : l.rows) add(s, row[column], row[column + 1]);
  };
  add_rows(*listing);
  for (const auto& more : listing->more) add_rows(more);
}

// A run's name is that of its folder, which is unique within a store.
void add_runs(Suggestions& s, const Line& line) {
  add(s, "latest", "the last run");
  std::error_code ignored;
  for (const auto& test : fs::directory_iterator(line.first("store", "store"), ignored)) {
    if (!test.is_directory(ignored) || test.is_symlink(ignored)) continue;
    for (const auto& run : fs::directory_iterator(test, ignored))
      if (!run.is_symlink(ignored) && fs::exists(run.path() / "test.json", ignored))
        add(s, run.path().filename().string(), test.path().filename().string());
  }
}

// "name=" or, once that is typed, each "name=value".
void add_pairs(Suggestions& s, std::string_view word, std::string_view name, std::string_view help,
               const std::vector<std::string>& values) {
  if (!word.starts_with(std::string(name) + "=")) return add(s, std::string(name) + "=", help);
  for (const auto& value : values) add(s, fmt::format("{}={}", name, value));
}

void add_settings(Suggestions& s, const Line& line, std::string_view word) {
  const auto kind = kind_of(line.first("SYSTEM"));
  if (!kind) return;
  for (const Setting& setting : (*kind)->settings) {
    std::vector<std::string> values;
    if (setting.values.find('|') != std::string_view::npos)
      values = CLI::detail::split(std::string(setting.values), '|');
    add_pairs(s, word, setting.name, setting.meaning, values);
  }
}

void add_fault_words(Suggestions& s, const Line& line, std::string_view word) {
  const std::string fault = line.first("FAULT");
  if (fault.empty()) return add_listed(s, "faults");
  const nemesis::Entry* entry = nemesis::find(fault);
  if (entry == nullptr) return;
  for (const nemesis::Parameter& p : entry->parameters) {
    using Kind = nemesis::Parameter::Kind;
    std::vector<std::string> values(p.words.begin(), p.words.end());
    if (p.kind == Kind::flag) values = {"true", "false"};
    if (p.kind == Kind::order) values = {nemesis::kLeader, nemesis::kFollower};
    if (p.kind == Kind::targets)
      values.assign(std::begin(nemesis::kTargetWords), std::end(nemesis::kTargetWords));
    add_pairs(s, word, p.name, {}, values);
  }
}

void add_workloads(Suggestions& s, const Line& line) {
  const auto kind = kind_of(line.first("SYSTEM"));
  Suggestions all;
  add_listed(all, "workloads");
  const auto offered = kind ? words((*kind)->workloads) : std::vector<std::string>();
  for (auto& w : all.words)
    if (!kind || std::ranges::find(offered, w.text) != offered.end()) s.words.push_back(std::move(w));
}

void add_findings(Suggestions& s) {
  std::set<std::string_view> systems;
  for (const Reproduction& r : reproductions()) {
    add(s, r.name, r.story);
    if (systems.insert(r.system).second) add(s, r.system, "all of its findings");
  }
}

// What an option's value may be; one that is not here takes a number, or words of one's own.
using Source = std::function<void(Suggestions&, const Line&, std::string_view word)>;
const std::map<std::string, Source, std::less<>>& sources() {
  const auto listed = [](const char* what) {
    return [what](Suggestions& s, const Line&, std::string_view) { add_listed(s, what); };
  };
  const auto folders = [](Suggestions& s, const Line&, std::string_view) { s.folders = true; };
  const auto files = [](Suggestions& s, const Line&, std::string_view) { s.files = true; };
  const auto runs = [](Suggestions& s, const Line& line, std::string_view) {
    add_runs(s, line);
    s.files = true;
  };
  static const std::map<std::string, Source, std::less<>> kSources{
      {"SYSTEM",
       [](Suggestions& s, const Line&, std::string_view) {
         add_listed(s, "systems");
         s.files = true;
       }},
      {"workload", [](Suggestions& s, const Line& line, std::string_view) { add_workloads(s, line); }},
      {"set", add_settings},
      {"consistency", listed("consistency-models")},
      {"faults",
       [](Suggestions& s, const Line&, std::string_view) {
         add_listed(s, "faults");
         add(s, "all", "all that this machine allows");
       }},
      {"bug", listed("bugs")},
      {"schedule", runs},
      {"store", folders},
      {"RUN", runs},
      {"FILE", runs},
      {"model", listed("models")},
      {"checker",
       [](Suggestions& s, const Line&, std::string_view) {
         add_listed(s, "checkers");
         add_listed(s, "models");
       }},
      {"format",
       [](Suggestions& s, const Line&, std::string_view) {
         for (const char* name : {"auto", "jsonl", "json", "edn", "text", "etcd", "kv", "awdit"})
           add(s, name);
       }},
      {"log-file", files},
      {"WHAT",
       [](Suggestions& s, const Line&, std::string_view) {
         for (const auto& what : listable()) add(s, what);
       }},
      {"FAULT", add_fault_words},
      {"lab",
       [](Suggestions& s, const Line&, std::string_view) {
         add(s, "latest", "the newest that runs");
         s.files = true;
       }},
      {"heal", [](Suggestions& s, const Line&, std::string_view) { add(s, "all"); }},
      {"install",
       [](Suggestions& s, const Line&, std::string_view) {
         Suggestions all;
         add_listed(all, "systems");
         for (auto& system : all.words)
           if (!packages_of(system.text).empty()) s.words.push_back(std::move(system));
       }},
      {"NAME", [](Suggestions& s, const Line&, std::string_view) { add_findings(s); }},
  };
  return kSources;
}

// The values for an option, of which `typed` is there; of a list, for its last part.
void add_values(Suggestions& s, const Line& line, const CLI::Option& option, const std::string& before,
                std::string typed) {
  Suggestions values;
  std::string list;
  if (option.get_delimiter() != '\0')
    if (const auto last = typed.rfind(option.get_delimiter()); last != std::string::npos) {
      list = typed.substr(0, last + 1);
      typed.erase(0, last + 1);
    }
  if (const auto source = sources().find(name_of(option)); source != sources().end()) {
    source->second(values, line, typed);
  } else {
    // "TEXT:{a,b}", as CLI::IsMember says it
    const std::string type = option.get_type_name();
    const auto open = type.find('{'), close = type.rfind('}');
    if (open != std::string::npos && close != std::string::npos)
      for (const auto& word : CLI::detail::split(type.substr(open + 1, close - open - 1), ','))
        add(values, word);
  }
  s.files |= values.files;
  s.folders |= values.folders;
  for (auto& value : values.words) {
    if ((',' + list).find(',' + value.text + ',') != std::string::npos) continue;
    add(s, before + list + value.text, value.help);
  }
}

const CLI::Option* find(const CLI::App& app, std::string_view word) {
  for (const CLI::Option* option : app.get_options()) {
    if (word.starts_with("--") ? option->check_lname(std::string(word.substr(2, word.find('=') - 2)))
                               : option->check_sname(std::string(word.substr(1, 1))))
      return option;
  }
  return nullptr;
}

// The positional that the next word is for; the last may take all that follow.
const CLI::Option* positional(const Line& line) {
  for (const CLI::Option* option : line.command->get_options()) {
    if (!option->get_positional()) continue;
    const auto given = line.given.find(option->get_name(true));
    if (given == line.given.end() || option->get_items_expected_max() > 1) return option;
  }
  return nullptr;
}

Line read(const CLI::App& app, const std::vector<std::string>& words) {
  Line line;
  line.command = &app;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    if (line.awaits != nullptr) {
      line.given[name_of(*std::exchange(line.awaits, nullptr))].push_back(word);
    } else if (!line.no_options && word == "--") {
      line.no_options = true;
    } else if (!line.no_options && word.size() > 1 && word[0] == '-') {
      const CLI::Option* option = find(*line.command, word);
      if (option == nullptr || !takes_value(*option)) continue;
      const bool is_long = word[1] == '-';
      const auto equals = word.find('=');
      if (is_long && equals != std::string::npos)
        line.given[name_of(*option)].push_back(word.substr(equals + 1));
      else if (!is_long && word.size() > 2)
        line.given[name_of(*option)].push_back(word.substr(2));
      else
        line.awaits = option;
    } else if (!line.in_command) {
      for (const CLI::App* command : app.get_subcommands([&](auto* c) { return c->check_name(word); })) {
        line.command = command;
        line.in_command = true;
      }
    } else if (const CLI::Option* option = positional(line); option != nullptr) {
      line.given[option->get_name(true)].push_back(word);
    }
  }
  return line;
}

constexpr const char* kBash = R"sh(# Completion of @NAME@ for bash: source <(@NAME@ completion bash)
@FUNCTION@() {
  local words cur prefix part answer text help
  # As read(1) cuts them: "=" and ":" do not end a word here, as they do in COMP_WORDS.
  IFS=$' \t\n' read -a words <<<"${COMP_LINE:0:COMP_POINT}"
  [[ ${COMP_LINE:0:COMP_POINT} != *[[:blank:]] ]] || words+=("")
  cur=${words[-1]}
  # What readline has set aside already is not said again.
  local breaks=${COMP_WORDBREAKS//[^=:]/}
  [[ -z $breaks ]] || prefix=${cur%"${cur##*[$breaks]}"}
  part=${cur#"$prefix"}
  COMPREPLY=()
  while IFS=$'\t' read -r text help; do
    case $text in
      :files | :folders)
        compopt -o filenames 2>/dev/null
        local kind=f
        [[ $text == :files ]] || kind=d
        while IFS= read -r answer; do COMPREPLY+=("$answer"); done < <(compgen -$kind -- "$part")
        ;;
      *)
        [[ $text != *= ]] || compopt -o nospace 2>/dev/null
        COMPREPLY+=("${text#"$prefix"}")
        ;;
    esac
  done < <("${words[0]/#\~/$HOME}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -F @FUNCTION@ @NAME@
)sh";

constexpr const char* kZsh = R"sh(#compdef @NAME@
# Completion of @NAME@ for zsh: source <(@NAME@ completion zsh)
@FUNCTION@() {
  local -a values open
  local line text program=${(Q)words[1]}
  while IFS= read -r line; do
    text=${line%%$'\t'*}
    case $text in
      :files) compset -P '--*='; _files ;;
      :folders) compset -P '--*='; _files -/ ;;
      *=) open+=("${text//:/\\:}:${line#*$'\t'}") ;;
      *) values+=("${text//:/\\:}:${line#*$'\t'}") ;;
    esac
  done < <("${program/#\~/$HOME}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)
  (( ! $#values )) || _describe '@NAME@' values
  (( ! $#open )) || _describe '@NAME@' open -S ''
}
if [ "$funcstack[1]" = "@FUNCTION@" ]; then @FUNCTION@ "$@"; else compdef @FUNCTION@ @NAME@; fi
)sh";

std::string script(const std::string& shell, const std::string& name) {
  std::string function = "_" + name;
  for (char& c : function)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  std::string text = shell == "bash" ? kBash : kZsh;
  for (const auto& [mark, value] : {std::pair{"@NAME@", name}, std::pair{"@FUNCTION@", function}})
    text = CLI::detail::find_and_replace(std::move(text), mark, value);
  return text;
}

}  // namespace
}  // namespace completion

Suggestions suggest(const CLI::App& app, const std::vector<std::string>& words) {
  using namespace completion;
  Suggestions s;
  const std::string word = words.empty() ? std::string() : words.back();
  const Line line = read(app, words);
  const CLI::Option* option = nullptr;
  if (line.awaits != nullptr) {
    add_values(s, line, *line.awaits, "", word);
  } else if (!line.no_options && word.starts_with("--") && word.find('=') != std::string::npos) {
    if ((option = completion::find(*line.command, word)) != nullptr && takes_value(*option))
      add_values(s, line, *option, word.substr(0, word.find('=') + 1), word.substr(word.find('=') + 1));
  } else if (!line.no_options && word.starts_with('-')) {
    for (const CLI::Option* o : line.command->get_options())
      if (!o->get_group().empty() && !o->get_positional())
        for (const auto& name : o->get_lnames()) add(s, "--" + name, o->get_description());
  } else if (!line.in_command) {
    for (const CLI::App* c : app.get_subcommands([](const CLI::App*) { return true; }))
      add(s, c->get_name(), c->get_description());
  } else if ((option = positional(line)) != nullptr) {
    add_values(s, line, *option, "", word);
  }
  std::erase_if(s.words, [&](const Suggestion& w) { return !w.text.starts_with(word); });
  return s;
}

int complete_command(const CLI::App& app, const std::vector<std::string>& words) {
  const Suggestions s = suggest(app, words);
  for (const auto& word : s.words) fmt::print("{}\t{}\n", word.text, word.help);
  if (s.files) fmt::print(":files\n");
  if (s.folders) fmt::print(":folders\n");
  return flushed();
}

Command define_completion(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("completion", "what bash or zsh needs to complete this command line");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash or zsh")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh"}));
  command->footer("Example: source <(gameday completion bash)");
  return {command, [&app, shell] {
            fmt::print("{}", completion::script(*shell, std::filesystem::path(app.get_name()).filename()));
            return flushed();
          }};
}

}  // namespace gameday::cli
