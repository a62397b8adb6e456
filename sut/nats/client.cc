#include <thread>

#include "harness/core/json.h"
#include "sut/kv_client.h"
#include "sut/nats/protocol.h"

namespace gameday::nats {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kAtOnce = 500;  // requests that wait for their answers
constexpr std::uint64_t kPulled = 50;   // far below max_waiting
constexpr int kNotFound = 404, kNoResponders = 503;
constexpr int kWrongLastSequence = 10071;  // err_code (server/errors.json)

std::string subject_of(const std::string& key) { return fmt::format("{}.{}", kStream, key); }
std::string api(const char* call, const char* more = "") {
  return fmt::format("$JS.API.{}.{}{}", call, kStream, more);
}

struct Done {
  OpType type = OpType::ok;
  std::string error = {};
  std::uint64_t sequence = 0;
};

// Acknowledged once a majority has it. Nobody else writes to the subject in between if it must
// still be at the sequence `after`.
Done publish(Connection& server, const std::string& key, const Json& value, std::string_view after,
             Deadline deadline) {
  std::string headers;
  if (!after.empty())
    headers = fmt::format("NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: {}\r\n\r\n", after);
  const Answers answers = server.call({{subject_of(key), value.dump(), headers}}, deadline);
  if (!answers.ok()) return {answers.sent ? OpType::info : OpType::fail, answers.error};
  if (answers.all[0].status() == kNoResponders) return {OpType::fail, "nobody has the stream"};
  const Json told = parse_json(answers.all[0].body);
  if (!told.is_object()) return {OpType::info, "an answer that is no JSON"};
  if (const auto error = told.find("error"); error != told.end())
    return {error->value("err_code", 0) == kWrongLastSequence ? OpType::fail : OpType::info,
            error->dump()};
  return {OpType::ok, "", told.value("seq", std::uint64_t{0})};
}

class KeyClient final : public sut::KvClient {
 public:
  KeyClient(const Node& node, const SystemOptions& options)
      : KvClient(options.workload), server_(node.address) {}

 private:
  // The last message of the subject, of any replica: it may be old (direct get).
  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot) override {
    for (const auto& key : keys) {
      const Json request = {{"last_by_subj", subject_of(key)}};
      const Answers answers = server_.call({{api("DIRECT.GET"), request.dump()}}, deadline());
      if (!answers.ok()) return {OpType::fail, answers.error};
      const Message& message = answers.all[0];
      const auto sequence = header(message, "Nats-Sequence: ");
      if (message.status() == kNotFound)
        snapshot[key] = {nullptr, "0"};
      else if (sequence.empty())
        return {OpType::fail, fmt::format("status {}", message.status())};
      else
        snapshot[key] = {parse_json(message.body), sequence};
    }
    return {};
  }

  // No read of JetStream is known to be new. What is written again, unless something came after it,
  // is.
  Outcome look(const std::set<std::string>& keys, Snapshot& snapshot) override {
    for (;;) {
      const Outcome done = get(keys, snapshot);
      if (!done) return done;
      const auto& [key, seen] = *snapshot.begin();
      const Done again = publish(server_, key, seen.value, seen.version, deadline());
      if (again.type == OpType::ok) return {};
      if (again.type == OpType::info || Clock::now() + 10ms > deadline())
        return {OpType::fail, again.error};
    }
  }

  Outcome put(const std::string& key, const Json& value) override {
    return outcome(publish(server_, key, value, "", deadline()));
  }
  Outcome commit(const Snapshot& snapshot, const std::map<std::string, Json>& writes) override {
    const auto& [key, value] = *writes.begin();
    return outcome(publish(server_, key, value, snapshot.at(key).version, deadline()));
  }
  static Outcome outcome(const Done& done) { return {done.type, done.error}; }

  // Every message of the stream, of any replica, which is the node's own where it has one.
  Outcome list(const std::string& prefix, Json& values) override {
    const auto state = stream_state(server_, deadline());
    if (!state) return {OpType::fail, state.error().message};
    if (state->is_null()) return {};
    const auto last = state->value("last_seq", std::uint64_t{0});
    for (auto at = state->value("first_seq", std::uint64_t{0}); at <= last;) {
      std::vector<Request> requests;
      for (; at <= last && requests.size() < kAtOnce; ++at)
        requests.push_back({api("DIRECT.GET"), fmt::format("{{\"seq\":{}}}", at)});
      const Answers answers = server_.call(requests, deadline());
      if (!answers.ok()) return {OpType::fail, answers.error};
      for (const Message& message : answers.all) {
        if (header(message, "Nats-Subject: ").starts_with(subject_of(prefix)))
          values.push_back(parse_json(message.body));
        else if (const int status = message.status(); status != 0 && status != kNotFound)
          return {OpType::fail, fmt::format("status {}", status)};
      }
    }
    return {};
  }

  static std::string header(const Message& message, std::string_view name) {
    const auto at = message.headers.find(name);
    if (at == std::string::npos) return {};
    const auto from = at + name.size();
    return message.headers.substr(from, message.headers.find('\r', from) - from);
  }

  Connection server_;
};

// The durable consumer hands each message to one who pulls, again if it is not acknowledged in
// time. So whoever has seen one has dequeued it, whatever becomes of his acknowledgement.
class QueueClient final : public Client {
 public:
  explicit QueueClient(const Node& node) : server_(node.address) {}

  Completion invoke(const Op& op, Deadline deadline) override {
    if (op.f == "enqueue") {
      const Done done = publish(server_, "q", op.value, "", deadline);
      return {done.type, nullptr, done.error};
    }
    Json out = Json::array();
    if (op.f == "dequeue") {
      const std::string error = pull(1, out, deadline);
      if (out.empty()) return {OpType::fail, nullptr, error.empty() ? "empty" : error};
      return {OpType::ok, out[0], ""};
    }
    if (op.f != "drain") return {OpType::fail, nullptr, "this client does not know " + op.f};
    for (;;) {
      const std::string error = pull(kPulled, out, deadline);
      const auto state = stream_state(server_, deadline);
      if (state && (state->is_null() || state->value("messages", 1) == 0))
        return {OpType::ok, std::move(out), ""};
      if (Clock::now() + 50ms > deadline)
        return {OpType::info, nullptr, "it is not empty yet " + error};
      std::this_thread::sleep_for(20ms);
    }
  }

 private:
  // Pulls that nobody answers are those of a consumer whose leader has gone.
  std::string pull(std::size_t count, Json& out, Deadline deadline) {
    const Request one{api("CONSUMER.MSG.NEXT", ".q"), R"({"batch":1,"expires":100000000})"};
    deadline = std::min(deadline, Clock::now() + 1s);
    const Answers pulled = server_.call(std::vector(count, one), deadline);
    std::vector<Request> acknowledgements;
    for (const Message& message : pulled.all) {
      if (!message.reply.starts_with("$JS.ACK.")) continue;
      out.push_back(parse_json(message.body));
      acknowledgements.push_back({message.reply, "+ACK"});
    }
    if (!acknowledgements.empty()) (void)server_.call(acknowledgements, deadline);
    return pulled.error;
  }

  Connection server_;
};

}  // namespace

std::unique_ptr<Client> make_client(const Node& node, const SystemOptions& options) {
  if (options.workload == "queue") return std::make_unique<QueueClient>(node);
  return std::make_unique<KeyClient>(node, options);
}

}  // namespace gameday::nats
