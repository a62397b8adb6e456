// MariaDB with Galera: every node takes writes, and a transaction is certified against those of the
// others when it commits (https://mariadb.com/kb/en/about-galera-replication/).
#include <set>
#include <thread>

#include "sut/galera/driver.h"

namespace gameday::galera {
namespace {

using namespace std::chrono_literals;

// $1 address, $2 this node's number, $3 how many there are, $4 all addresses between commas, then
// options of the server. A cluster begins as one that comes back after all of its nodes were
// killed, with equal data and a view of all
// (https://galeracluster.com/library/documentation/pc-recovery.html): nobody is the first, and
// nobody has to be copied.
constexpr const char* kScript = R"sh(
address=$1 number=$2 count=$3 all=$4
shift 4
options="evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S"
options="$options;evs.inactive_check_period=PT0.5S;pc.wait_prim_timeout=PT1H;gcache.size=32M"
set -- /usr/sbin/mariadbd --no-defaults --datadir="$PWD/data" --socket=socket \
  --bind-address="$address" --skip-name-resolve --skip-grant-tables --max-connections=200 \
  --log-warnings=1 --innodb-buffer-pool-size=32M --innodb-log-file-size=16M --binlog-format=ROW \
  --innodb-autoinc-lock-mode=2 --wsrep-on=ON --wsrep-provider=/usr/lib/galera/libgalera_smm.so \
  --wsrep-node-address="$address" --wsrep-sst-method=rsync --wsrep-cluster-address="gcomm://$all" \
  --wsrep-provider-options="$options" "$@"

member() { printf '%08x-e96d-11f1-8000-000000000000' "$1"; }
if [ ! -d data ]; then
  rm -rf new
  mariadb-install-db --no-defaults --datadir="$PWD/new" --skip-name-resolve --skip-test-db \
    --auth-root-authentication-method=normal --innodb-log-file-size=16M >/dev/null || exit 1
  mkdir new/gameday
  printf '# GALERA saved state\nversion: 2.1\nuuid: %s\nseqno: 0\nsafe_to_bootstrap: 0\n' \
    "$(member 0)" >new/grastate.dat
  {
    printf 'my_uuid: %s\n#vwbeg\nview_id: 3 %s 1\nbootstrap: 0\n' "$(member "$number")" "$(member 1)"
    for i in $(seq "$count"); do echo "member: $(member "$i") 0"; done
    echo '#vwend'
  } >new/gvwstate.dat
  sync -f . && mv new data && sync .
fi
# What had been copied in part is worth nothing but for who this node was.
if [ -e data/sst_in_progress ]; then
  find data -mindepth 1 -maxdepth 1 ! -name gvwstate.dat ! -name sst_in_progress -exec rm -rf {} +
  rm data/sst_in_progress
fi
# After a crash, where it ended, as galera_recovery(1) finds it; whoever stopped last begins again.
if grep -qs '^seqno: *-1' data/grastate.dat; then
  rm -f recovery.log
  "$@" --wsrep-recover --log-error="$PWD/recovery.log" || { cat recovery.log; exit 1; }
  set -- "$@" --wsrep-start-position="$(sed -n 's/.*Recovered position: *//p' recovery.log)"
elif grep -qs '^safe_to_bootstrap: *1' data/grastate.dat; then
  rm -f data/gvwstate.dat view
  set -- "$@" --wsrep-new-cluster
fi
# Stopped in order, servers forget the view: nobody would begin when all were stopped at once.
[ -e data/gvwstate.dat ] || [ ! -e view ] || cp view data/gvwstate.dat

# The view, and data copied from another node, are not forced to disk by who writes them.
changed() { stat -c '%i %y' data/grastate.dat data/gvwstate.dat 2>/dev/null; }
(
  while sleep 0.2; do
    now=$(changed)
    [ "$now" = "$seen" ] || { ln -f data/gvwstate.dat view; sync -f data && seen=$now; } 2>/dev/null
  done
) &
exec "$@"
)sh";

// There is no DNS to ask: rsync would wait for it at every connection (resolv.conf(5)).
constexpr const char* kNoNames = "attempts:0";

constexpr const char* kStatus =
    "SELECT LOWER(VARIABLE_NAME), VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS "
    "WHERE VARIABLE_NAME IN ('wsrep_cluster_status', 'wsrep_cluster_size', "
    "'wsrep_cluster_conf_id', "
    "'wsrep_local_state_comment', 'wsrep_last_committed') "
    "UNION ALL SELECT 'now', CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000000 AS SIGNED)";

class GaleraSystem final : public System {
 public:
  explicit GaleraSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "galera"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::vector<std::string> addresses;
    std::size_t number = 0;
    for (const auto& each : all) {
      addresses.push_back(each.address);
      if (each.name == node.name) number = addresses.size();
    }
    std::string isolation = setting("isolation");
    std::ranges::transform(isolation, isolation.begin(),
                           [](char c) { return static_cast<char>(std::toupper(c)); });
    // As an ordinary user: as root, rsync would become nobody, whom a user's namespace does not
    // have.
    return {
        {"/usr/bin/unshare", "--user", "--map-user=mysql", "--map-group=mysql", "/bin/sh", "-c",
         kScript, "galera-node", node.address, std::to_string(number), std::to_string(all.size()),
         fmt::format("{}", fmt::join(addresses, ",")), "--transaction-isolation=" + isolation,
         "--innodb-snapshot-isolation=" + setting("snapshot-isolation"),
         "--wsrep-sync-wait=" + setting("sync-wait"),
         "--innodb-flush-log-at-trx-commit=" + setting("flush")},
        {{"RES_OPTIONS", kNoNames}}};
  }

  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    const auto answer = make_driver(node.address, Session::monitor)->execute(kStatus, deadline);
    if (!answer) return std::nullopt;
    std::map<std::string, std::string> told;
    for (const auto& row : answer->rows) told[row.at(0).value_or("")] = row.at(1).value_or("");
    NodeStatus status;
    status.term = number(told["wsrep_cluster_conf_id"]);
    status.wall_clock_ns = number(told["now"]);
    // There is no leader.
    status.raw = {{"role", told["wsrep_local_state_comment"]},
                  {"component", told["wsrep_cluster_status"]},
                  {"size", number(told["wsrep_cluster_size"])},
                  {"committed", number(told["wsrep_last_committed"])}};
    return status;
  }

  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    return in_step(all, deadline) &&
           sut::create_tables(*make_driver(all.front().address, Session::client), deadline);
  }
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    return in_step(all, deadline);
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return std::make_unique<sut::SqlClient>(options_.workload, dialect(),
                                            make_driver(node.address, Session::client));
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("mysql://{}@{}:{}/{}", kUser, node.address, kPort, kDatabase);
  }
  std::chrono::seconds patience() const override { return 60s; }
  // Across nodes, whatever the isolation of a node
  // (https://galeracluster.com/library/documentation/isolation-levels.html).
  std::string promises() const override { return "snapshot-isolation"; }

 private:
  const std::string& setting(const char* key) const { return options_.settings.at(key); }

  static std::int64_t number(const std::string& text) {
    return std::strtoll(text.c_str(), nullptr, 10);
  }

  // All are in one primary component and have committed the same.
  static bool in_step(const std::vector<Node>& all, Deadline deadline) {
    std::set<Json> seen;
    for (const auto& node : all) {
      const auto told = GaleraSystem({}).status(node, deadline);
      if (told && told->raw["role"] == "Synced" && told->raw["component"] == "Primary")
        seen.insert(Json::array({*told->term, told->raw["committed"]}));
      else
        seen.insert(Json(node.name));
    }
    if (seen.size() == 1 && seen.begin()->is_array()) return true;
    std::this_thread::sleep_for(50ms);
    return false;
  }

  SystemOptions options_;
};

constexpr Setting kSettings[]{
    {"isolation", "repeatable-read|serializable", "repeatable-read", "of transactions, in a node"},
    {"snapshot-isolation", "on|off", "on",
     "innodb_snapshot_isolation: whether a row that was changed since the snapshot may be changed"},
    {"sync-wait", "0|1", "1", "wsrep_sync_wait; 1: reads wait for what the others have committed"},
    {"flush", "0|1", "1",
     "innodb_flush_log_at_trx_commit; 1: commits are forced to disk, 0: once a second"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<GaleraSystem>(options));
}

}  // namespace
}  // namespace gameday::galera

namespace gameday::sut {

const SystemKind& galera_system() {
  static constexpr SystemKind kind{"galera",
                                   "MariaDB with Galera: every node takes writes",
                                   "set register session list-append rw-register counter bank",
                                   "/usr/sbin/mariadbd /usr/bin/rsync",
                                   galera::kSettings,
                                   galera::make};
  return kind;
}

}  // namespace gameday::sut
