#include "checkers/workload/guarantees/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"
#include "checkers/workload/guarantees/zones.h"

namespace gameday::guarantees {
namespace {

using Cycle = std::vector<std::uint32_t>;  // relations, each from where the last one leads to

class Session {
 public:
  Session(const ModelInput& input, std::optional<Guarantee> only)
      : limits_(input.limits),
        only_(only),
        registers_(input),
        relations_(session_relations(registers_)) {}

  CheckResult check() && {
    for (const std::string& reason : registers_.unknown) findings_.unknown(reason);
    findings_.stats = {{"operations", registers_.accesses.size()},
                       {"keys", registers_.keys.size()},
                       {"versions", registers_.versions.size() - registers_.keys.size()},
                       {"relations", relations_.size()}};
    if (const char* reason = limits_.expired()) findings_.unknown(reason);
    future_reads();
    const std::vector<std::int32_t> components = cyclic(registers_, relations_);
    std::map<std::int32_t, std::vector<std::uint32_t>> by_component;
    for (std::uint32_t i = 0; i < relations_.size(); ++i) {
      if (components[i] < 0) continue;
      if (back(relations_[i]))
        alone(i);
      else
        by_component[components[i]].push_back(i);
    }
    for (const auto& [component, members] : by_component) judge(members);
    return std::move(findings_).result(
        fmt::format("{} hold{} in {} operations on {} keys",
                    only_ ? std::string(to_string(*only_)) : "all four session guarantees",
                    only_ ? "s" : "", registers_.accesses.size(), registers_.keys.size()));
  }

 private:
  bool back(const Relation& r) const {
    return static_cast<std::size_t>(r.to) < registers_.keys.size();
  }
  bool wanted(Guarantee g) const { return !only_ || *only_ == g; }

  // What was read before its write began is not what that write wrote. Without this a write could
  // make good what was read before it, and a verdict would not be final before the end.
  void future_reads() {
    for (const Access& a : registers_.accesses) {
      const std::int32_t writer = registers_.versions[static_cast<std::size_t>(a.version)].writer;
      if (a.write || writer < 0) continue;
      const Access& write = registers_.accesses[static_cast<std::size_t>(writer)];
      if (finished(registers_, a) > invoked(registers_, write)) continue;
      return findings_.unknown(fmt::format("{} was read before its write began: {}, {}",
                                           registers_.describe(a.version), words(a), words(write)));
    }
  }

  // Back to the initial value, which is before every version.
  void alone(std::uint32_t i) {
    if (!wanted(relations_[i].guarantee)) return;
    if (findings_.full()) return findings_.count_only();
    Anomaly anomaly = begin(relations_[i].guarantee, {i});
    anomaly.explanation.push_back(fmt::format("But {} is what was there before any write.",
                                              registers_.describe(relations_[i].to)));
    findings_.add(std::move(anomaly));
  }

  // A cycle through each guarantee of the component. Where no guarantee is asked for, a cycle is
  // told of by its first only, in the order of the enumeration.
  void judge(const std::vector<std::uint32_t>& members) {
    std::unordered_map<std::int32_t, std::vector<std::uint32_t>> out;
    for (const std::uint32_t i : members) out[relations_[i].from].push_back(i);
    for (std::size_t g = 0; g < kGuarantees; ++g) {
      const auto guarantee = static_cast<Guarantee>(g);
      if (!wanted(guarantee)) continue;
      const auto found = std::find_if(members.begin(), members.end(), [&](std::uint32_t i) {
        return relations_[i].guarantee == guarantee;
      });
      if (found == members.end()) continue;
      if (findings_.full()) {
        findings_.count_only();
        continue;
      }
      const Cycle cycle = shortest(out, members, guarantee);
      const bool told = !only_ && std::any_of(cycle.begin(), cycle.end(), [&](std::uint32_t i) {
        return relations_[i].guarantee < guarantee;
      });
      if (!told) findings_.add(contradiction(guarantee, cycle));
    }
  }

  // The shortest of those through the first few of the guarantee's relations.
  Cycle shortest(const std::unordered_map<std::int32_t, std::vector<std::uint32_t>>& out,
                 const std::vector<std::uint32_t>& members, Guarantee guarantee) const {
    constexpr std::size_t kTries = 16;
    Cycle best;
    std::size_t tries = 0;
    for (const std::uint32_t i : members) {
      if (relations_[i].guarantee != guarantee) continue;
      Cycle cycle = through(out, i);
      if (best.empty() || cycle.size() < best.size()) best = std::move(cycle);
      if (best.size() <= 2 || ++tries == kTries || limits_.expired() != nullptr) break;
    }
    return best;
  }

  Cycle through(const std::unordered_map<std::int32_t, std::vector<std::uint32_t>>& out,
                std::uint32_t start) const {
    const std::int32_t goal = relations_[start].from;
    std::unordered_map<std::int32_t, std::uint32_t>
        came;  // by version: the relation that led there
    std::deque<std::int32_t> queue{relations_[start].to};
    came[relations_[start].to] = start;
    while (!queue.empty() && !(came.contains(goal))) {
      const auto next = out.find(queue.front());
      queue.pop_front();
      if (next == out.end()) continue;
      for (const std::uint32_t i : next->second)
        if (came.try_emplace(relations_[i].to, i).second) queue.push_back(relations_[i].to);
    }
    Cycle cycle;
    for (std::uint32_t i = came.at(goal);; i = came.at(relations_[i].from)) {
      cycle.push_back(i);
      if (i == start) break;
    }
    std::reverse(cycle.begin(), cycle.end());
    return cycle;
  }

  Anomaly contradiction(Guarantee guarantee, const Cycle& cycle) const {
    Anomaly anomaly = begin(guarantee, cycle);
    std::vector<std::string_view> all = names(cycle);
    anomaly.explanation.push_back(
        all.size() == 1
            ? fmt::format("No order of the versions does all of that, so {} is violated.", all[0])
            : fmt::format("No order of the versions does all of that, so not all of {} hold.",
                          fmt::join(all, ", ")));
    return anomaly;
  }

  std::vector<std::string_view> names(const Cycle& cycle) const {
    std::vector<std::string_view> all;
    for (std::size_t g = 0; g < kGuarantees; ++g)
      if (std::any_of(cycle.begin(), cycle.end(), [&](std::uint32_t i) {
            return relations_[i].guarantee == static_cast<Guarantee>(g);
          }))
        all.push_back(to_string(static_cast<Guarantee>(g)));
    return all;
  }

  Anomaly begin(Guarantee guarantee, const Cycle& cycle) const {
    Anomaly anomaly;
    anomaly.type = to_string(guarantee);
    const auto relation = std::find_if(cycle.begin(), cycle.end(), [&](std::uint32_t i) {
      return relations_[i].guarantee == guarantee;
    });
    anomaly.summary =
        fmt::format("{}, though {}", did(relations_[*relation]),
                    cycle.size() == 1 ? "that is no later version"
                                      : "other operations show that the latter is older");
    for (const std::uint32_t i : cycle) {
      const Relation& r = relations_[i];
      anomaly.explanation.push_back(fmt::format(
          "{}: by {} {} must not be after {}: {}, then {}.", did(r), to_string(r.guarantee),
          registers_.describe(r.from), registers_.describe(r.to), words(r.first), words(r.second)));
      for (const std::uint32_t access : {r.first, r.second})
        anomaly.ops.push_back(registers_.op(registers_.accesses[access]));
    }
    std::sort(anomaly.ops.begin(), anomaly.ops.end());
    anomaly.ops.erase(std::unique(anomaly.ops.begin(), anomaly.ops.end()), anomaly.ops.end());
    anomaly.detail = {{"guarantees", names(cycle)}, {"key", key(cycle)}};
    return anomaly;
  }

  Json key(const Cycle& cycle) const {
    const auto version = static_cast<std::size_t>(relations_[cycle[0]].from);
    return registers_.events.values().json(registers_.keys.value(registers_.versions[version].key));
  }

  std::string words(std::uint32_t access) const { return words(registers_.accesses[access]); }
  std::string words(const Access& access) const { return registers_.words(access); }

  std::string did(const Relation& r) const {
    const Events& events = registers_.events;
    const Access& first = registers_.accesses[r.first];
    const Access& second = registers_.accesses[r.second];
    return fmt::format("process {} {} {} and then {} {}",
                       events.process(events.pairs()[first.pair].invoke),
                       first.write ? "wrote" : "read", registers_.describe(r.from),
                       second.write ? "wrote" : "read", registers_.describe(r.to));
  }

  const Limits& limits_;
  std::optional<Guarantee> only_;
  Registers registers_;
  std::vector<Relation> relations_;
  Findings findings_;
};

}  // namespace

CheckResult check_session(const ModelInput& input) { return Session(input, std::nullopt).check(); }

template <Guarantee G>
static CheckResult check_one(const ModelInput& input) {
  return Session(input, G).check();
}

CheckResult check_read_your_writes(const ModelInput& input) {
  return check_one<Guarantee::read_your_writes>(input);
}
CheckResult check_monotonic_reads(const ModelInput& input) {
  return check_one<Guarantee::monotonic_reads>(input);
}
CheckResult check_monotonic_writes(const ModelInput& input) {
  return check_one<Guarantee::monotonic_writes>(input);
}
CheckResult check_writes_follow_reads(const ModelInput& input) {
  return check_one<Guarantee::writes_follow_reads>(input);
}

}  // namespace gameday::guarantees
