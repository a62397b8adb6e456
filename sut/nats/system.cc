// NATS with JetStream: one stream, and its own defaults but for addresses and folders.
#include <atomic>
#include <limits>
#include <thread>

#include "harness/core/json.h"
#include "sut/http/http_client.h"
#include "sut/nats/protocol.h"

namespace gameday::nats {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kMonitorPort = 8222;

// $1 the node's name, $2 its routes. The configuration is written before each start.
constexpr const char* kScript = R"sh(
cat >nats.conf <<END
server_name: $1
listen: 0.0.0.0:4222
http: 0.0.0.0:8222
jetstream { store_dir: "$PWD/js", max_mem: 64MB, max_file: 1GB }
cluster { name: gd, listen: 0.0.0.0:6222, routes: [$2] }
END
exec /usr/sbin/nats-server -c nats.conf
)sh";

class NatsSystem final : public System {
 public:
  explicit NatsSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "nats"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::vector<std::string> routes;
    for (const auto& other : all)
      if (other.name != node.name)
        routes.push_back(fmt::format("nats-route://{}:6222", other.address));
    return {{"/bin/sh", "-c", kScript, "nats-node", node.name,
             fmt::format("{}", fmt::join(routes, ", "))},
            {}};
  }

  // Who leads the stream, and what this node has of it.
  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    http::Client http(node.address, kMonitorPort);
    const auto answer = http.call({"GET", "/jsz?accounts=true&streams=true", "", {}}, deadline);
    const Json told = answer ? parse_json(answer->body) : Json();
    if (!told.is_object()) return std::nullopt;
    NodeStatus status;
    status.wall_clock_ns = parse_time(told.value("now", std::string()));
    status.raw = {{"leader", ""}, {"last", 0}};
    for (const Json& account : told.value("account_details", Json::array()))
      for (const Json& stream : account.value("stream_detail", Json::array())) {
        status.raw = {
            {"leader", stream.value("cluster", Json::object()).value("leader", "")},
            {"last", stream.value("state", Json::object()).value("last_seq", std::int64_t{0})}};
      }
    status.primary = status.raw["leader"] == node.name;
    return status;
  }

  // Both are made only if they are not there, and asking again changes nothing.
  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    const bool queue = options_.workload == "queue";
    const Json stream = {{"name", kStream},
                         {"subjects", {fmt::format("{}.>", kStream)}},
                         {"storage", "file"},
                         {"num_replicas", replicas()},
                         {"retention", queue ? "workqueue" : "limits"},
                         {"allow_direct", true}};
    const Json consumer = {{"stream_name", kStream},
                           {"config",
                            {{"durable_name", "q"},
                             {"ack_policy", "explicit"},
                             {"ack_wait", std::chrono::nanoseconds(1s).count()},
                             {"deliver_policy", "all"}}}};
    Connection server(all.front().address);
    if (made(server, "STREAM.CREATE.gd", stream, deadline) &&
        (!queue || made(server, "CONSUMER.DURABLE.CREATE.gd.q", consumer, deadline)))
      return settled(all, deadline);
    std::this_thread::sleep_for(20ms);
    return false;
  }

  // Replicas that start again may have more than their leader: what nobody had acknowledged.
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    std::set<Json> leaders;
    std::vector<std::int64_t> ends;
    std::int64_t end = std::numeric_limits<std::int64_t>::max();
    bool told = true;
    for (const auto& node : all) {
      const auto status = this->status(node, deadline);
      told &= status.has_value();
      if (!status || status->raw["leader"] == "") continue;
      leaders.insert(status->raw["leader"]);
      ends.push_back(status->raw["last"]);
      if (status->primary) end = ends.back();
    }
    const int holders = static_cast<int>(ends.size());
    if (told && holders == replicas() && leaders.size() == 1 && std::ranges::min(ends) >= end)
      return true;
    if (told && holders == 0 && is_gone(all.front(), deadline)) return true;
    std::this_thread::sleep_for(20ms);
    return false;
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return make_client(node, options_);
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("nats://{}:{}", node.address, kPort);
  }
  std::chrono::seconds patience() const override { return 30s; }

 private:
  // The leader of the servers says that there is no such stream, and has for longer than it may
  // take to know all that the one before it knew.
  bool is_gone(const Node& node, Deadline deadline) const {
    Connection server(node.address);
    const auto state = stream_state(server, deadline);
    const auto now = std::chrono::steady_clock::now();
    if (!state || !state->is_null())
      gone_since_ = Deadline::max();
    else if (gone_since_.load() == Deadline::max())
      gone_since_ = now;
    return now - 5s > gone_since_.load();
  }

  int replicas() const { return std::stoi(options_.settings.at("replicas")); }

  static bool made(Connection& server, const char* call, const Json& config, Deadline deadline) {
    const Answers answers =
        server.call({{fmt::format("$JS.API.{}", call), config.dump()}}, deadline);
    if (!answers.ok()) return false;
    const Json told = parse_json(answers.all[0].body);
    return told.is_object() && told.contains("config");
  }

  SystemOptions options_;
  mutable std::atomic<Deadline> gone_since_ = Deadline::max();
};

constexpr Setting kSettings[]{{"replicas", "1|3|5", "3", "of the stream, on as many nodes"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<NatsSystem>(options));
}

}  // namespace
}  // namespace gameday::nats

namespace gameday::sut {

const SystemKind& nats_system() {
  static constexpr SystemKind kind{"nats",
                                   "NATS JetStream: a stream of messages with replicas",
                                   "set queue register counter bank",
                                   "/usr/sbin/nats-server",
                                   nats::kSettings,
                                   nats::make};
  return kind;
}

}  // namespace gameday::sut
