#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "checkers/workload/guarantees/kafka.h"

namespace gameday::guarantees {

KafkaLogs::KafkaLogs(const ModelInput& input)
    : events(input.events),
      keys_seen(input.events.values()),
      values_(input.events.values()),
      numbers_(input.events.values()) {
  std::vector<int> kinds;
  for (std::size_t f = 0; f < events.name_count(); ++f) {
    const std::string& name = events.name_text(static_cast<Events::Name>(f));
    kinds.push_back(name == "send" || name == "poll" || name == "txn" ? 1
                    : name == "assign" || name == "subscribe"         ? 2
                                                                      : 0);
  }
  std::size_t n = 0;
  for (const Pair& pair : events.pairs()) {
    if (++n % 16384 == 0)
      if (const char* reason = input.limits.expired()) {
        unknown.insert(reason);
        break;
      }
    const int kind = kinds[events.f(pair.invoke)];
    if (kind != 0) read(pair, kind == 1 ? KafkaOp::Kind::exchange : KafkaOp::Kind::assign);
  }
  logs.resize(keys_seen.size());
  credit();
  order();
}

void KafkaLogs::read(const Pair& pair, KafkaOp::Kind kind) {
  KafkaOp op;
  op.kind = kind;
  op.outcome = pair.outcome;
  op.process = events.process(pair.invoke);
  op.row = pair.done >= 0 ? static_cast<std::size_t>(pair.done) : pair.invoke;
  op.sends = static_cast<std::uint32_t>(sends_.size());
  op.polls = static_cast<std::uint32_t>(polls_.size());
  op.keys = static_cast<std::uint32_t>(op_keys_.size());
  Value value = events.result(pair);
  const bool completed = pair.done >= 0 && value.is_sequence();
  if (!completed) value = events.value(pair.invoke);
  if (kind == KafkaOp::Kind::assign) {
    read_keys(value);
    for (const std::size_t row : {static_cast<std::size_t>(pair.invoke), op.row})
      op.from_start = op.from_start ||
                      values_.get(events.extra(row), "seek-to-beginning?") == Value::boolean(true);
    op.subscribes = events.name_text(events.f(pair.invoke)) == "subscribe";
  } else if (value.is_sequence()) {
    for (const Value mop : values_.items(value)) read_micro(op, mop, completed);
    const Value rebalances = values_.get(events.extra(op.row), "rebalance-log");
    if (rebalances.is_sequence())
      for (const Value one : values_.items(rebalances)) read_keys(values_.get(one, "keys"));
  }
  op.sends_end = static_cast<std::uint32_t>(sends_.size());
  op.polls_end = static_cast<std::uint32_t>(polls_.size());
  op.keys_end = static_cast<std::uint32_t>(op_keys_.size());
  ops.push_back(op);
}

void KafkaLogs::read_micro(const KafkaOp& op, Value mop, bool completed) {
  const auto items = mop.is_sequence() ? values_.items(mop) : std::span<const Value>();
  if (items.size() == 3 && values_.says(items[0], "send")) {
    const Value sent = items[2];
    const bool pair = completed && sent.is_sequence() && values_.items(sent).size() == 2;
    sends_.push_back(pair ? record(items[1], values_.items(sent)[0], values_.items(sent)[1])
                          : record(items[1], Value(), sent));
    return;
  }
  bool good = !items.empty() && values_.says(items[0], "poll");
  if (good && items.size() > 1 && items[1].kind() == Value::Kind::map) {
    const auto polled = values_.items(items[1]);
    for (std::size_t i = 0; i + 1 < polled.size(); i += 2)
      good = read_polled(polled[i], polled[i + 1]) && good;
  }
  if (!good && unknown.size() < 4)
    unknown.insert(
        fmt::format("{} has a micro-operation that is neither [:send k [offset v]] nor "
                    "[:poll {{k [[offset v] ...]}}]",
                    events.describe(op.row)));
}

bool KafkaLogs::read_polled(Value key, Value list) {
  if (!list.is_sequence()) return false;
  for (const Value one : values_.items(list)) {
    if (!one.is_sequence() || values_.items(one).size() != 2) return false;
    polls_.push_back(record(key, values_.items(one)[0], values_.items(one)[1]));
  }
  return true;
}

void KafkaLogs::read_keys(Value list) {
  if (list.kind() < Value::Kind::vector || list.kind() > Value::Kind::set) return;
  for (const Value key : values_.items(list)) op_keys_.push_back(key_id(key));
}

// Keys of JSON's objects are strings: "3" is key 3.
std::int32_t KafkaLogs::key_id(Value key) {
  if (key.kind() == Value::Kind::string) {
    const std::string_view text = values_.text(key);
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error == std::errc() && end == text.data() + text.size() && Value::fits(n))
      key = Value::integer(n);
  }
  return keys_seen.id(key);
}

Record KafkaLogs::record(Value key, Value offset, Value value) {
  const std::int32_t k = key_id(key);
  const auto word =
      static_cast<std::uint64_t>(k) << 32 | static_cast<std::uint32_t>(numbers_.id(value));
  const auto [at, added] =
      by_key_and_number_.try_emplace(word, static_cast<std::int32_t>(messages.size()));
  if (added) messages.push_back({.value = value, .key = k});
  return {at->second, k,
          offset.is_integer() && offset.as_integer() >= 0 ? offset.as_integer() : -1};
}

// Who sent and who polled each message. What an op of unknown outcome sent counts as sent once an
// ok poll saw any of it.
void KafkaLogs::credit() {
  for (std::size_t i = 0; i < ops.size(); ++i)
    if (ops[i].outcome == OpType::ok)
      for (const Record& r : polls(ops[i]))
        if (message(r.message).reader < 0) message(r.message).reader = static_cast<std::int32_t>(i);
  for (std::size_t i = 0; i < ops.size(); ++i) {
    KafkaOp& op = ops[i];
    const auto all = sends(op);
    op.committed =
        op.outcome == OpType::ok ||
        (op.outcome == OpType::info && std::any_of(all.begin(), all.end(), [&](const Record& r) {
           return message(r.message).reader >= 0;
         }));
    for (const Record& r : all) {
      Message& m = message(r.message);
      if (m.writer < 0 || op.committed) m.writer = static_cast<std::int32_t>(i);
      m.failed = m.failed || op.outcome == OpType::fail;
      m.acknowledged = m.acknowledged || op.outcome == OpType::ok;
    }
  }
}

// The logs: offsets of sends that must have happened, and of all polls, because what a consumer got
// is true whatever became of its transaction.
void KafkaLogs::order() {
  std::vector<Record> placed;
  for (const KafkaOp& op : ops) {
    for (const Record& r : polls(op))
      if (r.offset >= 0) placed.push_back(r);
    if (op.committed)
      for (const Record& r : sends(op))
        if (r.offset >= 0) placed.push_back(r);
  }
  const auto tie = [](const Record& r) { return std::tuple(r.key, r.offset, r.message); };
  std::sort(placed.begin(), placed.end(),
            [&](const Record& a, const Record& b) { return tie(a) < tie(b); });
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const Record& r = placed[i];
    if (i > 0 && tie(placed[i - 1]) == tie(r)) continue;
    auto& log = logs[static_cast<std::size_t>(r.key)];
    if (log.empty() || log.back().offset != r.offset) log.push_back({r.offset, {}});
    log.back().messages.push_back(r.message);
    Message& m = message(r.message);
    m.index = static_cast<std::int32_t>(log.size()) - 1;
    if (m.count++ == 0) m.first = m.index;
  }
}

}  // namespace gameday::guarantees
