#include "harness/cli/manual.h"

#include <CLI/CLI.hpp>
#include <sstream>

#include "harness/cli/commands.h"
#include "harness/cli/version.h"

namespace gameday::cli {
namespace roff {
namespace {

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\e";
    else if (c == '-') out += "\\-";
    else if (c == '\'') out += "\\(aq";
    else out += c;
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

std::string bold(std::string_view text) { return "\\fB" + escaped(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + escaped(text) + "\\fR"; }

// A paragraph, in which `this` is what a person types.
std::string prose(std::string_view text) {
  std::string out;
  bool typed = false;
  while (true) {
    const auto tick = text.find('`');
    const std::string_view part = text.substr(0, tick);
    out += typed ? bold(part) : escaped(part);
    if (tick == std::string_view::npos) return out;
    text.remove_prefix(tick + 1);
    typed = !typed;
  }
}

// The words below a command's options: paragraphs, and examples, which are indented.
std::string footer(const std::string& text) {
  std::string out;
  bool example = false, gap = true;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line == kExitCodes) continue;
    const bool indented = line.starts_with("  ");
    if (indented != example) out += indented ? ".RS 4\n.EX\n" : ".EE\n.RE\n";
    if (indented) {
      out += escaped(std::string_view(line).substr(2)) + "\n";
    } else if (!line.empty()) {
      if (gap || example) out += ".PP\n";
      out += prose(line) + "\n";
    }
    gap = line.empty();
    example = indented;
  }
  return out + (example ? ".EE\n.RE\n" : "");
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// "TEXT:{a,b}" and "FLOAT:POSITIVE" name the type first.
std::string value_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  if (const auto choice = type.find('{'); choice != std::string::npos) type = type.substr(choice);
  return type.substr(0, type.find(':'));
}

std::string entry(const CLI::Option& option) {
  std::string names;
  if (option.get_positional()) {
    names = italic(option.get_name(true));
  } else {
    const auto add = [&](std::string_view dashes, const std::vector<std::string>& some) {
      for (const auto& name : some)
        names += (names.empty() ? "" : ", ") + bold(std::string(dashes) + name);
    };
    add("-", option.get_snames());
    add("--", option.get_lnames());
    if (takes_value(option)) names += " " + italic(value_of(option));
  }
  std::string text = prose(option.get_description());
  if (const auto& initial = option.get_default_str(); !initial.empty() && takes_value(option))
    text += initial[0] == '[' ? " " + escaped(initial) : " [" + escaped(initial) + "]";
  return ".TP\n" + names + "\n" + text + "\n";
}

std::string options_of(const CLI::App& app) {
  std::vector<std::string> groups;
  std::map<std::string, std::string> entries;
  for (const CLI::Option* option : app.get_options()) {
    const std::string& group = option->get_positional() ? std::string() : option->get_group();
    if (group.empty() && !option->get_positional()) continue;  // hidden
    if (std::ranges::find(groups, group) == groups.end()) groups.push_back(group);
    entries[group] += entry(*option);
  }
  std::string out = entries[""] + entries["Options"];
  for (const auto& group : groups)
    if (!group.empty() && group != "Options") out += ".PP\n" + prose(group) + ":\n" + entries[group];
  return out;
}

std::string synopsis(const CLI::App& app, const CLI::App& command) {
  std::string line = bold(app.get_name() + " " + command.get_name()) + " [" + italic("option") + " ...]";
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    std::string name = italic(option->get_name(true));
    if (option->get_items_expected_max() > 1) name += " ...";
    line += option->get_required() ? " " + name : " [" + name + "]";
  }
  return line;
}

}  // namespace
}  // namespace roff

std::string manual(const CLI::App& app) {
  using namespace roff;
  std::string name = std::filesystem::path(app.get_name()).filename();
  const auto commands = app.get_subcommands([](const CLI::App*) { return true; });
  std::string out = fmt::format(
      ".\\\" Made by `{0} man`.\n.TH {1} 1 {2} \"gameday {3}\" \"User Commands\"\n"
      ".SH NAME\n{1} \\- test what a distributed system promises while things break\n.SH SYNOPSIS\n",
      name, escaped(name), kReleased, kVersion);
  for (const CLI::App* command : commands) {
    if (command != commands.front()) out += ".br\n";
    out += synopsis(app, *command) + "\n";
  }
  out += ".SH DESCRIPTION\n" + prose(app.get_description()) + "\n.SH OPTIONS\n" + options_of(app);
  out += ".SH COMMANDS\n";
  for (const CLI::App* command : commands) {
    out += fmt::format(".SS {}\n{}.\n", escaped(command->get_name()), prose(command->get_description()));
    out += options_of(*command) + footer(command->get_footer());
  }
  out += ".SH EXIT STATUS\n" + prose(std::string_view(kExitCodes).substr(sizeof "Exit codes:")) + "\n";
  out +=
      ".SH FILES\n.TP\n.I store/latest/\nthe last run: "
      "report.html, results.json, junit.xml, test.json, history.jsonl, faults.jsonl, gameday.log, and "
      "what each server said and kept in nodes/\n"
      ".SH SEE ALSO\nThe README and descriptions of formats in /usr/share/doc/gameday, where it was "
      "installed from a package.\n";
  return out;
}

Command define_manual(CLI::App& app) {
  CLI::App* command = app.add_subcommand("man", "this program's manual page, in roff");
  command->footer("Example: gameday man | man -l -");
  return {command, [&app] {
            fmt::print("{}", manual(app));
            return flushed();
          }};
}

}  // namespace gameday::cli
