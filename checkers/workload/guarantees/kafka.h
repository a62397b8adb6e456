// Kafka-style logs as Jepsen's kafka workload records them (jepsen.tests.kafka): messages are sent
// to the end of a key's log, get an offset there and are polled from it.
//   {:f :send | :poll | :txn, :value [[:send k [offset v]] [:poll {k [[offset v] ...]}] ...]}
// and :assign or :subscribe with a list of keys replace what a consumer polls.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkers/model.h"

namespace gameday::guarantees {

// A message that an operation sent or polled; the same value of another key is another message.
struct Record {
  std::int32_t message = 0, key = 0;
  std::int64_t offset = -1;  // -1: not known
};

struct KafkaOp {
  enum class Kind : std::uint8_t { exchange, assign };
  Kind kind = Kind::exchange;
  OpType outcome = OpType::info;
  bool committed = false;   // ok; or info, and an ok poll saw what it sent
  bool from_start = false;  // an assignment that seeks to the beginning
  bool subscribes = false;
  std::int32_t process = 0;
  std::size_t row = 0;  // of the completion, where there is one
  std::uint32_t sends = 0, sends_end = 0, polls = 0, polls_end = 0;  // exchange
  std::uint32_t keys = 0, keys_end = 0;  // assigned; of an exchange: rebalanced meanwhile
};

struct Message {
  Value value;
  std::int32_t key = 0;
  std::int32_t writer = -1;            // op that sent it, a committed one before others
  bool failed = false;                 // an op that failed sent it
  bool acknowledged = false;           // an ok op sent it
  std::int32_t reader = -1;            // ok op that polled it first
  std::int32_t index = -1;             // in the key's log, gaps left out; of several the last
  std::int32_t first = -1, count = 0;  // the first of its places, and how many they are
};

struct Place {  // an offset of a log
  std::int64_t offset = 0;
  std::vector<std::int32_t> messages;  // more than one: they contradict each other
};

class KafkaLogs {
 public:
  explicit KafkaLogs(const ModelInput& input);

  std::span<const Record> sends(const KafkaOp& op) const {
    return std::span(sends_).subspan(op.sends, op.sends_end - op.sends);
  }
  std::span<const Record> polls(const KafkaOp& op) const {
    return std::span(polls_).subspan(op.polls, op.polls_end - op.polls);
  }
  std::span<const std::int32_t> keys(const KafkaOp& op) const {
    return std::span(op_keys_).subspan(op.keys, op.keys_end - op.keys);
  }
  Message& message(std::int32_t m) { return messages[static_cast<std::size_t>(m)]; }
  const Message& message(std::int32_t m) const { return messages[static_cast<std::size_t>(m)]; }

  const Events& events;
  Dense keys_seen;
  std::vector<KafkaOp> ops;
  std::vector<Message> messages;
  std::vector<std::vector<Place>> logs;  // by key, then by index
  std::set<std::string> unknown;

 private:
  void read(const Pair& pair, KafkaOp::Kind kind);
  void read_micro(const KafkaOp& op, Value mop, bool completed);
  bool read_polled(Value key, Value list);
  void read_keys(Value list);
  std::int32_t key_id(Value key);
  Record record(Value key, Value offset, Value value);
  void credit();
  void order();

  const Values& values_;
  Dense numbers_;
  std::vector<Record> sends_, polls_;
  std::vector<std::int32_t> op_keys_;
  std::unordered_map<std::uint64_t, std::int32_t> by_key_and_number_;
};

}  // namespace gameday::guarantees
