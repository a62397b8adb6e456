#include "harness/cli/fault_options.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "harness/core/json_depth.h"
#include "harness/lab/syscall_supervisor.h"
#include "harness/run/journal.h"
#include "harness/run/store.h"
#include "nemesis/catalog.h"
#include "nemesis/packages.h"

namespace gameday::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kAll = "all";

run::FaultKind composite_kind(const nemesis::Composite& composite) {
  run::FaultKind kind;
  kind.name = composite.name;
  kind.plan = composite.plan;
  kind.seconds = composite.seconds;
  kind.expand = [](const PlannedFault& planned, const std::vector<std::string>& nodes) {
    return nemesis::expand(planned, nodes).value_or(std::vector<PlannedFault>());
  };
  return kind;
}

std::string known_words() {
  std::vector<std::string_view> names;
  for (const auto& entry : nemesis::catalog()) names.push_back(entry.name);
  for (const auto& composite : nemesis::composites()) names.push_back(composite.name);
  names.push_back(kAll);
  return fmt::format("{}", fmt::join(names, ", "));
}

// The entry that a word, or the parts of a composite, need; null: there is no such word.
const nemesis::Entry* entry_of(std::string_view word) {
  const nemesis::Composite* composite = nemesis::find_composite(word);
  return nemesis::find(composite != nullptr ? composite->fault : word);
}

}  // namespace

run::FaultKind fault_kind(const nemesis::Entry& entry) {
  run::FaultKind kind;
  kind.name = entry.name;
  kind.plan = entry.plan;
  kind.describe = entry.describe;
  kind.make = [&entry](const run::NemesisPorts& ports) {
    return entry.make({ports.lab, ports.primaries, ports.wall_clock, ports.membership});
  };
  kind.needs = [&entry](const Json& parameters) { return nemesis::needs_of(entry, parameters); };
  return kind;
}

Status fits(std::string_view word, System& system, std::size_t nodes) {
  const nemesis::Entry& entry = *entry_of(word);
  if (nodes < entry.least_nodes)
    return fail("{} needs at least {} nodes; this run has --nodes {}", word, entry.least_nodes, nodes);
  if (entry.needs_membership && system.membership() == nullptr)
    return fail("{} needs a system whose members can be changed; {} offers no membership changes", word,
                system.name());
  return {};
}

namespace {

// What faults are to be done to.
struct Target {
  System& system;
  const std::vector<std::string>& nodes;
};

// "all" is every plain fault that can be done here.
Result<std::vector<std::string>> resolve_words(const std::vector<std::string>& given,
                                               const Target& target, FaultChoice& choice) {
  std::vector<std::string> words;
  const auto add = [&](std::string_view word) {
    if (std::find(words.begin(), words.end(), word) == words.end()) words.emplace_back(word);
  };
  for (const auto& word : given) {
    if (word == kAll) {
      for (const auto& entry : nemesis::catalog()) {
        Status possible = fits(entry.name, target.system, target.nodes.size());
        if (possible) possible = nemesis::available(entry);
        if (possible) add(entry.name);
        else choice.left_out.emplace_back(entry.name, possible.error().message);
      }
      continue;
    }
    if (entry_of(word) == nullptr)
      return fail("--faults: there is no fault \"{}\"; known: {}", word, known_words());
    if (auto possible = fits(word, target.system, target.nodes.size()); !possible)
      return fail("--faults: {}", possible.error().message);
    add(word);
  }
  return words;
}

// A schedule is an array of faults, with comments if somebody likes; or what a run has stored of its
// own: test.json, faults.jsonl, or the folder of both.
Result<Json> read_entries(const RunOptions& o) {
  fs::path file = o.schedule;
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) {
    const auto folder = run::find_run(o.store, file);
    if (!folder) return fail("cannot read {}: it is no file, and no run", file.string());
    file = *folder / "test.json";
  }
  const auto text = run::read_file(file);
  if (!text) return tl::make_unexpected(text.error());
  constexpr int kDeep = 50;
  constexpr std::size_t kMost = 100'000;
  const bool deep = nests_deeper(*text, kDeep);
  Json json(Json::value_t::discarded);
  std::string wrong = deep ? fmt::format("it nests deeper than {}", kDeep) : "";
  try {
    if (!deep) json = Json::parse(*text, nullptr, true, true);
  } catch (const Json::exception& e) {  // "[json.exception.parse_error.101] parse error at line 3, ..."
    wrong = e.what();
    wrong.erase(0, wrong.find("] ") + 2);
  }
  if (json.is_object() && json.contains("schedule")) json = Json(json["schedule"]);
  const bool lines = json.is_discarded() || json.is_object();
  if (lines) json = run::read_planned(*text);
  if (!json.is_array() || (lines && json.empty()))
    return fail("{} must be a JSON array of faults, a test.json, or a faults.jsonl with planned lines{}{}",
                file.string(), wrong.empty() ? "" : ": ", wrong);
  if (json.size() > kMost)
    return fail("{} has {} entries; at most {} are taken", file.string(), json.size(), kMost);
  return json;
}

// What no nemesis understands is said before anything is started.
Status check_entry(const PlannedFault& planned, const Target& target, double time_limit) {
  const auto& nodes = target.nodes;
  if (entry_of(planned.fault) == nullptr)
    return fail("there is no fault \"{}\"; known: {}", planned.fault, known_words());
  if (auto possible = fits(planned.fault, target.system, target.nodes.size()); !possible) return possible;
  if (planned.when.kind == Moment::Kind::time && planned.when.seconds >= time_limit)
    return fail("it begins at {:g} s, after the clients end (--time-limit {:g})", planned.when.seconds,
                time_limit);
  const std::string& node = planned.when.node;
  if (!node.empty() && node != "leader" && std::find(nodes.begin(), nodes.end(), node) == nodes.end())
    return fail("there is no node {}; the nodes are {}", node, fmt::join(nodes, ", "));
  const nemesis::Entry* entry = nemesis::find(planned.fault);
  if (entry == nullptr) return {};  // a composite: its parts are checked
  if (auto valid = nemesis::check_parameters(entry->parameters, planned.parameters, nodes); !valid)
    return fail("{}: {}", planned.fault, valid.error().message);
  return {};
}

Result<std::vector<PlannedFault>> read_schedule(const RunOptions& o, const Target& target) {
  const auto json = read_entries(o);
  if (!json) return fail("--schedule: {}", json.error().message);
  std::vector<PlannedFault> schedule;
  for (std::size_t i = 0; i < json->size(); ++i) {
    const auto wrong = [&](const Error& error) {
      return fail("--schedule: {}, entry {}: {}", o.schedule.string(), i + 1, error.message);
    };
    const auto planned = parse_planned_fault((*json)[i]);
    if (!planned) return wrong(planned.error());
    if (auto valid = check_entry(*planned, target, o.time_limit); !valid) return wrong(valid.error());
    auto parts = nemesis::expand(*planned, target.nodes);
    if (!parts) return wrong(parts.error());
    for (auto& part : *parts) {
      if (part.when.kind == Moment::Kind::time && part.when.seconds >= o.time_limit) break;
      if (auto valid = check_entry(part, target, o.time_limit); !valid) return wrong(valid.error());
      schedule.push_back(std::move(part));
    }
  }
  return schedule;
}

Status draw(const RunOptions& o, const std::vector<std::string>& nodes, FaultChoice& choice) {
  std::vector<run::FaultKind> kinds;
  for (const auto& word : choice.words) {
    const nemesis::Composite* composite = nemesis::find_composite(word);
    kinds.push_back(composite != nullptr ? composite_kind(*composite) : fault_kind(*nemesis::find(word)));
  }
  auto drawn = run::draw_schedule(kinds, nodes, *o.seed, o.time_limit, o.interval);
  choice.schedule = std::move(drawn.faults);
  if (choice.schedule.empty() && !kinds.empty())
    return fail("--time-limit {:g} leaves no time for faults; give at least {} s", o.time_limit,
                3 + kinds.size() / 2);
  for (const auto& word : drawn.left_out)
    choice.left_out.emplace_back(word, "there was no time for it; give more --time-limit");
  return {};
}

// Of a plain fault; what only some parameters of a fault need is asked for as well.
Status possible_here(const PlannedFault& planned) {
  const nemesis::Entry& entry = *nemesis::find(planned.fault);
  if (auto possible = nemesis::available(entry); !possible) return possible;
  if (planned.when.event == kFsync || nemesis::needs_of(entry, planned.parameters).syscalls != 0)
    return lab::syscalls_available();
  return {};
}

Status possible_here(const nemesis::Composite& composite) {
  const std::vector<std::string> nodes{"n1", "n2", "n3"};
  Rng rng(1);
  Moment end;
  end.seconds = composite.seconds;
  const PlannedFault planned{0, end, std::string(composite.name), composite.plan(rng, nodes)};
  const auto parts = nemesis::expand(planned, nodes);
  if (!parts) return tl::make_unexpected(parts.error());
  for (const auto& part : *parts)
    if (auto possible = possible_here(part); !possible) return possible;
  return {};
}

std::string needs_in_words(const nemesis::Entry& entry) {
  const lab::Preparation& needs = entry.needs;
  std::vector<std::string_view> words;
  if (entry.needs_membership) words.push_back("a system with membership");
  if (needs.clocks) words.push_back("clocks");
  if (needs.syscalls != 0) words.push_back("syscalls");
  if (needs.disks) words.push_back("disks");
  if (needs.cgroups) words.push_back("cgroups");
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

Result<FaultChoice> choose_faults(const RunOptions& o, System& system,
                                  const std::vector<std::string>& nodes) {
  const Target target{system, nodes};
  FaultChoice choice;
  if (!o.schedule.empty()) {
    if (!o.faults.empty()) return fail("--schedule already says which faults come: leave out --faults");
    if (o.interval > 0) return fail("--schedule already says when faults come: leave out --interval");
    auto schedule = read_schedule(o, target);
    if (!schedule) return tl::make_unexpected(schedule.error());
    choice.schedule = std::move(*schedule);
  } else {
    auto words = resolve_words(o.faults, target, choice);
    if (!words) return tl::make_unexpected(words.error());
    choice.words = std::move(*words);
    if (auto drawn = draw(o, nodes, choice); !drawn) return tl::make_unexpected(drawn.error());
  }
  for (const auto& planned : choice.schedule) {
    const auto has = [&](const auto& kind) { return kind.name == planned.fault; };
    if (std::none_of(choice.kinds.begin(), choice.kinds.end(), has))
      choice.kinds.push_back(fault_kind(*nemesis::find(planned.fault)));
  }
  for (const auto& kind : choice.kinds) {
    choice.families[kind.name] = nemesis::find(kind.name)->family;
    if (!o.schedule.empty()) choice.words.push_back(kind.name);
  }
  return choice;
}

Status machine_can(const run::RunPlan& plan) {
  for (const auto& planned : plan.schedule)
    if (auto possible = possible_here(planned); !possible)
      return fail("this machine cannot do the fault {}: {}", planned.fault, possible.error().message);
  return {};
}

std::string print_schedule(const run::RunPlan& plan) {
  std::vector<std::string> lines;
  for (const auto& planned : plan.schedule) lines.push_back("  " + run::dump(to_json(planned)));
  return lines.empty() ? "[]\n" : fmt::format("[\n{}\n]\n", fmt::join(lines, ",\n"));
}

Listing list_faults() {
  Listing faults{{"name", "what it is", "needs", "here", "parameters"}, {}};
  faults.keys = {"name", "summary", "needs", "available", "parameters"};
  const auto add = [](Listing& listing, const auto& f, std::string third, const Status& possible) {
    listing.rows.push_back({std::string(f.name), std::string(f.summary), std::move(third),
                            possible ? "yes" : "no: " + possible.error().message,
                            nemesis::describe(f.parameters)});
  };
  for (const auto& entry : nemesis::catalog())
    add(faults, entry, needs_in_words(entry), nemesis::available(entry));
  Listing composites{{"name", "what it is", "made of", "here", "parameters"}, {}};
  composites.keys = {"name", "summary", "made-of", "available", "parameters"};
  composites.title = "Composites";
  for (const auto& composite : nemesis::composites())
    add(composites, composite, std::string(composite.fault), possible_here(composite));
  faults.more.push_back(std::move(composites));
  return faults;
}

}  // namespace gameday::cli
