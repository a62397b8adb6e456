#include "sut/redis/resp.h"

namespace gameday::redis {
namespace {

constexpr std::int64_t kAccounts = 5, kBalance = 100;

constexpr const char* kCas = R"(
if redis.call('get', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[2])
return 1)";
constexpr const char* kTransfer = R"(
local function balance(account) return tonumber(redis.call('hget', KEYS[1], account) or ARGV[4]) end
local from, to, amount = balance(ARGV[1]), balance(ARGV[2]), tonumber(ARGV[3])
if from < amount then return 0 end
redis.call('hset', KEYS[1], ARGV[1], from - amount, ARGV[2], to + amount)
return 1)";

// What the server answers before it does anything.
bool refused(const std::string& error) {
  for (const char* code : {"READONLY", "NOREPLICAS", "LOADING", "MASTERDOWN", "MISCONF",
                           "EXECABORT", "OOM", "CLUSTERDOWN"})
    if (error.starts_with(code)) return true;
  return false;
}

Json parsed(const Json& text) {
  return text.is_string() ? Json::parse(text.get_ref<const std::string&>(), nullptr, false)
                          : Json();
}

Json parsed_all(const Json& texts) {
  Json all = Json::array();
  for (const auto& text : texts) all.push_back(parsed(text));
  return all;
}

class RedisClient final : public Client {
 public:
  RedisClient(const Node& node, const SystemOptions& options)
      : server_(node.address, kPort), workload_(options.workload) {}

  Completion invoke(const Op& op, Deadline deadline) override {
    deadline_ = deadline;
    const Json& v = op.value;
    if (op.f == "txn") return txn(v);
    if (op.f == "read") return v.is_array() ? read(v.at(0)) : read_all();
    if (op.f == "write") return done(call({"SET", "r" + v.at(0).dump(), v.at(1).dump()}, true));
    if (op.f == "cas")
      return one_or_fail(call(
          {"EVAL", kCas, "1", "r" + v.at(0).dump(), v.at(1).at(0).dump(), v.at(1).at(1).dump()},
          true));
    if (op.f == "add")
      return done(workload_ == "counter" ? call({"INCRBY", "counter", v.dump()}, true)
                                         : call({"SADD", "set", v.dump()}, true));
    if (op.f == "enqueue") return done(call({"RPUSH", "queue", v.dump()}, true));
    if (op.f == "dequeue") return dequeue();
    if (op.f == "drain") return drain();
    if (op.f == "transfer")
      return one_or_fail(call({"EVAL", kTransfer, "1", "bank", v.at("from").dump(),
                               v.at("to").dump(), v.at("amount").dump(), std::to_string(kBalance)},
                              true));
    return {OpType::fail, nullptr, "the redis client does not know " + op.f};
  }

 private:
  struct Answer {
    OpType type = OpType::ok;
    Json value;
    std::string error;
  };

  // Of a command that changes something (`effect`), an answer that did not come is info.
  Answer call(const std::vector<Command>& commands, bool effect) {
    Reply reply = server_.call(commands, deadline_);
    if (reply.ok()) return {OpType::ok, std::move(reply.value), ""};
    return {effect && reply.sent && !refused(reply.error) ? OpType::info : OpType::fail, nullptr,
            reply.error};
  }
  Answer call(Command command, bool effect) {
    return call(std::vector<Command>{std::move(command)}, effect);
  }

  static Completion done(const Answer& answer, Json value = nullptr) {
    return {answer.type, answer.type == OpType::ok ? std::move(value) : Json(), answer.error};
  }
  static Completion one_or_fail(const Answer& answer) {
    if (answer.type == OpType::ok && answer.value != 1)
      return {OpType::fail, nullptr, "the condition did not hold"};
    return done(answer);
  }

  // Several commands at once, on a primary only: a replica may be behind, and takes reads too.
  Answer together(std::vector<Command> commands, bool effect) {
    commands.insert(commands.begin(), {{"MULTI"}, {"ROLE"}});
    commands.push_back({"EXEC"});
    Answer answer = call(commands, effect);
    if (answer.type != OpType::ok) return answer;
    for (const Json& reply : answer.value)
      if (reply.is_object())
        return {effect ? OpType::info : OpType::fail, nullptr, reply.value("error", "")};
    if (answer.value.at(0).at(0) != "master")
      return {OpType::fail, nullptr, "this node is not the primary"};
    answer.value.erase(0);
    return answer;
  }

  Completion read(const Json& key) {
    const Answer answer = together({{"GET", "r" + key.dump()}}, false);
    return done(answer, {key, answer.type == OpType::ok ? parsed(answer.value.at(0)) : Json()});
  }

  // The set is read from any node, to see what each has; the others from a primary.
  Completion read_all() {
    if (workload_ == "set") {
      const Answer answer = call(Command{"SMEMBERS", "set"}, false);
      return done(answer, answer.type == OpType::ok ? parsed_all(answer.value) : Json());
    }
    if (workload_ == "counter") {
      const Answer answer = together({{"GET", "counter"}}, false);
      if (answer.type != OpType::ok) return done(answer);
      return done(answer, answer.value.at(0).is_null() ? Json(0) : parsed(answer.value.at(0)));
    }
    const Answer answer = together({{"HGETALL", "bank"}}, false);
    if (answer.type != OpType::ok) return done(answer);
    Json accounts = Json::object();
    for (std::int64_t i = 0; i < kAccounts; ++i) accounts[std::to_string(i)] = kBalance;
    const Json& pairs = answer.value.at(0);
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2)
      accounts[pairs[i].get<std::string>()] = parsed(pairs[i + 1]);
    return done(answer, std::move(accounts));
  }

  Completion dequeue() {
    const Answer answer = call(Command{"LPOP", "queue"}, true);
    if (answer.type == OpType::ok && answer.value.is_null())
      return {OpType::fail, nullptr, "empty"};
    return done(answer, answer.type == OpType::ok ? parsed(answer.value) : Json());
  }

  Completion drain() {
    const Answer answer = together({{"LRANGE", "queue", "0", "-1"}, {"DEL", "queue"}}, true);
    return done(answer, answer.type == OpType::ok ? parsed_all(answer.value.at(0)) : Json());
  }

  Completion txn(const Json& mops) {
    std::vector<Command> commands;
    bool writes = false;
    for (const Json& mop : mops) {
      const std::string key = mop.at(1).dump();
      const bool lists = workload_ == "list-append";
      if (mop.at(0) == "r")
        commands.push_back(lists ? Command{"LRANGE", "l" + key, "0", "-1"}
                                 : Command{"GET", "w" + key});
      else
        commands.push_back({lists ? "RPUSH" : "SET", (lists ? "l" : "w") + key, mop.at(2).dump()});
      writes |= mop.at(0) != "r";
    }
    const Answer answer = together(std::move(commands), writes);
    if (answer.type != OpType::ok) return done(answer);
    Json result = mops;
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (result[i][0] != "r") continue;
      const Json& seen = answer.value.at(i);
      result[i][2] = !seen.is_array() ? parsed(seen) : seen.empty() ? Json() : parsed_all(seen);
    }
    return done(answer, std::move(result));
  }

  Connection server_;
  std::string workload_;
  Deadline deadline_{};
};

}  // namespace

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options) {
  return std::make_unique<RedisClient>(node, options);
}

}  // namespace gameday::redis
