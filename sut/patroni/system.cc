// PostgreSQL under Patroni (https://patroni.readthedocs.io): on each node an etcd, a member of one
// cluster, and Patroni, which has PostgreSQL be the primary while it holds a key there.
#include "sut/postgres/system.h"

#include "sut/postgres/driver.h"

namespace gameday::patroni {
namespace {

constexpr int kTtl = 7;  // of the leader's key
constexpr int kLoopWait = 1;
constexpr int kRetryTimeout = 3;
static_assert(kLoopWait + 2 * kRetryTimeout <= kTtl);  // as its documentation wants it

// $1 name, $2 address, $3 --initial-cluster of etcd, $4 what Patroni keeps there for all. It speaks
// the old API: with the new one 3.0.2 of Debian 12 overwrites the key of whoever took it meanwhile
// (https://github.com/patroni/patroni/pull/2689).
constexpr const char* kScript = R"sh(
name=$1 address=$2 cluster=$3 dcs=$4
export LC_ALL=C.UTF-8 HOME="$PWD" TMPDIR="$PWD"
url=http://$address
PGBIN=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
export PGBIN
while sleep 0.2; do
  /usr/bin/etcd --name "$name" --data-dir etcd --logger zap --enable-v2 \
    --listen-peer-urls "$url:2380" --initial-advertise-peer-urls "$url:2380" \
    --listen-client-urls "$url:2379" --advertise-client-urls "$url:2379" \
    --initial-cluster "$cluster" --initial-cluster-state new
done &

# A copy counts when it is whole.
cat >copy.new <<'END'
for argument; do
  case $argument in --connstring=*) from=${argument#--connstring=} ;; esac
done
rm -rf new && "$PGBIN/pg_basebackup" -d "$from" -D new -X stream -c fast &&
  rm -rf data && mv new data && sync .
END
cat >patroni.yml.new <<END
scope: gameday
name: $name
restapi: {listen: '$address:8008', connect_address: '$address:8008'}
etcd: {hosts: ['$address:2379']}
bootstrap:
  dcs: $dcs
  initdb: [{encoding: UTF8}, {locale: C}, {wal-segsize: '1'}, {auth: trust}]
postgresql:
  listen: $address:5432
  connect_address: $address:5432
  bin_dir: $PGBIN
  data_dir: $PWD/data
  pgpass: $PWD/pgpass
  authentication:
    superuser: {username: postgres, sslmode: disable, gssencmode: disable}
    replication: {username: postgres, sslmode: disable, gssencmode: disable}
    rewind: {username: postgres, sslmode: disable, gssencmode: disable}
  create_replica_methods: [copy]
  copy: {command: /bin/sh copy}
  remove_data_directory_on_rewind_failure: true
  remove_data_directory_on_diverged_timelines: true
  pg_hba: [host all all 0.0.0.0/0 trust, host replication all 0.0.0.0/0 trust]
  parameters:
    unix_socket_directories: ''
    shared_buffers: 32MB
    min_wal_size: 8MB
    max_wal_size: 256MB
    wal_sender_timeout: 3s
    wal_receiver_timeout: 3s
    wal_retrieve_retry_interval: 200ms
    log_min_messages: log
watchdog: {mode: 'off'}
END
mv copy.new copy && mv patroni.yml.new patroni.yml || exit 1

# Without it Patroni looks again after five seconds only.
until /usr/bin/python3 -c \
  "import urllib.request as r; r.urlopen('$url:2379/health', timeout=1)" 2>/dev/null; do
  sleep 0.1
done
exec /usr/bin/patroni patroni.yml
)sh";

class PatroniSystem final : public postgres::ReplicatedSystem {
 public:
  using ReplicatedSystem::ReplicatedSystem;

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::vector<std::string> members;
    for (const auto& member : all)
      members.push_back(fmt::format("{}=http://{}:2380", member.name, member.address));
    const std::string& mode = setting("synchronous-mode");
    const Json dcs = {{"ttl", kTtl},
                      {"loop_wait", kLoopWait},
                      {"retry_timeout", kRetryTimeout},
                      {"synchronous_mode", mode != "off"},
                      {"synchronous_mode_strict", mode == "strict"},
                      {"postgresql",
                       {{"use_pg_rewind", true},
                        {"parameters", {{"wal_log_hints", "on"}, {"max_connections", 200}}}}}};
    return {
        postgres::not_as_root({"/bin/sh", "-c", kScript, "patroni-node", node.name, node.address,
                               fmt::format("{}", fmt::join(members, ",")), dcs.dump()}),
        {{"ETCD_UNSUPPORTED_ARCH", "arm64"}}};
  }
};

constexpr Setting kSettings[]{postgres::kIsolation,
                              postgres::kReads,
                              {"synchronous-mode", "off|on|strict", "off",
                               "on: only a standby that commits wait for is promoted; strict: "
                               "without one nothing is committed"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<PatroniSystem>(options));
}

}  // namespace
}  // namespace gameday::patroni

namespace gameday::sut {

const SystemKind& patroni_system() {
  static constexpr SystemKind kind{"patroni",
                                   "PostgreSQL with failover by Patroni, on etcd",
                                   "set register session list-append rw-register counter bank",
                                   "/usr/bin/patroni /usr/bin/etcd "
                                   "/usr/lib/postgresql/*/bin/postgres",
                                   patroni::kSettings,
                                   patroni::make};
  return kind;
}

}  // namespace gameday::sut
