// What must work while which nodes are hit.
//   I4: without a majority no write is acknowledged, and live nodes still answer searches.
//   I5: with a majority that is whole, writes come back within a bound.
//
// Sound on a slow, shared machine: a window counts only where the faults' effect is certain, and an
// outage only if many attempts were made and the nodes answered other questions in the meantime.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "checkers/checkers.h"
#include "checkers/fault_windows.h"
#include "checkers/final_reads.h"
#include "checkers/findings.h"
#include "checkers/stats.h"

namespace gameday {
namespace availability {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMargin = kSecond;               // for a fault to take hold everywhere
constexpr std::int64_t kSettle = 3 * kSecond;           // for an election after a fault
constexpr std::int64_t kSettleAfterLoss = 6 * kSecond;  // ... after the majority was gone
constexpr std::int64_t kOutage = 3 * kSecond;
constexpr std::size_t kOutageAttempts = 50;
constexpr std::size_t kSearchAttempts = 20;  // all of which failed: INVALID
constexpr std::size_t kSearchesToSay = 5;    // fewer than these say nothing
constexpr std::size_t kWindowsShown = 64;

bool fits(const CheckInput& input) {
  const auto& history = input.history;
  for (const char* f : {"append", "add", "write", "cas", "search", "get"})
    if (history.has_f(f)) return !nodes_of(input).empty();
  return false;
}

struct Timed {
  Call call;
  std::string node;
  std::int64_t from = 0, until = 0;
};

std::vector<Timed> timed(const History& history, std::initializer_list<std::string_view> fs) {
  std::vector<Timed> result;
  for (const auto& call : calls_of(history, fs))
    if (call.done >= 0)
      result.push_back({call, node_of(history, call), time_ns(history, call.invoke),
                        time_ns(history, static_cast<std::size_t>(call.done))});
  return result;
}

struct Data {
  const History& history;
  std::vector<std::string> nodes;
  std::vector<FaultRecord> faults;
  std::vector<Timed> writes, searches, answers;  // answers: anything that a node says on its own
  std::int64_t end = 0;
};

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string span_words(std::int64_t from, std::int64_t until) {
  return fmt::format("from {} to {}", seconds(from), seconds(until));
}

void check_minority_writes(const Data& data, const MinorityWindow& window, Findings& findings) {
  for (const auto& write : data.writes) {
    if (!write.call.ok() || write.from < window.from + kMargin || write.until > window.until)
      continue;
    Anomaly anomaly{"write-without-majority", "I4", "", {}, write.call.indices(),
                    {{"live", window.live}}};
    anomaly.summary =
        fmt::format("{} was acknowledged at {}, although no majority of nodes could talk {}",
                    name_call(data.history, write.call), seconds(write.until),
                    span_words(window.from, window.until));
    anomaly.explanation = {
        tell_call(data.history, write.call) + ".",
        fmt::format("Only {} ran, {}.", join_names(window.live), window.faults),
        fmt::format("The write began {} after that, so nobody can have stored it before.",
                    seconds(write.from - window.from))};
    findings.add(std::move(anomaly));
  }
}

void check_minority_searches(const Data& data, const MinorityWindow& window, Findings& findings) {
  if (window.clients_cut || window.live.empty()) return;
  std::size_t attempts = 0, ok = 0;
  std::int64_t first = window.until, last = window.from;
  bool answered_before = false;
  std::vector<std::int64_t> ops;
  for (const auto& search : data.searches) {
    answered_before |= search.call.ok() && search.until < window.from;
    if (!contains(window.live, search.node) || search.from < window.from + kMargin ||
        search.until > window.until)
      continue;
    ++attempts;
    ok += search.call.ok() ? 1 : 0;
    first = std::min(first, search.from);
    last = std::max(last, search.until);
    if (ops.size() < 8) ops.push_back(static_cast<std::int64_t>(search.call.invoke));
  }
  if (ok > 0 || attempts < kSearchesToSay || !answered_before) return;
  const std::string words =
      fmt::format("none of {} searches on {} was answered {}, although the node{} ran", attempts,
                  join_names(window.live), span_words(window.from, window.until),
                  window.live.size() == 1 ? "" : "s");
  if (attempts < kSearchAttempts || last - first < kSecond) return findings.unknown(words);
  findings.add({"searches-refused",
                "I4",
                words,
                {fmt::format("It was {}; searches are local and need no majority.", window.faults)},
                std::move(ops),
                {{"attempts", attempts}, {"live", window.live}}});
}

// The longest stretch of a window without an acknowledgement on its healthy nodes.
struct Stretch {
  std::int64_t from = 0, until = 0;
  std::vector<const Timed*> attempts;
  bool long_enough() const { return until - from > kOutage && attempts.size() >= kOutageAttempts; }
};

Stretch longest_outage(const Data& data, const Window& window, std::int64_t from) {
  std::vector<std::int64_t> acks{from, window.until};
  std::vector<const Timed*> failed;
  for (const auto& write : data.writes) {
    if (!contains(window.healthy, write.node) || write.until < from || write.until > window.until)
      continue;
    if (write.call.ok()) acks.push_back(write.until);
    // A cas that says that the value was another one is an answer.
    else if (write.call.outcome == OpType::fail && f_of(data.history, write.call) == "cas")
      acks.push_back(write.until);
    else if (write.from >= from)
      failed.push_back(&write);
  }
  std::sort(acks.begin(), acks.end());
  Stretch longest;
  for (std::size_t i = 0; i + 1 < acks.size(); ++i) {
    Stretch stretch{acks[i], acks[i + 1], {}};
    if (stretch.until - stretch.from <= kOutage) continue;
    for (const Timed* write : failed)
      if (write->from >= stretch.from && write->until <= stretch.until)
        stretch.attempts.push_back(write);
    if (stretch.attempts.size() > longest.attempts.size() || longest.until == 0)
      longest = std::move(stretch);
  }
  return longest;
}

// A majority of nodes said something on their own during the stretch: they were up, could be
// reached, and the machine had time for them.
bool nodes_responsive(const Data& data, const Window& window, const Stretch& stretch) {
  std::map<std::string, std::set<std::int64_t>> seconds_with_answer;
  for (const auto& answer : data.answers)
    if (answer.call.ok() && answer.from >= stretch.from && answer.until <= stretch.until &&
        contains(window.healthy, answer.node))
      seconds_with_answer[answer.node].insert(answer.until / kSecond);
  const auto responsive = std::count_if(seconds_with_answer.begin(), seconds_with_answer.end(),
                                        [](const auto& entry) { return entry.second.size() >= 2; });
  return static_cast<std::size_t>(responsive) >= data.nodes.size() / 2 + 1;
}

void check_majority_writes(const Data& data, const Window& window, std::int64_t from,
                           Findings& findings) {
  const Stretch outage = longest_outage(data, window, from);
  if (!outage.long_enough()) return;
  const std::string words = fmt::format(
      "no write on {} was acknowledged {} ({} attempts), although they were healthy and connected "
      "since {}",
      join_names(window.healthy), span_words(outage.from, outage.until), outage.attempts.size(),
      seconds(window.from));
  if (!nodes_responsive(data, window, outage))
    return findings.unknown(words + "; the nodes did not answer other questions either");
  Anomaly anomaly{"unavailable-with-majority",
                  "I5",
                  words,
                  {},
                  {},
                  {{"attempts", outage.attempts.size()}, {"healthy", window.healthy}}};
  anomaly.explanation = {fmt::format("It was {}.", window.faults),
                         fmt::format("The last attempt: {}{}.",
                                     tell_call(data.history, outage.attempts.back()->call), [&] {
                                       const auto& call = outage.attempts.back()->call;
                                       const auto& error =
                                           data.history.error(static_cast<std::size_t>(call.done));
                                       return error.empty() ? std::string() : ": " + error;
                                     }())};
  for (std::size_t i = 0; i < outage.attempts.size() && i < 8; ++i)
    anomaly.ops.push_back(static_cast<std::int64_t>(outage.attempts[i]->call.invoke));
  findings.add(std::move(anomaly));
}

Json figures(const std::vector<Timed>& calls, const Window& window) {
  std::size_t all = 0, ok = 0;
  std::vector<std::int64_t> latencies;
  for (const auto& call : calls) {
    if (call.from < window.from || call.from >= window.until) continue;
    ++all;
    if (!call.call.ok()) continue;
    ++ok;
    latencies.push_back(call.until - call.from);
  }
  Json json = {{"attempts", all}, {"ok", ok}};
  if (all > 0) json["ok-ratio"] = static_cast<double>(ok) / static_cast<double>(all);
  if (ok > 0) {
    json["p50-ms"] = percentile_ms(latencies, 50);
    json["p99-ms"] = percentile_ms(latencies, 99);
  }
  return json;
}

void check_majority(const Data& data, Findings& findings) {
  const std::size_t majority = data.nodes.size() / 2 + 1;
  const auto first_ack = std::find_if(data.writes.begin(), data.writes.end(),
                                      [](const Timed& write) { return write.call.ok(); });
  bool was_whole = true;
  Json shown = Json::array();
  std::size_t windows = 0, judged = 0;
  for (const auto& window : healthy_windows(data.faults, data.nodes, data.end)) {
    ++windows;
    if (shown.size() < kWindowsShown)
      shown.push_back({{"from", static_cast<double>(window.from) * 1e-9},
                       {"until", static_cast<double>(window.until) * 1e-9},
                       {"faults", window.faults},
                       {"healthy", window.healthy},
                       {"writes", figures(data.writes, window)},
                       {"searches", figures(data.searches, window)}});
    const bool whole = !window.disturbed && window.healthy.size() >= majority;
    const bool one_hit = window.hit.size() <= 1;
    std::int64_t from = window.from + (was_whole ? kSettle : kSettleAfterLoss);
    if (first_ack != data.writes.end()) from = std::max(from, first_ack->until);
    // A history where nothing was ever acknowledged may have had no cluster at all: stats says so.
    // Nor can a window say anything in which the longest outage that it has room for is allowed.
    if (whole && one_hit && first_ack != data.writes.end() && window.until - from > kOutage) {
      ++judged;
      check_majority_writes(data, window, from, findings);
    }
    was_whole = whole && one_hit;
  }
  findings.stats["windows"] = windows;
  findings.stats["windows-judged"] = judged;
  findings.stats["by-window"] = std::move(shown);
  if (windows > kWindowsShown) findings.stats["windows-not-shown"] = windows - kWindowsShown;
}

CheckResult check(const CheckInput& input) {
  Findings findings;
  const auto& history = input.history;
  Data data{history,
            nodes_of(input),
            faults_of(input),
            timed(history, {"append", "add", "write", "cas"}),
            timed(history, {"search", "get"}),
            timed(history, {"status", "search", "get"}),
            0};
  for (std::size_t i = 0; i < history.size(); ++i)
    data.end = std::max(data.end, time_ns(history, i));
  const auto minorities = minority_windows(data.faults, data.nodes, data.end);
  for (const auto& window : minorities) {
    check_minority_writes(data, window, findings);
    check_minority_searches(data, window, findings);
  }
  check_majority(data, findings);
  findings.stats["windows-without-majority"] = minorities.size();
  const auto judged = findings.stats["windows-judged"].get<std::size_t>();
  return std::move(findings).result(fmt::format(
      "{} writes and {} searches kept to what {} windows of faults allow ({} without a majority; {} "
      "long enough to judge that writes come back)",
      data.writes.size(), data.searches.size(), findings.stats["windows"].get<std::size_t>(),
      minorities.size(), judged == 0 ? "none" : std::to_string(judged)));
}

}  // namespace
}  // namespace availability

const Checker& availability_checker() {
  static const FunctionChecker checker(
      "availability",
      "no write without a majority, searches always, writes again with one (I4, I5)",
      availability::fits, availability::check);
  return checker;
}

}  // namespace gameday
