// RabbitMQ: a cluster of brokers with one queue, which is replicated as a quorum queue or mirrored
// (https://www.rabbitmq.com/docs/3.10/quorum-queues, https://www.rabbitmq.com/docs/3.10/ha).
#include <thread>

#include "sut/connection.h"
#include "sut/rabbitmq/channel.h"

namespace gameday::rabbitmq {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr const char* kJoined = "joined";  // a queue that shows who has joined

// $1 address, $2 partition handling, then the addresses of all. Erlang looks up names in its own
// table, which is empty: there is no DNS.
constexpr const char* kScript = R"sh(
export HOME="$PWD" RABBITMQ_USE_LONGNAME=true RABBITMQ_NODENAME="rabbit@$1"
export RABBITMQ_MNESIA_BASE="$PWD/mnesia" RABBITMQ_LOG_BASE="$PWD/log" RABBITMQ_LOGS=-
export RABBITMQ_CONFIG_FILE="$PWD/rabbitmq.conf" RABBITMQ_ADVANCED_CONFIG_FILE="$PWD/advanced.config"
export RABBITMQ_ENABLED_PLUGINS_FILE="$PWD/enabled_plugins" ERL_INETRC="$PWD/inetrc"
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+S 2:2"
address=$1 handling=$2
shift 2
write() { rm -f "$1" && cat >"$1" && chmod 400 "$1"; }
echo gameday | write .erlang.cookie
echo '{lookup, [file]}.' | write inetrc
echo '[].' | write enabled_plugins
echo '[{kernel, [{net_ticktime, 5}]}, {rabbit, [{channel_termination_timeout, 2000}]}].' |
  write advanced.config
write definitions.json <<END
{"vhosts": [{"name": "/"}],
 "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
 "permissions": [{"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"}],
 "policies": [{"vhost": "/", "name": "mirrored", "pattern": "^gameday$", "apply-to": "queues",
               "definition": {"ha-mode": "all", "ha-sync-mode": "automatic"}}]}
END
{
  cat <<END
listeners.tcp.1 = $address:5672
loopback_users = none
cluster_partition_handling = $handling
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.discovery_retry_limit = 2
load_definitions = $PWD/definitions.json
disk_free_limit.absolute = 16MB
raft.wal_max_size_bytes = 16777216
log.console.level = warning
log.connection.level = error
END
  i=0
  for each; do echo "cluster_formation.classic_config.nodes.$((i += 1)) = rabbit@$each"; done
} | write rabbitmq.conf

# Who belongs to the cluster is not forced to disk by who writes it, and an empty list ends a broker.
changed() { stat -c '%i %y' mnesia/*/cluster_nodes.config mnesia/*/nodes_running* mnesia/*-feature_flags; }
(
  while sleep 0.5; do
    now=$(changed 2>/dev/null)
    [ "$now" = "$seen" ] || { sync -f . && seen=$now; }
  done
) &
exec /usr/lib/rabbitmq/bin/rabbitmq-server
)sh";

class RabbitmqSystem final : public System {
 public:
  explicit RabbitmqSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "rabbitmq"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::vector<std::string> argv{"/bin/sh",    "-c",
                                  kScript,      "rabbitmq-node",
                                  node.address, options_.settings.at("partition-handling")};
    for (const auto& each : all) argv.push_back(each.address);
    return {std::move(argv), {{"RES_OPTIONS", "attempts:0"}}};  // no DNS: resolv.conf(5)
  }

  // Its greeting: a broker that has paused itself does not listen.
  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    sut::Connection tcp;
    if (!tcp.open(node.address, kPort, deadline) ||
        !tcp.write(std::string_view("AMQP\0\0\x9\1", 8), deadline) || !tcp.read(7, deadline))
      return std::nullopt;
    NodeStatus status;
    status.raw = {{"role", "broker"}};
    return status;
  }

  // All are of one cluster, and the queue, which the first node leads, takes messages.
  bool ready(const std::vector<Node>& all, Deadline) const override {
    const Deadline deadline = Clock::now() + 2s;
    Channel first(all.front().address);
    if (!first.declare(kJoined, false, false, deadline)) return wait();
    for (const auto& node : all)
      if (!Channel(node.address).declare(kJoined, false, true, deadline)) return wait();
    return first.declare(kQueue, options_.settings.at("queue") == "quorum", false, deadline) &&
           served(all);
  }
  bool settled(const std::vector<Node>& all, Deadline) const override {
    return served(all) || wait();
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return make_client(node);
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("amqp://guest:guest@{}:{}", node.address, kPort);
  }
  std::chrono::seconds patience() const override { return 120s; }

 private:
  static bool served(const std::vector<Node>& all) {
    for (const auto& node : all)
      if (Channel(node.address).publish(kMark, Clock::now() + 2s).type != OpType::ok) return false;
    return true;
  }
  static bool wait() {
    std::this_thread::sleep_for(200ms);
    return false;
  }

  SystemOptions options_;
};

constexpr Setting kSettings[]{
    {"queue", "quorum|mirrored", "quorum", "how it is replicated: by Raft, or as a classic queue"},
    {"partition-handling", "pause_minority|autoheal", "pause_minority",
     "what brokers do that lose others; autoheal: they go on, and afterwards one side starts "
     "afresh"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<RabbitmqSystem>(options));
}

}  // namespace
}  // namespace gameday::rabbitmq

namespace gameday::sut {

const SystemKind& rabbitmq_system() {
  static constexpr SystemKind kind{"rabbitmq",
                                   "RabbitMQ: a cluster of brokers with a replicated queue",
                                   "queue",
                                   "/usr/lib/rabbitmq/bin/rabbitmq-server",
                                   rabbitmq::kSettings,
                                   rabbitmq::make};
  return kind;
}

}  // namespace gameday::sut
