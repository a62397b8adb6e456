// At most one leader in a term, and a node never forgets a term (Raft: Ongaro and Ousterhout 2014,
// figure 2 and 3: currentTerm grows and is persistent, Election Safety). And a node that hears nobody
// does not take the leader from those that hear each other (I5: Ongaro's thesis, 9.6, PreVote).
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "checkers/checkers.h"
#include "checkers/fault_windows.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"

namespace gameday {
namespace election_safety {
namespace {

// A term that a follower has only heard of may be told before it is on disk, and a crash in between
// forgets it rightly. A leader's vote for itself is on disk, and so, after this time, is a term.
constexpr std::int64_t kDurableAfter = 1'000'000'000;

bool fits(const CheckInput& input) {
  return input.history.has_f("status") || input.history.has_f("final-status");
}

struct Report {
  Call call;
  std::string node;
  std::int64_t term = 0;
  bool leader = false;
  bool candidate = false;  // of a real election: who asks beforehand is a "precandidate"
};

std::vector<Report> reports_of(const History& history) {
  std::vector<Report> reports;
  for (const auto& call : calls_of(history, {"status", "final-status"})) {
    if (!call.ok()) continue;
    const Json& value = answer(history, call);
    const auto term = integer(value, "term");
    const auto& node = node_of(history, call);
    if (!term || node.empty()) continue;
    const auto role = value.find("role");
    const auto is = [&](const char* name) { return role != value.end() && *role == name; };
    reports.push_back({call, node, *term, is("leader"), is("candidate")});
  }
  return reports;
}

void add(const CheckInput& input, Findings& findings, std::string type, std::string summary,
         const Report& x, const Report& y, std::string because) {
  Anomaly anomaly{std::move(type),    "",
                  std::move(summary), {},
                  x.call.indices(),   {{"term", x.term}, {"nodes", {x.node, y.node}}}};
  for (const auto index : y.call.indices()) anomaly.ops.push_back(index);
  const auto faults = faults_of(input);
  for (const Report* report : {&x, &y}) {
    const auto time = input.history.time(static_cast<std::size_t>(report->call.done));
    anomaly.explanation.push_back(
        fmt::format("{} answered at {} {}.", report->node, seconds(time), faults_at(faults, time)));
  }
  anomaly.explanation.push_back(std::move(because));
  findings.add(std::move(anomaly));
}

void check_leaders(const CheckInput& input, const std::vector<Report>& reports,
                   Findings& findings) {
  std::map<std::int64_t, const Report*> leader_of;
  std::map<std::int64_t, bool> told;
  for (const auto& report : reports) {
    if (!report.leader) continue;
    const auto [it, added] = leader_of.try_emplace(report.term, &report);
    const Report& first = *it->second;
    if (added || first.node == report.node || std::exchange(told[report.term], true)) continue;
    add(input, findings, "two-leaders",
        fmt::format("in term {} {} said at {} that it is the leader, and {} said so at {}",
                    report.term, first.node, time_of(input.history, first.call.done), report.node,
                    time_of(input.history, report.call.done)),
        first, report,
        "A node votes once in a term and keeps its vote on disk, so two majorities cannot both "
        "have voted in one term.");
  }
  findings.stats["terms-with-leader"] = leader_of.size();
}

// One node's answers, ordered by real time: at each invocation, the highest durable term of all
// answers completed by then must not be above the one that comes back.
void check_terms(const CheckInput& input, const std::vector<Report>& reports, Findings& findings) {
  const auto& history = input.history;
  std::map<std::string, std::vector<const Report*>> by_node;
  for (const auto& report : reports) by_node[report.node].push_back(&report);
  for (auto& [node, answers] : by_node) {
    auto by_done = answers;
    std::sort(by_done.begin(), by_done.end(),
              [](const Report* x, const Report* y) { return x->call.done < y->call.done; });
    const Report* durable = nullptr;
    std::map<std::int64_t, std::int64_t> first_seen;  // term -> when
    std::size_t next = 0;
    bool below = false;  // told once until the node is back at that term
    for (const Report* answer : answers) {
      for (; next < by_done.size() && by_done[next]->call.done_before(answer->call.invoke);
           ++next) {
        const Report* earlier = by_done[next];
        const auto time = time_ns(history, static_cast<std::size_t>(earlier->call.done));
        const auto since = first_seen.try_emplace(earlier->term, time).first->second;
        if ((earlier->leader || time - since >= kDurableAfter) &&
            (durable == nullptr || earlier->term > durable->term))
          durable = earlier;
      }
      const bool back = durable != nullptr && answer->term < durable->term;
      if (back && !below)
        add(input, findings, "term-went-back",
            fmt::format("{} was in term {} at {}, but in term {} at {}", node, durable->term,
                        time_of(history, durable->call.done), answer->term,
                        time_of(history, answer->call.done)),
            *durable, *answer,
            "A node's term is on disk before it acts on it and only grows: a node that went back "
            "has forgotten the vote that it cast.");
      below = back;
    }
  }
}

// A node that was a candidate in three terms, one higher than the other, while it heard nobody. With
// PreVote a candidate has first been told by a majority that it would be voted for. It asked for that
// after it had been a candidate in the term before, so the answers were sent in the window too, and none
// arrived; a leader's request to take over (thesis 3.10), which needs no such question, can have been on
// its way once. So a system with PreVote can never be caught here, however slow the machine. One without
// is, as soon as that node's term deposes a leader: at once, as long as what it sends arrives (over TCP
// that is until it gives up on the answers), or when it is heard again.
void check_deaf(const CheckInput& input, const std::vector<Report>& reports, Findings& findings) {
  const auto& history = input.history;
  std::size_t judged = 0;
  for (const auto& window : deaf_windows(faults_of(input), nodes_of(input))) {
    std::vector<const Report*> rise;    // the deaf node as a candidate
    const Report* raised = nullptr;     // ... for the third time
    std::map<std::string, const Report*> led;  // leaders below that term, by node
    ++judged;
    for (const Report& report : reports) {  // by invocation
      if (time_ns(history, report.call.invoke) < window.from) continue;
      if (report.node == window.node) {
        const auto done = time_ns(history, static_cast<std::size_t>(report.call.done));
        if (!report.candidate || raised != nullptr || done > window.until) continue;
        if (rise.empty() || (report.term > rise.back()->term &&
                             rise.back()->call.done_before(report.call.invoke)))
          rise.push_back(&report);
        if (rise.size() == 3) raised = &report;
        continue;
      }
      if (report.leader && (raised == nullptr || report.term < raised->term))
        led[report.node] = &report;
      const auto leader = led.find(report.node);
      if (raised == nullptr || leader == led.end() || leader->second->term >= raised->term ||
          report.term < raised->term)
        continue;
      add(input, findings, "deposed-by-a-deaf-node",
          fmt::format("{} led term {} at {}, but {}, which could hear nobody, had become a candidate "
                      "in term {} and after that in term {}, and {} was in term {} at {}",
                      report.node, leader->second->term, time_of(history, leader->second->call.done),
                      window.node, rise.front()->term, raised->term, report.node, report.term,
                      time_of(history, report.call.done)),
          *raised, report,
          "A node asks whether it would be voted for before it raises the term (PreVote), and one "
          "that hears no answer does not raise it.");
      break;
    }
  }
  findings.stats["windows-of-deaf-nodes"] = judged;
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  auto reports = reports_of(input.history);
  // After a fault that takes away what was durable, votes may rightly be forgotten.
  std::int64_t trusted_until = std::numeric_limits<std::int64_t>::max();
  for (const auto& fault : faults_of(input))
    if (destroys_disk(fault))
      trusted_until = std::min(trusted_until, std::max(fault.requested, std::int64_t{0}));
  const std::size_t all = reports.size();
  std::erase_if(reports, [&](const Report& report) {
    return input.history.time(static_cast<std::size_t>(report.call.done)) >= trusted_until;
  });
  check_leaders(input, reports, findings);
  check_terms(input, reports, findings);
  check_deaf(input, reports, findings);
  findings.stats["reports"] = reports.size();
  findings.stats["reports-after-disk-loss"] = all - reports.size();
  if (reports.empty()) findings.unknown("no node ever told its role and term");
  const auto terms = findings.stats["terms-with-leader"].get<std::size_t>();
  return std::move(findings).result(
      terms == 1 ? fmt::format("the one term with a leader had one only, in {} answers", reports.size())
                 : fmt::format("{} terms had at most one leader each, in {} answers", terms, reports.size()));
}

}  // namespace
}  // namespace election_safety

const Checker& election_safety_checker() {
  static const FunctionChecker checker(
      "election-safety",
      "one leader in a term; no node forgets one, and none that hears nobody raises it for all",
      election_safety::fits, election_safety::check, true);
  return checker;
}

}  // namespace gameday
