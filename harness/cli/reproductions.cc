#include "harness/cli/reproductions.h"

namespace gameday::cli {
namespace {

constexpr std::string_view kIsolatePrimary = R"([{"when": 4, "until": 16, "fault": "partition",
  "parameters": {"shape": "one", "order": ["leader"]}}])";
// A node that does not lead, as the others take it: the last in order.
constexpr std::string_view kIsolateAll = R"([
  {"when": 3, "until": 8, "fault": "partition", "parameters": {"shape": "one", "order": ["n1"]}},
  {"when": 9, "until": 14, "fault": "partition", "parameters": {"shape": "one", "order": ["n2"]}},
  {"when": 15, "until": 19, "fault": "partition", "parameters": {"shape": "one", "order": ["n3"]}}])";
constexpr std::string_view kPowerLoss =
    R"([{"when": 8, "until": 10, "fault": "power-loss", "parameters": {"targets": "all"}}])";
constexpr std::string_view kBouncePrimary =
    R"([{"when": 8, "until": 9, "fault": "kill", "parameters": {"style": "bounce", "order": ["leader"]}}])";

constexpr std::string_view kEtcdSource =
    "Jepsen: etcd 3.4.3, https://jepsen.io/analyses/etcd-3.4.3";
constexpr std::string_view kRedisSource =
    "Jepsen: Redis (2013), https://aphyr.com/posts/283-jepsen-redis";
constexpr std::string_view kRedisPersistence =
    "Redis: persistence, https://redis.io/docs/management/persistence/";

constexpr std::string_view kOvsdbSource =
    "Open vSwitch: ovsdb(7), https://docs.openvswitch.org/en/stable/ref/ovsdb.7/";
constexpr Reproduction kTable[]{
    {"redis-split-brain", "redis", "", "set", kIsolatePrimary, true, "lost",
     "an isolated primary goes on acknowledging writes, which are dropped when it becomes a "
     "replica of the new one",
     kRedisSource, 3, 25},
    {"redis-min-replicas", "redis", "min-replicas-to-write=1", "set", kIsolatePrimary, true, "lost",
     "a primary that refuses writes without replicas does so only after they were silent for some "
     "seconds",
     kRedisSource, 3, 25},
    {"redis-everysec-power-loss", "redis", "appendfsync=everysec", "set", kPowerLoss, true, "lost",
     "writes of the last second were acknowledged and not forced to disk", kRedisPersistence},
    {"redis-always-power-loss", "redis", "appendfsync=always", "set", kPowerLoss, false, "",
     "every write is forced to disk before it is acknowledged", kRedisPersistence},
    {"redis-no-persistence", "redis", "appendfsync=off", "set", kBouncePrimary, true, "lost",
     "a primary that restarts empty before anybody noticed has its replicas copy the emptiness",
     "Stripe: game day (2014), https://stripe.com/blog/game-day-exercises-at-stripe"},
    {"etcd-serializable-reads", "etcd", "reads=serializable", "register", kIsolateAll, true,
     "nonlinearizable", "a member that is cut off answers serializable reads from what it knew",
     kEtcdSource},
    {"etcd-linearizable-reads", "etcd", "reads=linearizable", "register", kIsolateAll, false, "",
     "a member that is cut off does not answer linearizable reads", kEtcdSource},
    {"etcd-lock", "etcd", "lock-ttl=2 lock-pause=3.5", "lock-set", "", true, "lost",
     "a lock is given to the next when its lease ends, while its holder, who was stopped, goes on",
     kEtcdSource, 3, 30, 20},
    {"etcd-lock-without-pauses", "etcd", "lock-ttl=2 lock-pause=0", "lock-set", "", false, "",
     "as long as no holder is stopped for longer than its lease, nothing is lost", kEtcdSource, 3,
     30, 20},
    {"etcd-power-loss", "etcd", "", "set", kPowerLoss, false, "",
     "what was acknowledged was forced to the disks of a majority", kEtcdSource},
    {"ovsdb-local-reads", "ovsdb", "reads=local", "register", kIsolateAll, true, "nonlinearizable",
     "a server that is cut off answers reads from what it has", kOvsdbSource},
    {"ovsdb-leader-reads", "ovsdb", "reads=leader", "register", kIsolateAll, false, "",
     "a read within a transaction that writes is based on what the leader has", kOvsdbSource},
    {"ovsdb-power-loss", "ovsdb", "", "set", kPowerLoss, false, "",
     "what was acknowledged was forced to the disks of a majority", kOvsdbSource},
};

}  // namespace

std::span<const Reproduction> reproductions() { return kTable; }

}  // namespace gameday::cli
