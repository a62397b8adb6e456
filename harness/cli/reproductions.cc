#include "harness/cli/reproductions.h"

namespace gameday::cli {
namespace {

constexpr std::string_view kIsolatePrimary = R"([{"when": 4, "until": 16, "fault": "partition",
  "parameters": {"shape": "one", "order": ["leader"]}}])";
constexpr std::string_view kIsolateFollower = R"([
  {"when": 3, "until": 9, "fault": "partition", "parameters": {"shape": "one", "order": ["follower"]}},
  {"when": 12, "until": 18, "fault": "partition", "parameters": {"shape": "one", "order": ["follower"]}}])";
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

constexpr std::string_view kKillAll =
    R"([{"when": 6, "until": 7, "fault": "kill", "parameters": {"targets": "all"}}])";
constexpr std::string_view kGaleraSource =
    "Jepsen: MariaDB Galera Cluster 12.1.2, https://jepsen.io/analyses/mariadb-galera-cluster-12.1.2";
constexpr std::string_view kOvsdbSource =
    "Open vSwitch: ovsdb(7), https://docs.openvswitch.org/en/stable/ref/ovsdb.7/";
constexpr std::string_view kIsolateFirst = R"([{"when": 4, "until": 14, "fault": "partition",
  "parameters": {"shape": "one", "order": ["n1"]}}])";
constexpr std::string_view kIsolateHeir = R"([{"when": 4, "until": 14, "fault": "partition",
  "parameters": {"shape": "one", "order": ["n2"]}}])";
constexpr std::string_view kPostgresIsolation =
    "Jepsen: PostgreSQL 12.3, https://jepsen.io/analyses/postgresql-12.3";
constexpr std::string_view kPostgresStandbys =
    "PostgreSQL: log-shipping standby servers, "
    "https://www.postgresql.org/docs/15/warm-standby.html#SYNCHRONOUS-REPLICATION";
constexpr std::string_view kPostgresCommit =
    "PostgreSQL: synchronous_commit, "
    "https://www.postgresql.org/docs/15/runtime-config-wal.html#GUC-SYNCHRONOUS-COMMIT";
constexpr std::string_view kIsolateHolder = R"([{"when": 4, "until": 20, "fault": "partition",
  "parameters": {"shape": "one", "order": ["leader"]}}])";
constexpr std::string_view kPatroniSource =
    "Patroni: replication modes, "
    "https://patroni.readthedocs.io/en/latest/replication_modes.html";
constexpr std::string_view kNatsSource =
    "Jepsen: NATS 2.12.1, https://jepsen.io/analyses/nats-2.12.1; "
    "https://github.com/nats-io/nats-server/issues/7564";
constexpr std::string_view kNatsConditions =
    "https://github.com/nats-io/nats-server/issues/4320";

constexpr std::string_view kZookeeperSource =
    "ZooKeeper: internals, consistency guarantees, "
    "https://zookeeper.apache.org/doc/r3.8.0/zookeeperInternals.html; "
    "https://github.com/jepsen-io/jepsen/issues/399";

constexpr std::string_view kIsolateBroker = R"([{"when": 4, "until": 30, "fault": "partition",
  "parameters": {"shape": "one", "order": ["n1"]}}])";
constexpr std::string_view kRabbitmqSource =
    "Jepsen: RabbitMQ (2014), https://aphyr.com/posts/315-jepsen-rabbitmq";

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
    {"etcd-serializable-reads", "etcd", "reads=serializable", "register", kIsolateFollower, true,
     "nonlinearizable", "a member that is cut off answers serializable reads from what it knew",
     kEtcdSource},
    {"etcd-linearizable-reads", "etcd", "reads=linearizable", "register", kIsolateFollower, false, "",
     "a member that is cut off does not answer linearizable reads", kEtcdSource},
    {"etcd-lock", "etcd", "lock-ttl=2 lock-pause=3.5", "lock-set", "", true, "lost",
     "a lock is given to the next when its lease ends, while its holder, who was stopped, goes on",
     kEtcdSource, 3, 30, 20},
    {"etcd-lock-without-pauses", "etcd", "lock-ttl=20 lock-pause=0", "lock-set", "", false, "",
     "as long as no holder is stopped for longer than its lease, nothing is lost", kEtcdSource, 3,
     30, 20},
    {"etcd-power-loss", "etcd", "", "set", kPowerLoss, false, "",
     "what was acknowledged was forced to the disks of a majority", kEtcdSource},
    {"galera-lost-update", "galera", "snapshot-isolation=off", "list-append", "", true,
     "lost-update G-single-item",
     "a transaction of repeatable read changes a row that was changed since its snapshot",
     kGaleraSource, 3, 15},
    {"galera-snapshot-isolation", "galera", "snapshot-isolation=on", "list-append", "", false, "",
     "with innodb_snapshot_isolation such a transaction is rolled back", kGaleraSource, 3, 15},
    {"galera-serializable", "galera", "isolation=serializable", "list-append", "", false, "",
     "its reads lock the rows that they see", kGaleraSource, 3, 15},
    {"galera-stale-reads", "galera", "sync-wait=0", "register", "", true, "nonlinearizable",
     "a node answers reads before it has applied what another one has acknowledged", kGaleraSource,
     3, 15},
    {"galera-sync-wait", "galera", "sync-wait=1", "register", "", false, "",
     "a read waits until everything committed before it is applied", kGaleraSource, 3, 15},
    {"galera-flush-once-a-second", "galera", "flush=0", "set", kKillAll, true, "lost",
     "commits of the last second were acknowledged and not written, on every node", kGaleraSource},
    {"galera-flush-at-commit", "galera", "flush=1", "set", kKillAll, false, "",
     "every commit is written before it is acknowledged", kGaleraSource},
    {"galera-power-loss", "galera", "flush=1", "set", kPowerLoss, false, "",
     "every commit is forced to disk before it is acknowledged", kGaleraSource},
    {"ovsdb-local-reads", "ovsdb", "reads=local", "register", kIsolateFollower, true, "nonlinearizable",
     "a server that is cut off answers reads from what it has", kOvsdbSource},
    {"ovsdb-leader-reads", "ovsdb", "reads=leader", "register", kIsolateFollower, false, "",
     "a read within a transaction that writes is based on what the leader has", kOvsdbSource},
    {"ovsdb-power-loss", "ovsdb", "", "set", kPowerLoss, false, "",
     "what was acknowledged was forced to the disks of a majority", kOvsdbSource},
    {"postgres-repeatable-read", "postgres", "isolation=repeatable-read", "list-append", "", true,
     "G2-item",
     "repeatable read is snapshot isolation, which lets two transactions each miss what "
     "the other writes",
     kPostgresIsolation, 1, 15, 200, "serializable"},
    {"postgres-serializable", "postgres", "isolation=serializable", "list-append", "", false, "",
     "serializable aborts one of two transactions that miss each other's writes",
     kPostgresIsolation, 1, 15, 200, "serializable"},
    {"postgres-async-failover", "postgres", "failover=3 synchronous-standbys=off", "set",
     kIsolateFirst, true, "lost",
     "an isolated primary goes on acknowledging what no standby has, "
     "and copies the promoted one when it comes back",
     kPostgresStandbys},
    {"postgres-any1-failover", "postgres", "failover=3 synchronous-standbys=any1", "set",
     kIsolateHeir, true, "lost",
     "a standby that promotes itself need not be the one that "
     "acknowledged",
     kPostgresStandbys},
    {"postgres-all-failover", "postgres", "failover=3 synchronous-standbys=all", "set",
     kIsolateFirst, false, "",
     "what all standbys have acknowledged is there whichever of them is "
     "promoted",
     kPostgresStandbys},
    {"postgres-all-failover-heir", "postgres", "failover=3 synchronous-standbys=all", "set",
     kIsolateHeir, false, "", "while one of its standbys is away, the primary acknowledges nothing",
     kPostgresStandbys},
    {"postgres-async-standby-reads", "postgres", "reads=any", "counter", "", true,
     "read-below-bounds", "a commit does not wait for standbys, which are read from",
     kPostgresCommit, 3, 20, 600},
    {"postgres-on-standby-reads", "postgres", "reads=any synchronous-standbys=all apply-delay=50",
     "counter", "", true, "read-below-bounds",
     "a commit waits until standbys have it on disk, not until it can be read there",
     kPostgresCommit, 3, 20, 300},
    {"postgres-remote-apply-standby-reads", "postgres",
     "reads=any synchronous-standbys=all apply-delay=50 synchronous-commit=remote_apply", "counter",
     "", false, "", "a commit waits until it can be read from the standbys", kPostgresCommit, 3, 20,
     300},
    {"patroni-asynchronous", "patroni", "synchronous-mode=off", "set", kIsolateHolder, true, "lost",
     "a primary that is cut off goes on acknowledging until it gives up its key, and rewinds to "
     "what the new one has",
     kPatroniSource, 3, 24},
    {"patroni-synchronous-strict", "patroni", "synchronous-mode=strict", "set", kIsolateHolder,
     false, "", "only a standby that has acknowledged all that clients were told of is promoted",
     kPatroniSource, 3, 24},
    {"rabbitmq-mirrored-autoheal", "rabbitmq", "queue=mirrored partition-handling=autoheal", "queue",
     kIsolateBroker, true, "lost",
     "both sides of a partition confirm messages; when it heals, the brokers of one side start afresh",
     kRabbitmqSource, 3, 32, 100},
    {"rabbitmq-quorum-queue", "rabbitmq", "queue=quorum partition-handling=pause_minority", "queue",
     kIsolateBroker, false, "", "a majority of the brokers has every message that was confirmed",
     kRabbitmqSource, 3, 32, 100},
    {"nats-power-loss", "nats", "", "set", kPowerLoss, true, "lost",
     "messages are acknowledged at once, and forced to disk every two minutes", kNatsSource},
    {"nats-kill", "nats", "", "set", kKillAll, false, "",
     "what a process has written stays when it is killed", kNatsSource},
    {"nats-conditional-publish", "nats", "", "register", "", true, "nonlinearizable",
     "what the last message of a subject must be is checked before a message is proposed, "
     "not when it is stored",
     kNatsConditions},
    {"nats-conditional-publish-alone", "nats", "replicas=1", "register", "", false, "",
     "without replicas the check and the storing are one step", kNatsConditions},
    {"zookeeper-local-reads", "zookeeper", "reads=local", "register", kIsolateFollower, true,
     "nonlinearizable", "a server that is cut off answers reads from what it has", kZookeeperSource},
    {"zookeeper-sync-reads", "zookeeper", "reads=sync", "register", kIsolateFollower, false, "",
     "a follower that is cut off does not answer what must be in step with its leader first",
     kZookeeperSource},
    {"zookeeper-quorum-reads", "zookeeper", "reads=quorum", "register", kIsolatePrimary, false, "",
     "a read after a write in the same session has seen all that was acknowledged before it",
     kZookeeperSource},
    {"zookeeper-power-loss", "zookeeper", "", "set", kPowerLoss, false, "",
     "what was acknowledged was forced to the disks of a majority", kZookeeperSource},
};

}  // namespace

std::span<const Reproduction> reproductions() { return kTable; }

}  // namespace gameday::cli
