#include "checkers/fault_windows.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "checkers/calls.h"

namespace gameday {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct Span {
  std::int64_t from = kNever, until = 0;
  bool covers(std::int64_t time) const { return from <= time && time < until; }
};

const Json* find_field(const FaultRecord& fault, const char* field) {
  for (const Json* json : {&fault.description, &fault.parameters}) {
    if (!json->is_object()) continue;
    if (const auto found = json->find(field); found != json->end()) return &*found;
  }
  return nullptr;
}

std::optional<std::vector<std::string>> names(const Json& list) {
  if (!list.is_array()) return std::nullopt;
  std::vector<std::string> result;
  for (const auto& name : list) {
    if (!name.is_string()) return std::nullopt;
    result.push_back(name.get<std::string>());
  }
  return result;
}

// A node that stands still for as long as the fault is in force.
bool is_standstill(const FaultRecord& fault) {
  return is_kind(fault, "pause") || is_kind(fault, "freeze");
}

// A kill that leaves its targets down until it is healed. Other styles, and a restart with a delay,
// let them be up for some of the fault.
bool is_outage(const FaultRecord& fault) {
  if (!is_kind(fault, "kill") || find_field(fault, "delay_ms") != nullptr) return false;
  const Json* style = find_field(fault, "style");
  return style == nullptr || *style == "down";
}

// What a record does to nodes and links. `understood` is false for every other kind of fault.
struct Effect {
  bool understood = false;
  bool others = false;  // touches something that is not a node: the clients
  std::set<std::string> down;
  std::set<std::pair<std::string, std::string>> drops;  // (receiver, sender)
};

Effect effect_of(const FaultRecord& fault, const std::vector<std::string>& nodes) {
  Effect effect;
  const auto is_node = [&](const std::string& name) {
    return std::find(nodes.begin(), nodes.end(), name) != nodes.end();
  };
  if (is_outage(fault) || is_standstill(fault)) {
    const Json* field = find_field(fault, "targets");
    const auto targets = field == nullptr ? std::nullopt : names(*field);
    if (!targets || targets->empty()) return effect;
    effect.understood = std::all_of(targets->begin(), targets->end(), is_node);
    effect.down.insert(targets->begin(), targets->end());
  } else if (destroys_disk(fault)) {
    // For good: possible_span. Nothing says for certain that they are down.
    const Json* field = find_field(fault, "targets");
    const auto targets = field == nullptr ? std::nullopt : names(*field);
    if (!targets) return effect;
    effect.understood = std::all_of(targets->begin(), targets->end(), is_node);
    effect.down.insert(targets->begin(), targets->end());
  } else if (is_kind(fault, "partition")) {
    const Json* grudge = find_field(fault, "grudge");
    if (grudge == nullptr || !grudge->is_object()) return effect;
    for (const auto& [receiver, list] : grudge->items()) {
      const auto senders = names(list);
      if (!senders) return effect;
      for (const auto& sender : *senders) {
        effect.others |= !is_node(receiver) || !is_node(sender);
        effect.drops.emplace(receiver, sender);
      }
    }
    effect.understood = true;
  }
  return effect;
}

// Faults that neither start a node nor let one go on that stands still for another fault.
bool revives_nobody(const FaultRecord& fault) {
  return is_kind(fault, "packet") || is_kind(fault, "clock") || is_kind(fault, "grey");
}

// While the fault is certainly in effect. Another fault's heal may revive a node (both killed it, or
// a bounce restarted one that was paused) or flush a partition's rules, so the certainty ends at the
// first such event.
Span certain_span(const FaultRecord& fault, const std::vector<FaultRecord>& all) {
  if (fault.in_force < 0 || destroys_disk(fault)) return {};
  Span span{fault.in_force, kNever};
  if (fault.heal_requested >= 0) {
    span.until = fault.heal_requested;
  } else if (fault.healed >= 0) {
    return {};  // ended at a time not known
  }
  const bool partition = is_kind(fault, "partition");
  for (const auto& other : all) {
    if (&other == &fault || is_kind(other, "partition") != partition || revives_nobody(other)) continue;
    const bool known = partition || is_standstill(other) || is_outage(other);
    for (const std::int64_t event :
         {other.heal_requested, other.healed, known ? -1 : other.requested})
      if (event > span.from) span.until = std::min(span.until, event);
  }
  return span;
}

// While the fault may have any effect at all.
Span possible_span(const FaultRecord& fault) {
  const std::int64_t from = fault.requested >= 0 ? fault.requested : fault.in_force;
  if (from < 0) return {};
  return {from, fault.healed >= 0 && !destroys_disk(fault) ? fault.healed : kNever};
}

std::vector<std::int64_t> edges_of(const std::vector<Span>& spans, std::int64_t end) {
  std::set<std::int64_t> edges{0, end};
  for (const auto& span : spans)
    for (const std::int64_t edge : {span.from, span.until})
      if (edge > 0 && edge < end) edges.insert(edge);
  return {edges.begin(), edges.end()};
}

std::size_t largest_component(const std::vector<std::string>& live,
                              const std::set<std::pair<std::string, std::string>>& drops) {
  std::set<std::string> left(live.begin(), live.end());
  std::size_t largest = 0;
  while (!left.empty()) {
    std::vector<std::string> reached{*left.begin()};
    left.erase(left.begin());
    for (std::size_t i = 0; i < reached.size(); ++i)
      for (auto it = left.begin(); it != left.end();) {
        const std::string here = reached[i];
        const bool cut = drops.contains({here, *it}) && drops.contains({*it, here});
        if (!cut) reached.push_back(*it);
        it = cut ? std::next(it) : left.erase(it);
      }
    largest = std::max(largest, reached.size());
  }
  return largest;
}

// The nemesis notes an inject or a heal when it is asked for and again when it is done. So the
// first of them is the request, and the last that has no error is when it was done; a history that
// has one of them only has it for both.
void note_inject(const History& history, std::size_t i, FaultRecord& fault) {
  const Json& value = history.value(i);
  if (fault.requested < 0) fault.requested = time_ns(history, i);
  fault.error = history.error(i);
  const bool asked_only =
      value.contains("parameters") && !value.contains("description") && !value.contains("summary");
  fault.in_force = fault.error.empty() && !asked_only ? time_ns(history, i) : -1;
  const auto said = [&](const char* field) {
    const auto found = value.find(field);
    return found == value.end() ? Json() : *found;
  };
  if (const Json name = said("fault"); !name.is_null()) fault.fault = text(name);
  if (const Json summary = said("summary"); !summary.is_null()) fault.summary = text(summary);
  if (Json parameters = said("parameters"); parameters.is_object())
    fault.parameters = std::move(parameters);
  // What was done to what: a field of its own, or beside the others.
  Json description = said("description");
  fault.description = description.is_object() ? std::move(description) : value;
}

void note_heal(const History& history, std::size_t i, FaultRecord& fault) {
  if (fault.heal_requested < 0) fault.heal_requested = time_ns(history, i);
  fault.healed = history.error(i).empty() ? time_ns(history, i) : -1;
  if (!history.error(i).empty()) fault.error = history.error(i);
}

// heal-all is noted when it is done. It was asked for after the clients' last invocation: until
// then the fault was certainly in force.
void note_heal_all(std::int64_t last_invoked, std::int64_t done, FaultRecord& fault) {
  if (fault.heal_requested >= 0) return;
  fault.heal_requested = std::max(last_invoked, fault.in_force);
  fault.healed = done;
}

}  // namespace

std::vector<FaultRecord> faults_of(const CheckInput& input) {
  if (!input.faults.empty()) return input.faults;
  std::map<std::int64_t, FaultRecord> by_id;
  const auto& history = input.history;
  std::int64_t last_invoked = 0;
  for (std::size_t i = 0; i < history.size(); ++i) {
    if (history.is_client(i)) {
      if (history.type(i) == OpType::invoke) last_invoked = time_ns(history, i);
      continue;
    }
    const auto& f = history.name(history.f(i));
    const auto id = integer(history.value(i), "id");
    if (f == "inject" && id) note_inject(history, i, by_id[*id]);
    if (f == "heal" && id) note_heal(history, i, by_id[*id]);
    if (f == "heal-all")
      for (auto& [other, fault] : by_id) note_heal_all(last_invoked, time_ns(history, i), fault);
  }
  std::vector<FaultRecord> faults;
  for (auto& [id, fault] : by_id) {
    fault.id = static_cast<int>(id);
    faults.push_back(std::move(fault));
  }
  return faults;
}

std::string faults_at(const std::vector<FaultRecord>& faults, std::int64_t time) {
  std::vector<std::string> in_force;
  for (const auto& fault : faults)
    if (possible_span(fault).covers(time))
      in_force.push_back(
          fault.summary.empty() ? fault.fault : fmt::format("{} ({})", fault.fault, fault.summary));
  if (in_force.empty()) return "while no fault was in force";
  return fmt::format("while {} {} in force", join_names(in_force),
                     in_force.size() == 1 ? "was" : "were");
}

bool is_kind(const FaultRecord& fault, std::string_view kind) {
  return fault.fault == kind || fault.fault.starts_with(std::string(kind) + "-");
}

bool destroys_disk(const FaultRecord& fault) {
  // By the name of the fault alone: a packet may be corrupted, too. A power loss with torn writes
  // takes only what nobody was promised.
  constexpr std::string_view kWords[]{"wipe", "rollback", "roll-back", "replace", "member",
                                      "remove", "corrupt", "flip", "truncat", "disk-image"};
  return std::any_of(std::begin(kWords), std::end(kWords), [&](std::string_view word) {
    return fault.fault.find(word) != std::string::npos;
  });
}

bool hits(const FaultRecord& fault, const std::string& node) {
  const Json* field = find_field(fault, "targets");
  const auto targets = field == nullptr ? std::nullopt : names(*field);
  return !targets || std::find(targets->begin(), targets->end(), node) != targets->end();
}

bool may_end_server(const FaultRecord& fault, const std::string& node, std::int64_t time) {
  constexpr std::int64_t kLate = 2'000'000'000;  // what failed may take effect a little later
  const Span span = possible_span(fault);
  if (!hits(fault, node) || time < span.from) return false;
  if (destroys_disk(fault)) return true;
  const Json* style = find_field(fault, "style");
  if (style != nullptr && *style == "slow") return false;  // late, but as it should be
  constexpr std::string_view kKinds[]{"io-error", "disk-full", "resources"};
  return (span.until == kNever || time < span.until + kLate) &&
         std::any_of(std::begin(kKinds), std::end(kKinds),
                     [&](std::string_view kind) { return is_kind(fault, kind); });
}

std::vector<Window> healthy_windows(const std::vector<FaultRecord>& faults,
                                    const std::vector<std::string>& nodes, std::int64_t end) {
  std::vector<Span> spans;
  std::vector<Effect> effects;
  for (const auto& fault : faults) {
    spans.push_back(possible_span(fault));
    effects.push_back(effect_of(fault, nodes));
  }
  std::vector<Window> windows;
  const auto edges = edges_of(spans, end);
  for (std::size_t e = 0; e + 1 < edges.size(); ++e) {
    Window window{edges[e], edges[e + 1], {}, {}, false, faults_at(faults, edges[e])};
    std::set<std::string> down;
    std::map<std::string, std::set<std::string>> links_cut;  // a drop one way spoils both
    for (std::size_t i = 0; i < faults.size(); ++i) {
      if (!spans[i].covers(window.from)) continue;
      window.disturbed |= !effects[i].understood || effects[i].others;
      down.insert(effects[i].down.begin(), effects[i].down.end());
      for (const auto& [to, from] : effects[i].drops) {
        links_cut[to].insert(from);
        links_cut[from].insert(to);
      }
    }
    // Leave out the node with the most spoilt links until none is left: what remains is whole.
    std::set<std::string> whole(nodes.begin(), nodes.end());
    for (const auto& node : down) whole.erase(node);
    const auto spoilt = [&](const std::string& node) {
      return std::count_if(whole.begin(), whole.end(), [&](const std::string& other) {
        return links_cut[node].contains(other);
      });
    };
    for (;;) {
      const auto worst =
          std::max_element(whole.begin(), whole.end(),
                           [&](const auto& a, const auto& b) { return spoilt(a) < spoilt(b); });
      if (worst == whole.end() || spoilt(*worst) == 0) break;
      whole.erase(worst);
    }
    for (const auto& node : nodes)
      (whole.contains(node) ? window.healthy : window.hit).push_back(node);
    // A node that only part of the others can reach may still lead, and then the rest cannot write.
    for (const auto& node : window.hit)
      window.disturbed |= !down.contains(node) && spoilt(node) < std::ssize(whole);
    windows.push_back(std::move(window));
  }
  return windows;
}

std::vector<MinorityWindow> minority_windows(const std::vector<FaultRecord>& faults,
                                             const std::vector<std::string>& nodes,
                                             std::int64_t end) {
  // A changed membership changes what a majority is.
  for (const auto& fault : faults)
    if (fault.fault.find("member") != std::string::npos) return {};
  std::vector<Span> spans;
  std::vector<Effect> effects;
  for (const auto& fault : faults) {
    spans.push_back(certain_span(fault, faults));
    effects.push_back(effect_of(fault, nodes));
  }
  std::vector<MinorityWindow> windows;
  std::vector<std::string> last_live;
  std::set<std::pair<std::string, std::string>> last_drops;
  std::vector<Span> changes = spans;
  for (const auto& fault : faults)
    if (is_kind(fault, "packet")) changes.push_back(possible_span(fault));
  const auto edges = edges_of(changes, end);
  for (std::size_t e = 0; e + 1 < edges.size(); ++e) {
    MinorityWindow window{edges[e], edges[e + 1], {}, false, faults_at(faults, edges[e])};
    std::set<std::string> down;
    std::set<std::pair<std::string, std::string>> drops;
    bool late = false;  // an answer that was sent before the window may arrive in it
    for (std::size_t i = 0; i < faults.size(); ++i) {
      const Span possible = possible_span(faults[i]);
      if (possible.from < window.until && possible.until > window.from) {
        window.clients_cut |= !effects[i].understood || effects[i].others;
        late |= is_kind(faults[i], "packet");
      }
      if (!spans[i].covers(window.from) || !effects[i].understood) continue;
      down.insert(effects[i].down.begin(), effects[i].down.end());
      drops.insert(effects[i].drops.begin(), effects[i].drops.end());
    }
    for (const auto& node : nodes)
      if (!down.contains(node)) window.live.push_back(node);
    if (late || largest_component(window.live, drops) >= nodes.size() / 2 + 1) continue;
    // Neighbouring windows are one only if nothing changed: over two different minorities a leader
    // can collect a majority of acknowledgements one after the other.
    const bool same = window.live == last_live && drops == last_drops;
    last_live = window.live;
    last_drops = std::move(drops);
    if (same && !windows.empty() && windows.back().until == window.from) {
      windows.back().until = window.until;
      windows.back().clients_cut |= window.clients_cut;
    } else {
      windows.push_back(std::move(window));
    }
  }
  return windows;
}

std::vector<DeafWindow> deaf_windows(const std::vector<FaultRecord>& faults,
                                     const std::vector<std::string>& nodes) {
  std::vector<DeafWindow> windows;
  // Somebody may be added or removed that nobody here knows.
  for (const auto& fault : faults)
    if (fault.fault.find("member") != std::string::npos) return windows;
  for (const auto& fault : faults) {
    if (!is_kind(fault, "partition")) continue;
    const Span span = certain_span(fault, faults);
    // A packet that is held back or delayed may pass a partition that has come since.
    const bool late = std::any_of(faults.begin(), faults.end(), [&](const FaultRecord& other) {
      const Span possible = possible_span(other);
      return is_kind(other, "packet") && possible.from < span.until && possible.until > span.from;
    });
    const Effect effect = effect_of(fault, nodes);
    if (late || !effect.understood || nodes.size() < 2) continue;
    for (const auto& node : nodes)
      if (std::all_of(nodes.begin(), nodes.end(), [&](const std::string& other) {
            return other == node || effect.drops.contains({node, other});
          }))
        windows.push_back({span.from, span.until, node});
  }
  return windows;
}

}  // namespace gameday
