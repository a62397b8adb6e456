#include "checkers/txn/weak/check.h"

#include <fmt/format.h>

#include <algorithm>

#include "checkers/txn/conclude.h"
#include "checkers/txn/reads.h"

namespace gameday::txn::weak {
namespace {

constexpr int kGuesses = 8;  // orders that are mended before all edges are asked for

class Circle {
 public:
  Circle(const Registers& registers, const Accesses& accesses, const std::vector<Inferred>& inferred)
      : r_(registers), a_(accesses), inferred_(inferred) {}

  Anomaly word(const std::vector<Node>& nodes) const {
    Anomaly anomaly;
    Json steps = Json::array();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes[i] == a_.initial()) continue;
      anomaly.explanation.push_back(
          fmt::format("T{} = {}", i + 1, r_.events().describe(r_.row(nodes[i]))));
      anomaly.ops.push_back(r_.op(nodes[i]));
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const std::size_t next = (i + 1) % nodes.size();
      const Reason why = reason(nodes[i], nodes[next], name(nodes, i), name(nodes, next));
      anomaly.explanation.push_back(fmt::format("{}{} commits before {}, because {}{}",
                                                next == 0 ? "However, " : "", name(nodes, i),
                                                name(nodes, next), why.text,
                                                next == 0 ? ": a contradiction!" : "."));
      steps.push_back(why.data);
    }
    anomaly.detail = {{"steps", steps}};
    anomaly.summary = fmt::format("{} cannot be put into any order of commits",
                                  anomaly.ops.size() == 1
                                      ? fmt::format("op {} and the initial state", anomaly.ops[0])
                                      : fmt::format("ops {}", fmt::join(anomaly.ops, ", ")));
    return anomaly;
  }

 private:
  std::string name(const std::vector<Node>& nodes, std::size_t i) const {
    return nodes[i] == a_.initial() ? "the initial state" : fmt::format("T{}", i + 1);
  }

  Reason reason(Node from, Node to, const std::string& a, const std::string& b) const {
    if (from == a_.initial()) return {"everything comes after it", {{"type", "initial"}}};
    if (to != a_.initial()) {
      for (const RwMop& m : r_.mops(to))
        if (m.is_read() && m.version != kInitial && r_.ok(to) && !r_.never_written(m.version) &&
            r_.writer(m.version) == from)
          return {fmt::format("{} wrote {} = {}, which {} read", a, r_.key_text(m.key),
                              r_.value_text(m.version), b),
                  {{"type", "wr"}, {"key", r_.key_json(m.key)}, {"value", r_.value_json(m.version)}}};
      if (a_.previous(to) == from)
        return {fmt::format("the same client called {} before {}", a, b), {{"type", "process"}}};
    }
    const auto e = std::find_if(inferred_.begin(), inferred_.end(), [&](const Inferred& i) {
      return i.from == from && i.to == to;
    });
    if (e == inferred_.end()) return {};  // not an edge of the graph
    return {fmt::format("op {} read key {} of {} although it had seen {}, which wrote that key too",
                        r_.op(e->reader), r_.key_text(e->key), b, a),
            {{"type", "commit-order"}, {"key", r_.key_json(e->key)}, {"reader", r_.op(e->reader)}}};
  }

  const Registers& r_;
  const Accesses& a_;
  const std::vector<Inferred>& inferred_;
};

struct Named {
  Level level;
  std::string_view model;  // of Elle's lattice, the nearest
  std::string_view name;
};

CheckResult check(const ModelInput& input, const Named& named) {
  const Registers registers(input.events, input.limits);
  Anomalies anomalies;
  check_reads(registers, Repeatable::no, input.limits, anomalies);
  check_commit_order(registers, named.level, true, input.limits, anomalies);
  ModelOptions options;
  options.consistency = {std::string(named.model)};
  options.anomalies = {std::string(kCommitOrderCycle), "never-written", "future-read", "internal", "G1"};
  const bool circle = anomalies.has(kCommitOrderCycle);
  CheckResult result = conclude(std::move(anomalies), Wanted(options),
                                fmt::format("{} transactions are {}", registers.size(), named.name));
  if (circle && result.not_models.empty()) {
    result.not_models = {std::string(named.model)};
    result.summary = fmt::format("not {}: {}", named.name, result.summary);
  }
  result.stats["transactions"] = registers.size();
  result.stats["micro-operations"] = registers.mop_count();
  return result;
}

}  // namespace

void check_commit_order(const Registers& registers, Level level, bool sessions, const Limits& limits,
                        Anomalies& anomalies) {
  const Accesses accesses(registers, sessions);
  CommitOrder order(accesses);
  std::vector<Inferred> inferred;
  Clocks clocks;
  for (int guess = 0;; ++guess) {
    if (!order.arrange(inferred)) {
      anomalies.add(kCommitOrderCycle, [&] {
        return Circle(registers, accesses, inferred).word(order.circle());
      });
      return;
    }
    if (guess > kGuesses) return;  // all edges are in the order
    Asked asked{accesses, order, guess == kGuesses, limits, clocks};
    const auto found = infer(level, asked);
    if (asked.expired != nullptr) return anomalies.unknown(asked.expired);
    if (found.empty()) return;
    inferred.insert(inferred.end(), found.begin(), found.end());
  }
}

CheckResult check_read_committed(const ModelInput& input) {
  return check(input, {Level::read_committed, "read-committed", "read committed"});
}
CheckResult check_read_atomic(const ModelInput& input) {
  return check(input, {Level::read_atomic, "read-atomic", "read atomic"});
}
CheckResult check_causal(const ModelInput& input) {
  return check(input, {Level::causal, "causal-cerone", "causally consistent"});
}

}  // namespace gameday::txn::weak
