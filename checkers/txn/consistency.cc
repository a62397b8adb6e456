// The tables below state claims of the literature, as Elle 0.2.7 draws them together:
// - Adya: "Weak Consistency: A Generalized Theory and Optimistic Implementations", MIT, 1999
// (PL-*).
// - Bailis et al.: "Highly Available Transactions: Virtues and Limitations", VLDB 2014.
// - Cerone, Bernardi, Gotsman: "A Framework for Transactional Consistency Models with Atomic
//   Visibility", CONCUR 2015; Cerone, Gotsman: "Analysing Snapshot Isolation", PODC 2016.
// - Daudjee, Salem: "Lazy Database Replication with Snapshot Isolation", VLDB 2006 (strong,
// session).
// - Bernstein, Hadzilacos, Goodman: "Concurrency Control and Recovery in Database Systems", 1987.
// - Zuikeviciute, Pedone: "Correctness Criteria for Database Replication", 2008.
#include "checkers/txn/consistency.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <span>
#include <stdexcept>

namespace gameday::txn {
namespace {

struct Row {
  std::string_view from;
  std::vector<std::string_view> to;
};

// friendly name, canonical name; the last friendly name of a canonical one is the one printed
constexpr std::pair<std::string_view, std::string_view> kNames[] = {
    {"consistent-view", "PL-2+"},
    {"conflict-serializable", "PL-3"},
    {"serializable", "PL-3"},
    {"cursor-stability", "PL-CS"},
    {"forward-consistent-view", "PL-FCV"},
    {"monotonic-snapshot-read", "PL-MSR"},
    {"monotonic-view", "PL-2L"},
    {"read-committed", "PL-2"},
    {"read-uncommitted", "PL-1"},
    {"repeatable-read", "PL-2.99"},
    {"snapshot-isolation", "PL-SI"},
    {"strict-serializable", "PL-SS"},
    {"strong-serializable", "PL-SS"},
    {"update-serializable", "PL-3U"},
    {"strong-session-read-uncommitted", "strong-session-PL-1"},
    {"strong-session-read-committed", "strong-session-PL-2"},
    {"strong-read-uncommitted", "strong-PL-1"},
    {"strong-read-committed", "strong-PL-2"},
    // Liu et al., "ROLA: A New Distributed Transaction Protocol", 2018: what it provides is what
    // Cerone et al. call update atomic.
    {"ROLA", "update-atomic"},
    {"update-atomic", "update-atomic"},
};

// stronger model, weaker models that it implies
const Row kModels[] = {
    {"causal-cerone", {"read-atomic"}},
    {"consistent-view", {"cursor-stability", "monotonic-view"}},
    {"conflict-serializable", {"view-serializable"}},
    {"cursor-stability", {"read-committed"}},
    {"forward-consistent-view", {"consistent-view"}},
    {"PL-2", {"PL-1"}},
    {"PL-3", {"repeatable-read", "update-serializable", "snapshot-isolation", "view-serializable"}},
    {"update-serializable", {"forward-consistent-view"}},
    {"monotonic-atomic-view", {"read-committed"}},
    {"monotonic-view", {"PL-2"}},
    {"monotonic-snapshot-read", {"PL-2"}},
    {"parallel-snapshot-isolation", {"causal-cerone", "update-atomic"}},
    {"prefix", {"causal-cerone"}},
    {"read-atomic", {"monotonic-atomic-view"}},
    {"repeatable-read", {"cursor-stability", "monotonic-atomic-view"}},
    {"update-atomic", {"read-atomic"}},
    {"session-serializable", {"1SR"}},
    {"snapshot-isolation",
     {"forward-consistent-view", "monotonic-atomic-view", "monotonic-snapshot-read",
      "parallel-snapshot-isolation", "prefix"}},
    {"strict-serializable",
     {"PL-3", "linearizable", "snapshot-isolation", "strong-snapshot-isolation",
      "strong-session-serializable", "session-serializable"}},
    {"strong-session-PL-1", {"PL-1"}},
    {"strong-session-PL-2", {"PL-2", "strong-session-PL-1"}},
    {"strong-PL-1", {"strong-session-PL-1"}},
    {"strong-PL-2", {"strong-session-PL-2", "strong-PL-1"}},
    {"strong-session-serializable", {"serializable", "strong-session-snapshot-isolation"}},
    {"strong-session-snapshot-isolation", {"snapshot-isolation", "strong-session-PL-2"}},
    {"strong-snapshot-isolation", {"strong-session-snapshot-isolation", "strong-PL-2"}},
    // One object at a time (Bailis).
    {"linearizable", {"sequential"}},
    {"sequential", {"causal"}},
    {"causal", {"writes-follow-reads", "PRAM"}},
    {"PRAM", {"monotonic-reads", "monotonic-writes", "read-your-writes"}},
};

// anomaly, anomalies whose presence it implies
const Row kAnomalies[] = {
    {"G0", {"G1c", "G0-process"}},
    {"G0-process", {"G1c-process", "G0-realtime"}},
    {"G0-realtime", {"G1c-realtime"}},
    {"G1a", {"G1"}},
    {"G1b", {"G1"}},
    {"G1c", {"G1", "G1c-process"}},
    {"G1c-process", {"G1c-realtime", "G1-process"}},
    {"G1c-realtime", {"G1-realtime"}},
    {"G1", {"G1-process"}},
    {"G1-process", {"G1-realtime"}},
    {"G-single-item", {"G-single", "G-single-item-process", "G-nonadjacent-item"}},
    {"G-single-item-process",
     {"G-single-process", "G-single-item-realtime", "G-nonadjacent-item-process"}},
    {"G-single-item-realtime", {"G-single-realtime", "G-nonadjacent-item-realtime"}},
    {"G-single", {"G-nonadjacent", "GSIb", "G-single-process"}},
    {"G-single-process", {"G-nonadjacent-process", "G-single-realtime"}},
    {"G-single-realtime", {"G-nonadjacent-realtime"}},
    {"G-nonadjacent-item", {"G-nonadjacent", "G2-item", "G-nonadjacent-item-process"}},
    {"G-nonadjacent-item-process",
     {"G-nonadjacent-process", "G2-item-process", "G-nonadjacent-item-realtime"}},
    {"G-nonadjacent-item-realtime", {"G2-item-realtime", "G-nonadjacent-realtime"}},
    {"G-nonadjacent", {"G2", "G-nonadjacent-process"}},
    {"G-nonadjacent-process", {"G2-process", "G-nonadjacent-realtime"}},
    {"G-nonadjacent-realtime", {"G2-realtime"}},
    {"G2", {"G2-process"}},
    {"G2-item", {"G2", "G2-item-process"}},
    {"G2-item-process", {"G2-process", "G2-item-realtime"}},
    {"G2-item-realtime", {"G2-realtime"}},
    {"G2-process", {"G2-realtime"}},
    {"GSIa", {"GSI"}},
    {"GSIb", {"GSI"}},
    // Two reads from different time lines: one of them never committed.
    {"incompatible-order", {"G1a"}},
    // A transaction that reads what it writes later: a cycle of information of one.
    {"future-read", {"G1c"}},
    // A committed write on top of an aborted one.
    {"dirty-update", {"G1a"}},
    {"lost-update", {"write-skew", "G2-item"}},  // Bailis
    {"write-skew", {"G2"}},                      // Kleppmann's Hermitage
};

// model, anomalies that it rules out beside those of the models that it implies
const Row kProscribed[] = {
    {"causal-cerone", {"internal", "G1a"}},
    {"cursor-stability", {"G1", "G-cursor", "lost-update"}},
    {"monotonic-view", {"G1", "G-monotonic"}},
    {"monotonic-snapshot-read", {"G1", "G-MSR"}},
    {"consistent-view", {"G1", "G-single"}},
    {"forward-consistent-view", {"G1", "G-SIb"}},
    {"parallel-snapshot-isolation", {"internal", "G1a"}},
    {"PL-3", {"G1", "G2", "predicate-read-miss", "internal"}},
    {"PL-2", {"G1"}},
    // A list with an element twice, a circle of versions, a value from nowhere and a row that does
    // not match what was asked for are no histories at all in Adya's terms.
    {"PL-1",
     {"G0", "duplicate-elements", "cyclic-versions", "never-written", "predicate-read-mismatch"}},
    {"prefix", {"internal", "G1a"}},
    {"snapshot-isolation", {"internal", "G1", "G-SI", "G-nonadjacent"}},  // Cerone, Gotsman 2016
    {"read-atomic", {"internal", "G1a", "future-read"}},
    {"repeatable-read", {"G1", "G2-item", "lost-update"}},
    {"update-atomic", {"lost-update"}},
    // "...-cycle-exists" is Elle's name for a cycle that it cannot show; see cycles.cc.
    {"strict-serializable", {"G1", "G1c-realtime", "G2-realtime", "PL-SS-cycle-exists"}},
    {"strong-session-PL-1", {"G0-process", "strong-session-PL-1-cycle-exists"}},
    {"strong-session-PL-2", {"G1c-process", "strong-session-PL-2-cycle-exists"}},
    {"strong-PL-1", {"G0-realtime", "strong-PL-1-cycle-exists"}},
    {"strong-PL-2", {"G1c-realtime", "strong-PL-2-cycle-exists"}},
    {"strong-session-snapshot-isolation",
     {"internal", "G1-process", "G-nonadjacent-process",
      "strong-session-snapshot-isolation-cycle-exists"}},
    {"strong-snapshot-isolation",
     {"internal", "G1-realtime", "G-nonadjacent-realtime",
      "strong-snapshot-isolation-cycle-exists"}},
    {"strong-session-serializable",
     {"G1-process", "G2-process", "strong-session-serializable-cycle-exists"}},
    {"update-serializable", {"G1", "G-update"}},
};

using Edges = std::map<std::string, Names, std::less<>>;

Names reachable(const Edges& edges, const std::string& from) {
  Names seen = {from};
  std::vector<std::string> todo = {from};
  while (!todo.empty()) {
    const auto found = edges.find(todo.back());
    todo.pop_back();
    if (found == edges.end()) continue;
    for (const auto& next : found->second)
      if (seen.insert(next).second) todo.push_back(next);
  }
  return seen;
}

// Everything that can be asked, for one name at a time, so that an answer is a few look-ups.
struct Lattice {
  std::map<std::string, std::string, std::less<>> canonical, friendly;
  Names names;
  Names anomalies;
  Edges weaker;   // of a model: all that it implies, itself included
  Edges implied;  // of an anomaly: all that it implies, itself included
  Edges implying;
  Edges prohibited;  // by a model: all anomalies that it does not allow
  Edges ruled_out;   // by an anomaly: all models

  Lattice();
};

Lattice::Lattice() {
  for (const auto& [friend_name, name] : kNames) {
    canonical[std::string(friend_name)] = name;
    friendly[std::string(name)] = friend_name;
    names.insert({std::string(friend_name), std::string(name)});
  }
  const auto model = [&](std::string_view name) {
    const auto found = canonical.find(name);
    return found == canonical.end() ? std::string(name) : found->second;
  };
  const auto fill = [](Edges& forth, Edges& back, std::span<const Row> rows, auto left,
                       auto right) {
    for (const Row& row : rows)
      for (const auto to : row.to) {
        forth[left(row.from)].insert(right(to));
        back[right(to)].insert(left(row.from));
      }
  };
  const auto itself = [](std::string_view name) { return std::string(name); };
  Edges next, previous, direct, direct_back, proscribed, proscribing;
  fill(next, previous, kModels, model, model);
  fill(direct, direct_back, kAnomalies, itself, itself);
  fill(proscribed, proscribing, kProscribed, model, itself);
  for (const auto* edges : {&next, &previous, &proscribed})
    for (const auto& [name, others] : *edges) names.insert(name);
  for (const auto* edges : {&direct, &direct_back, &proscribing})
    for (const auto& [name, others] : *edges) anomalies.insert(name);
  for (const auto& anomaly : anomalies) {
    implied[anomaly] = reachable(direct, anomaly);
    implying[anomaly] = reachable(direct_back, anomaly);
    for (const auto& consequence : implied[anomaly])
      for (const auto& ruler : proscribing[consequence])
        ruled_out[anomaly].merge(reachable(previous, ruler));
  }
  for (const auto& name : names) {
    weaker[name] = reachable(next, name);
    for (const auto& other : weaker[name])
      for (const auto& anomaly : proscribed[other]) {
        const Names& all = implying[anomaly];
        prohibited[name].insert(all.begin(), all.end());
      }
  }
}

const Lattice& lattice() {
  static const Lattice one;
  return one;
}

// All that the table has for these names; what it does not know stands for itself.
Names look_up(const Edges& table, const Names& from, bool themselves) {
  Names to;
  for (const auto& name : from) {
    const auto found = table.find(name);
    if (found != table.end()) to.insert(found->second.begin(), found->second.end());
    if (themselves) to.insert(name);
  }
  return to;
}

}  // namespace

const Names& model_names() { return lattice().names; }

bool is_model(std::string_view name) { return lattice().names.contains(name); }

bool is_anomaly(std::string_view name) {
  return name == "commit-order-cycle" || name == "empty-transaction-graph" ||
         lattice().anomalies.contains(name);
}

std::string canonical_model(std::string_view name) {
  const auto found = lattice().canonical.find(name);
  return found == lattice().canonical.end() ? std::string(name) : found->second;
}

std::string friendly_model(std::string_view name) {
  const auto found = lattice().friendly.find(canonical_model(name));
  return found == lattice().friendly.end() ? std::string(name) : found->second;
}

Names anomalies_implying(const Names& anomalies) {
  return look_up(lattice().implying, anomalies, true);
}
Names anomalies_implied_by(const Names& anomalies) {
  return look_up(lattice().implied, anomalies, true);
}

bool implies(std::string_view anomaly, std::string_view other) {
  const auto found = lattice().implied.find(anomaly);
  return anomaly == other || (found != lattice().implied.end() && found->second.contains(other));
}

Names anomalies_prohibited_by(const std::vector<std::string>& models) {
  Names canonical;
  for (const auto& model : models) {
    if (!is_model(model))
      throw std::invalid_argument(fmt::format("there is no consistency model {}; there are {}",
                                              model, fmt::join(model_names(), ", ")));
    canonical.insert(canonical_model(model));
  }
  return look_up(lattice().prohibited, canonical, false);
}

Names models_ruled_out_by(const Names& anomalies) {
  return look_up(lattice().ruled_out, anomalies, false);
}

Boundary boundary(const Names& anomalies) {
  const Names ruled_out = models_ruled_out_by(anomalies);
  Boundary result;
  for (const auto& model : ruled_out) {
    const Names& weaker = lattice().weaker.find(model)->second;
    const bool weakest = std::none_of(weaker.begin(), weaker.end(), [&](const std::string& other) {
      return other != model && ruled_out.contains(other);
    });
    (weakest ? result.not_models : result.also_not).insert(friendly_model(model));
  }
  return result;
}

}  // namespace gameday::txn
