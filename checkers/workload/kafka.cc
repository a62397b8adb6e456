// Logs of messages as Kafka's (jepsen.tests.kafka): :send, :poll and :txn ops hold micro-operations
// [:send k v], acknowledged as [:send k [offset v]], and [:poll {k [[offset v] ...]}]. Each message
// is sent once. :assign, :subscribe and :crash move a consumer, so that its next poll may jump.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "checkers/workload/models.h"
#include "checkers/workload/support.h"

namespace gameday::workload {
namespace {

struct Message {
  Value key, content;
  std::int64_t sent = -1, acked = -1, failed = -1, polled = -1;  // rows
  std::int64_t offset = -1;                                      // the first that anybody saw
  std::int64_t offset_row = -1;
};

struct Position {
  std::int64_t offset = -1, row = -1;
};

class Kafka {
 public:
  explicit Kafka(const ModelInput& input)
      : report_(input), keys_(input.events.values()), contents_(input.events.values()) {}

  CheckResult run() {
    const Events& events = report_.events;
    for (const bool polls : {false, true})  // what was sent must be known before polls are judged
      for (std::size_t i = 0; i < events.size(); ++i) {
        if (report_.expired()) return std::move(report_).result("");
        if (events.is_client(i)) on_row(i, polls);
      }
    if (sends_ == 0 && polls_ == 0)
      return unfit(report_.input, ":send, :poll and :txn of [:send k v] and [:poll {}]");
    offsets();
    lost();
    report_.stats["send-count"] = sends_;
    report_.stats["poll-count"] = polls_;
    return std::move(report_).result(fmt::format(
        "{} messages sent and {} polled: none lost, doubled or out of order", sends_, polls_));
  }

 private:
  void on_row(std::size_t i, bool polls) {
    const Events& events = report_.events;
    const std::string& f = events.name_text(events.f(i));
    if (f == "assign" || f == "subscribe" || f == "crash") {
      if (polls && events.type(i) != OpType::fail) consumers_.erase(events.process(i));
      return;
    }
    if (f != "send" && f != "poll" && f != "txn") return;
    std::map<std::int32_t, Position> sent;
    for (const Value mop : elements(report_.values, events.value(i))) {
      const auto parts = elements(report_.values, mop);
      if (parts.empty()) continue;
      const auto row = static_cast<std::int64_t>(i);
      if (!polls && parts.size() == 3 && report_.values.says(parts[0], "send"))
        on_send(parts[1], parts[2], row, sent);
      if (polls && parts.size() == 2 && report_.values.says(parts[0], "poll") &&
          events.type(i) == OpType::ok)
        on_poll(parts[1], row);
    }
  }

  void on_send(Value key, Value v, std::int64_t row, std::map<std::int32_t, Position>& sent) {
    const OpType type = report_.events.type(static_cast<std::size_t>(row));
    const auto pair = elements(report_.values, v);
    const bool acked = type != OpType::invoke && pair.size() == 2;
    Message& m = message(key, acked ? pair[1] : v);
    if (type == OpType::invoke) {
      ++sends_;
      m.sent = row;
    }
    if (type == OpType::fail) m.failed = row;
    if (type != OpType::ok) return;
    m.acked = row;
    if (!acked || !pair[0].is_integer()) return;
    see(m, pair[0].as_integer(), row);
    Position& last = sent[keys_.id(key)];
    if (last.row >= 0 && pair[0].as_integer() <= last.offset)
      if (Anomaly* a = report_.add("int-nonmonotonic-send", {row}))
        a->summary =
            fmt::format("a transaction{} sends to key {} at offset {} after offset {}",
                        report_.when(row), report_.show(key), pair[0].as_integer(), last.offset);
    last = {pair[0].as_integer(), row};
  }

  void on_poll(Value map, std::int64_t row) {
    if (map.kind() != Value::Kind::map) return;
    const auto items = report_.values.items(map);
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      Position& last =
          consumers_[report_.events.process(static_cast<std::size_t>(row))][keys_.id(items[i])];
      for (const Value v : elements(report_.values, items[i + 1])) {
        const auto pair = elements(report_.values, v);
        if (pair.size() != 2 || !pair[0].is_integer()) continue;
        ++polls_;
        Message& m = message(items[i], pair[1]);
        if (m.polled < 0) m.polled = row;
        if (m.failed >= 0 && m.acked < 0) aborted(m, row);
        see(m, pair[0].as_integer(), row);
        steps_.push_back({keys_.id(items[i]), last, {pair[0].as_integer(), row}});
        last = {pair[0].as_integer(), row};
      }
    }
  }

  void aborted(const Message& m, std::int64_t row) {
    if (Anomaly* a = report_.add("aborted-read", {m.failed, row})) {
      a->summary = fmt::format("a poll{} shows {} of key {}, whose send failed", report_.when(row),
                               report_.show(m.content), report_.show(m.key));
      a->explanation = {fmt::format("{} failed: it did not happen", report_.call(m.failed)),
                        fmt::format("{} shows it", report_.call(row))};
    }
  }

  void see(Message& m, std::int64_t offset, std::int64_t row) {
    if (m.offset >= 0 && m.offset != offset) {
      if (Anomaly* a = report_.add("duplicate", {m.offset_row, row}))
        a->summary = fmt::format("{} of key {} is in the log twice, at offsets {} and {}",
                                 report_.show(m.content), report_.show(m.key), m.offset, offset);
    }
    if (m.offset < 0) {
      m.offset = offset;
      m.offset_row = row;
    }
    auto& log = logs_[keys_.id(m.key)];
    const auto [at, added] = log.try_emplace(offset, std::pair{contents_.id(m.content), row});
    if (added || at->second.first == contents_.id(m.content)) return;
    if (Anomaly* a = report_.add("inconsistent-offsets", {at->second.second, row}))
      a->summary = fmt::format("offset {} of key {} holds {} to one op and {} to another", offset,
                               report_.show(m.key), report_.show(contents_.value(at->second.first)),
                               report_.show(m.content));
  }

  // Each poll of a consumer goes on where the one before it stopped. Offsets may have gaps (Kafka
  // puts marks of transactions there), so only offsets that somebody saw count as skipped.
  void offsets() {
    for (const auto& step : steps_) {
      if (step.from.row < 0) continue;
      const bool internal = step.from.row == step.to.row;
      if (step.to.offset <= step.from.offset) {
        if (Anomaly* a = report_.add(internal ? "int-nonmonotonic-poll" : "nonmonotonic-poll",
                                     {step.from.row, step.to.row}))
          a->summary = fmt::format("a consumer of key {} is at offset {}{} after it was at {}",
                                   key(step.key), step.to.offset, report_.when(step.to.row),
                                   step.from.offset);
        continue;
      }
      const auto& log = logs_[step.key];
      const auto next = log.upper_bound(step.from.offset);
      if (next == log.end() || next->first >= step.to.offset) continue;
      if (Anomaly* a = report_.add(internal ? "int-poll-skip" : "poll-skip",
                                   {step.from.row, next->second.second, step.to.row}))
        a->summary = fmt::format(
            "a consumer of key {} goes from offset {} to {}{} and skips {} at offset {}",
            key(step.key), step.from.offset, step.to.offset, report_.when(step.to.row),
            report_.show(contents_.value(next->second.first)), next->first);
    }
  }

  // Lost: acknowledged, never polled, and a later message of the key was; merely unseen: none was.
  void lost() {
    std::unordered_map<std::int32_t, std::pair<std::int64_t, std::int64_t>>
        newest;  // offset, row of the poll
    for (const Message& m : messages_)
      if (m.polled >= 0)
        newest[keys_.id(m.key)] = std::max(newest[keys_.id(m.key)], {m.offset, m.polled});
    std::size_t unseen = 0;
    for (const Message& m : messages_) {
      if (m.acked < 0 || m.polled >= 0) continue;
      const auto later = newest.find(keys_.id(m.key));
      if (m.offset < 0 || later == newest.end() || later->second.first < m.offset) {
        ++unseen;
        continue;
      }
      if (Anomaly* a = report_.add("lost-write", {m.sent, m.acked, later->second.second})) {
        a->summary = fmt::format(
            "{} was acknowledged{} at offset {} of key {} and never polled, but offset {} was",
            report_.show(m.content), report_.when(m.acked), m.offset, report_.show(m.key),
            later->second.first);
        a->explanation = {fmt::format("{} was :ok", report_.call(m.acked)),
                          fmt::format("{} is past it", report_.call(later->second.second))};
      }
    }
    report_.stats["unseen-count"] = unseen;
  }

  std::string key(std::int32_t k) const { return report_.show(keys_.value(k)); }

  Message& message(Value key, Value content) {
    const auto at = static_cast<std::uint64_t>(keys_.id(key)) << 32 |
                    static_cast<std::uint64_t>(contents_.id(content));
    const auto [it, added] = ids_.try_emplace(at, messages_.size());
    if (added) messages_.emplace_back().key = key, messages_.back().content = content;
    return messages_[it->second];
  }

  struct Step {
    std::int32_t key;
    Position from, to;
  };

  Report report_;
  Dense keys_, contents_;
  std::size_t sends_ = 0, polls_ = 0;
  std::unordered_map<std::uint64_t, std::size_t> ids_;
  std::vector<Message> messages_;
  std::unordered_map<std::int32_t, std::map<std::int64_t, std::pair<std::int32_t, std::int64_t>>>
      logs_;
  std::unordered_map<std::int32_t, std::unordered_map<std::int32_t, Position>> consumers_;
  std::vector<Step> steps_;
};

}  // namespace

CheckResult check_kafka(const ModelInput& input) { return Kafka(input).run(); }

}  // namespace gameday::workload
