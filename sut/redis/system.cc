// Redis with Sentinel: each node runs a server and a sentinel, both with configurations that they
// rewrite themselves, as Sentinel needs it (https://redis.io/docs/management/sentinel/). The first
// node begins as the primary. Clients speak to the server of the node that they are told, as
// Jepsen's did in 2013.
#include <thread>

#include "sut/redis/resp.h"

namespace gameday::redis {
namespace {

using namespace std::chrono_literals;

// $1 address, $2 the first primary's, $3 quorum, $4 to $6 settings. What exists is from a life
// before.
constexpr const char* kScript = R"sh(
if [ ! -s redis.conf ]; then
  cat >redis.conf.new <<END
bind 0.0.0.0
protected-mode no
dir $PWD
save ""
appendonly $4
appendfsync $5
min-replicas-to-write $6
min-replicas-max-lag 2
repl-diskless-sync-delay 0
repl-timeout 10
END
  [ "$1" = "$2" ] || echo "replicaof $2 6379" >>redis.conf.new
  cat >sentinel.conf.new <<END
port 26379
bind 0.0.0.0
protected-mode no
dir $PWD
sentinel monitor main $2 6379 $3
sentinel down-after-milliseconds main 2000
sentinel failover-timeout main 6000
END
  mv sentinel.conf.new sentinel.conf
  mv redis.conf.new redis.conf
  sync redis.conf sentinel.conf .
fi
# A tail that was cut by a power loss: what the server's own message says to do.
for manifest in appendonlydir/*.manifest; do
  [ ! -e "$manifest" ] || yes | /usr/bin/redis-check-aof --fix "$manifest"
done
/usr/bin/redis-sentinel sentinel.conf &
exec /usr/bin/redis-server redis.conf
)sh";

class RedisSystem final : public System {
 public:
  explicit RedisSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "redis"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    const std::string& fsync = options_.settings.at("appendfsync");
    const bool persistent = fsync != "off";
    return {{"/bin/sh", "-c", kScript, "redis-node", node.address, all.front().address,
             std::to_string(all.size() / 2 + 1), persistent ? "yes" : "no",
             persistent ? fsync : "no", options_.settings.at("min-replicas-to-write")},
            {}};
  }

  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    const Reply reply = Connection(node.address, kPort).call({{"INFO", "replication"}}, deadline);
    if (!reply.ok() || !reply.value.is_string()) return std::nullopt;
    auto info = parse_info(reply.value.get<std::string>());
    NodeStatus status;
    status.primary = info["role"] == "master";
    // A replica counts when its link stands and its first copy has come.
    const bool linked = status.primary || info["master_link_status"] == "up";
    status.raw = {{"linked", linked},
                  {"primary-at", status.primary ? node.address : info["master_host"]},
                  {"offset", info[status.primary ? "master_repl_offset" : "slave_repl_offset"]}};
    return status;
  }

  // All replicas are in step with one primary: only then would a failover find somebody.
  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    return in_step(all, deadline, false) && sentinels_know_each_other(all, deadline);
  }
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    return in_step(all, deadline, true);
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return make_client(node, options_);
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("{}:{}", node.address, kPort);
  }
  // Sentinel makes a primary that came back a replica after 10 s or so.
  std::chrono::seconds patience() const override { return 40s; }

 private:
  static bool in_step(const std::vector<Node>& all, Deadline deadline, bool offsets) {
    std::set<Json> primaries, positions;
    bool linked = true;
    for (const auto& node : all) {
      const auto told = RedisSystem::told(node, deadline);
      if (told.is_null()) linked = false;
      if (told.is_null()) break;
      linked &= told["linked"].get<bool>();
      primaries.insert(told["primary-at"]);
      positions.insert(told["offset"]);
    }
    if (linked && primaries.size() == 1 && (!offsets || positions.size() == 1)) return true;
    std::this_thread::sleep_for(20ms);
    return false;
  }

  static bool sentinels_know_each_other(const std::vector<Node>& all, Deadline deadline) {
    for (const auto& node : all) {
      const Reply reply =
          Connection(node.address, kSentinelPort).call({{"INFO", "sentinel"}}, deadline);
      if (reply.ok() && reply.value.is_string() &&
          reply.value.get_ref<const std::string&>().find(fmt::format("sentinels={}", all.size())) !=
              std::string::npos)
        continue;
      std::this_thread::sleep_for(20ms);
      return false;
    }
    return true;
  }

  static Json told(const Node& node, Deadline deadline) {
    const auto status = RedisSystem({}).status(node, deadline);
    return status ? status->raw : Json();
  }

  SystemOptions options_;
};

constexpr Setting kSettings[]{{"appendfsync", "always|everysec|no|off", "everysec",
                               "when writes are forced to disk; off: there is no file"},
                              {"min-replicas-to-write", "number", "0",
                               "a primary with fewer replicas in touch refuses writes"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<RedisSystem>(options));
}

}  // namespace
}  // namespace gameday::redis

namespace gameday::sut {

const SystemKind& redis_system() {
  static constexpr SystemKind kind{"redis",
                                   "Redis with Sentinel: a primary, replicas, and failover",
                                   "set register session list-append rw-register queue counter bank",
                                   "/usr/bin/redis-server /usr/bin/redis-sentinel",
                                   redis::kSettings,
                                   redis::make};
  return kind;
}

}  // namespace gameday::sut
