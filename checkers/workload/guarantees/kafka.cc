// What contradicts a log, by the names and rules of Jepsen's kafka workload. As there,
// int-send-skip is told of but is no error (sends of transactions interleave), nor are poll-skip
// and nonmonotonic-poll once consumers subscribe, because partitions may move between their polls.
// Acknowledged messages that no ok poll returned are errors too ("unseen"): a test has to poll to the
// end of its logs before it stops. Jepsen does not name never-written: it throws.
#include "checkers/workload/guarantees/kafka.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "checkers/findings.h"
#include "checkers/workload/guarantees/guarantees.h"

namespace gameday::guarantees {
namespace {

// The last message that a process, or an operation, polled from or sent to a key.
struct Last {
  std::int32_t message = -1;
  std::uint32_t op = 0;
};

class Kafka {
 public:
  explicit Kafka(const ModelInput& input) : limits_(input.limits), logs_(input) {}

  CheckResult check() && {
    for (const std::string& reason : logs_.unknown) findings_.unknown(reason);
    for (const KafkaOp& op : logs_.ops) subscribed_ = subscribed_ || op.subscribes;
    offsets();
    messages();
    lost();
    for (std::uint32_t i = 0; i < logs_.ops.size(); ++i) {
      if (i % 16384 == 0)
        if (const char* reason = limits_.expired()) {
          findings_.unknown(reason);
          break;
        }
      operation(i);
    }
    return conclude();
  }

 private:
  CheckResult conclude() {
    Json counts = Json::object();
    for (const auto& [type, n] : counts_) counts[type] = n;
    findings_.stats = {{"operations", logs_.ops.size()},
                       {"keys", logs_.keys_seen.size()},
                       {"messages", logs_.messages.size()},
                       {"unseen", unseen_},
                       {"counts", counts}};
    CheckResult result = std::move(findings_).result(
        fmt::format("{} messages of {} keys were sent and polled in order, none is lost",
                    logs_.messages.size(), logs_.keys_seen.size()));
    for (const auto& [type, n] : counts_)
      if (!allowed(type)) result.anomaly_types.push_back(type);
    return result;
  }

  bool allowed(std::string_view type) const {
    return type == "int-send-skip" ||
           (subscribed_ && (type == "poll-skip" || type == "nonmonotonic-poll"));
  }

  // Counts it; true: put it into words, too.
  bool found(const char* type) {
    const std::size_t n = ++counts_[type];
    if (allowed(type)) return false;
    constexpr std::size_t kWordedOfType = 4;
    if (n <= kWordedOfType && !findings_.full()) return true;
    findings_.count_only();
    return false;
  }

  void tell(const char* type, std::string summary, std::int32_t message,
            std::vector<std::int32_t> ops, Json detail = Json::object()) {
    Anomaly anomaly;
    anomaly.type = type;
    anomaly.summary = std::move(summary);
    for (const std::int32_t op : ops) {
      if (op < 0) continue;
      const std::size_t row = logs_.ops[static_cast<std::size_t>(op)].row;
      anomaly.ops.push_back(logs_.events.index(row));
      anomaly.explanation.push_back(shorten(logs_.events.describe(row)));
    }
    anomaly.detail = std::move(detail);
    anomaly.detail["key"] =
        logs_.events.values().json(logs_.keys_seen.value(logs_.message(message).key));
    anomaly.detail["value"] = logs_.events.values().json(logs_.message(message).value);
    findings_.add(std::move(anomaly));
  }

  static std::string shorten(std::string text) {
    constexpr std::size_t kShown = 400;
    if (text.size() <= kShown) return text;
    return text.substr(0, kShown) + " ...";
  }

  std::string name(std::int32_t message) const {
    const Message& m = logs_.message(message);
    const Values& values = logs_.events.values();
    return fmt::format("message {} of key {}", values.edn(m.value),
                       values.edn(logs_.keys_seen.value(m.key)));
  }
  std::int64_t offset(std::int32_t message) const {
    const Message& m = logs_.message(message);
    return place(m.key, m.index).offset;
  }
  const Place& place(std::int32_t key, std::int32_t index) const {
    return logs_.logs[static_cast<std::size_t>(key)][static_cast<std::size_t>(index)];
  }

  void offsets() {
    for (const auto& log : logs_.logs)
      for (const Place& place : log) {
        if (place.messages.size() < 2 || !found("inconsistent-offsets")) continue;
        const std::int32_t a = place.messages[0], b = place.messages[1];
        const Message &one = logs_.message(a), &other = logs_.message(b);
        tell("inconsistent-offsets",
             fmt::format("{} and {} have the same offset {}", name(a), name(b), place.offset), a,
             {one.writer, one.reader, other.writer, other.reader}, {{"offset", place.offset}});
      }
  }

  void messages() {
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(logs_.messages.size()); ++i) {
      const Message& m = logs_.message(i);
      if (m.count > 1 && found("duplicate"))
        tell("duplicate",
             fmt::format("{} is at {} offsets, {} to {}", name(i), m.count,
                         place(m.key, m.first).offset, offset(i)),
             i, {m.writer, m.reader}, {{"count", m.count}});
      if (m.failed && m.reader >= 0 && found("G1a"))
        tell("G1a", fmt::format("{} was polled, though its send failed", name(i)), i,
             {m.writer, m.reader});
      if (m.reader >= 0 && m.writer < 0 && found("never-written"))
        tell("never-written", fmt::format("{} was polled, but nobody sent it", name(i)), i,
             {m.reader});
      if (!m.acknowledged || m.reader >= 0) continue;
      ++unseen_;
      if (found("unseen"))
        tell("unseen", fmt::format("{} was acknowledged, but never polled", name(i)), i, {m.writer});
    }
  }

  // Once a message was polled, all of those with lower offsets should have been, by somebody.
  void lost() {
    std::vector<std::int32_t> highest(logs_.logs.size(), -1);  // by key: the polled message
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(logs_.messages.size()); ++i) {
      const Message& m = logs_.message(i);
      std::int32_t& of = highest[static_cast<std::size_t>(m.key)];
      if (m.reader >= 0 && m.first >= 0 && (of < 0 || m.first > logs_.message(of).first)) of = i;
    }
    for (std::int32_t i = 0; i < static_cast<std::int32_t>(logs_.messages.size()); ++i) {
      const Message& m = logs_.message(i);
      const std::int32_t top = highest[static_cast<std::size_t>(m.key)];
      if (top < 0 || m.index < 0 || m.reader >= 0 || m.writer < 0) continue;
      if (m.index > logs_.message(top).first) continue;
      if (!logs_.ops[static_cast<std::size_t>(m.writer)].committed || !found("lost-write"))
        continue;
      tell(
          "lost-write",
          fmt::format("{} was sent to offset {} and never polled, though {} behind it at {} was",
                      name(i), offset(i), name(top), place(m.key, logs_.message(top).first).offset),
          i, {m.writer, logs_.message(top).reader}, {{"offset", offset(i)}});
    }
  }

  void operation(std::uint32_t i) {
    const KafkaOp& op = logs_.ops[i];
    if (op.kind == KafkaOp::Kind::assign) {
      if (op.outcome == OpType::fail) return;
      keep(polled_[op.process], op, !op.from_start);
      keep(sent_[op.process], op, true);
      return;
    }
    precommitted(i);
    inside(i, logs_.polls(op), "int-poll-skip", "int-nonmonotonic-poll", "polled");
    inside(i, logs_.sends(op), "int-send-skip", "int-nonmonotonic-send", "sent");
    across(i, logs_.polls(op), polled_[op.process], "poll-skip", "nonmonotonic-poll", "polled",
           op.outcome == OpType::ok);
    if (op.outcome != OpType::fail)
      across(i, logs_.sends(op), sent_[op.process], nullptr, "nonmonotonic-send", "sent", true);
  }

  // A new assignment: only of keys that stay is it known where the process was.
  void keep(std::unordered_map<std::int32_t, Last>& of, const KafkaOp& op, bool positions) const {
    std::unordered_map<std::int32_t, Last> kept;
    if (positions)
      for (const std::int32_t key : logs_.keys(op))
        if (const auto found = of.find(key); found != of.end()) kept.insert(*found);
    of = std::move(kept);
  }

  void precommitted(std::uint32_t i) {
    const auto polls = logs_.polls(logs_.ops[i]);
    const auto sends = logs_.sends(logs_.ops[i]);
    if (polls.empty() || sends.empty()) return;
    mine_.clear();
    for (const Record& r : sends) mine_.insert(r.message);
    for (const Record& r : polls)
      if (mine_.contains(r.message) && found("precommitted-read"))
        tell("precommitted-read",
             fmt::format("{} was polled by the transaction that sent it", name(r.message)),
             r.message, {static_cast<std::int32_t>(i)});
  }

  // How many places further the second is; 1 where the log does not tell.
  std::int32_t distance(std::int32_t first, std::int32_t second) const {
    const Message &a = logs_.message(first), &b = logs_.message(second);
    const bool same_place =
        first != second && a.index == b.index;  // inconsistent-offsets tells of it
    return a.index >= 0 && b.index >= 0 && !same_place ? b.index - a.index : 1;
  }

  void judge(std::int32_t first, std::int32_t second, const char* skip, const char* back,
             const char* did, std::vector<std::int32_t> ops) {
    const std::int32_t delta = distance(first, second);
    if (delta == 1) return;
    const char* type = delta > 1 ? skip : back;
    if (type == nullptr || !found(type)) return;
    const std::string both = fmt::format("{} {} (offset {}) and next {} (offset {})", did,
                                         name(first), offset(first), name(second), offset(second));
    Json detail = {{"delta", delta}};
    if (delta > 1) detail["skipped"] = skipped(first, second);
    std::string summary =
        delta > 1 ? fmt::format("process {} {}: {} known to be between them {} left out",
                                process(ops), both, delta - 1, delta == 2 ? "is" : "are")
                  : fmt::format("process {} {}, which is not behind it", process(ops), both);
    tell(type, std::move(summary), second, std::move(ops), std::move(detail));
  }

  std::int32_t process(const std::vector<std::int32_t>& ops) const {
    return logs_.ops[static_cast<std::size_t>(ops[0])].process;
  }

  Json skipped(std::int32_t first, std::int32_t second) const {
    Json list = Json::array();
    constexpr std::int32_t kShown = 8;
    const Message &a = logs_.message(first), &b = logs_.message(second);
    for (std::int32_t i = a.index + 1; i < b.index && i <= a.index + kShown; ++i)
      list.push_back(logs_.events.values().json(logs_.message(place(a.key, i).messages[0]).value));
    return list;
  }

  // Two messages of one key next to each other in one operation.
  void inside(std::uint32_t i, std::span<const Record> records, const char* skip, const char* back,
              const char* did) {
    if (records.size() < 2) return;
    const auto rebalanced = logs_.keys(logs_.ops[i]);
    const bool polls = records.data() == logs_.polls(logs_.ops[i]).data();
    in_op_.clear();
    for (const Record& r : records) {
      const auto [last, first] = in_op_.try_emplace(r.key, Last{r.message, i});
      const bool moved =
          polls && std::find(rebalanced.begin(), rebalanced.end(), r.key) != rebalanced.end();
      if (!first && !moved)
        judge(last->second.message, r.message, skip, back, did, {static_cast<std::int32_t>(i)});
      last->second.message = r.message;
    }
  }

  // What an operation begins with against what the process ended with before.
  void across(std::uint32_t i, std::span<const Record> records,
              std::unordered_map<std::int32_t, Last>& of, const char* skip, const char* back,
              const char* did, bool advances) {
    if (records.empty()) return;
    in_op_.clear();
    for (const Record& r : records) {
      const auto [last, first] = in_op_.try_emplace(r.key, Last{r.message, i});
      last->second.message = r.message;
      if (!first) continue;
      if (const auto before = of.find(r.key); before != of.end())
        judge(before->second.message, r.message, skip, back, did,
              {static_cast<std::int32_t>(before->second.op), static_cast<std::int32_t>(i)});
    }
    if (!advances) return;
    for (const auto& [key, last] : in_op_) of[key] = last;
  }

  const Limits& limits_;
  KafkaLogs logs_;
  bool subscribed_ = false;
  std::size_t unseen_ = 0;
  std::map<std::string, std::size_t> counts_;
  std::unordered_map<std::int32_t, std::unordered_map<std::int32_t, Last>> polled_,
      sent_;                                      // by process
  std::unordered_map<std::int32_t, Last> in_op_;  // by key
  std::set<std::int32_t> mine_;
  Findings findings_;
};

}  // namespace

CheckResult check_kafka(const ModelInput& input) { return Kafka(input).check(); }

}  // namespace gameday::guarantees
