// PostgreSQL with streaming replication: the first node begins as the primary, the others copy it
// and follow (https://www.postgresql.org/docs/15/warm-standby.html). Clients speak to the node that
// they are told.
#include <set>
#include <thread>

#include "sut/postgres/driver.h"
#include "sut/postgres/script.h"

namespace gameday::postgres {
namespace {

using namespace std::chrono_literals;

constexpr const char* kStatus =
    "SELECT pg_is_in_recovery(), "
    "CASE WHEN pg_is_in_recovery() "
    "THEN (SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming') "
    "ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END, "
    "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, "
    "(extract(epoch FROM clock_timestamp()) * 1000000000)::bigint";

class PostgresSystem final : public System {
 public:
  explicit PostgresSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "postgres"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::vector<std::string> names, addresses;
    for (const auto& other : all) {
      if (other.name == node.name) continue;
      names.push_back(other.name);
      addresses.push_back(other.address);
    }
    const std::string& wanted = setting("synchronous-standbys");
    const std::string standbys = wanted == "off" || names.empty() ? ""
                                 : wanted == "any1"
                                     ? fmt::format("ANY 1 ({})", fmt::join(names, ","))
                                     : fmt::format("{} ({})", names.size(), fmt::join(names, ","));
    // It refuses to run as root, which is all that there is in an ordinary user's namespace.
    std::vector<std::string> argv{"/usr/bin/unshare",
                                  "--user",
                                  "--map-user=postgres",
                                  "--map-group=postgres",
                                  "/bin/sh",
                                  "-c",
                                  kScript,
                                  "postgres-node",
                                  node.name,
                                  node.address,
                                  all.front().address,
                                  setting("failover"),
                                  setting("synchronous-commit"),
                                  standbys};
    argv.insert(argv.end(), addresses.begin(), addresses.end());
    return {std::move(argv), {}};
  }

  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    const auto answer = make_driver(node.address, Session::any)->execute(kStatus, deadline);
    if (!answer || answer->rows.size() != 1) return std::nullopt;
    const auto& row = answer->rows[0];
    NodeStatus status;
    status.primary = row[0] == "f";
    if (row[1]) status.term = std::stoll(*row[1]);
    if (row[3]) status.wall_clock_ns = std::stoll(*row[3]);
    status.raw = {{"timeline", status.term ? Json(*status.term) : Json()},
                  {"position", row[2] ? Json(*row[2]) : Json()}};
    return status;
  }

  // All standbys follow one primary, which has the tables.
  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    const Node* primary = in_step(all, deadline, false);
    return primary != nullptr &&
           sut::create_tables(*make_driver(primary->address, Session::primary), deadline);
  }
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    return in_step(all, deadline, true) != nullptr;
  }

  // The set is read from any node at the end, to see what each has.
  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    const bool any = setting("reads") == "any" || options_.workload == "set";
    return std::make_unique<sut::SqlClient>(
        options_.workload, dialect(setting("isolation")),
        make_driver(node.address, any ? Session::any : Session::primary));
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("postgresql://{}@{}:{}/postgres", kSuperuser, node.address, kPort);
  }
  std::chrono::seconds patience() const override { return 60s; }
  // https://www.postgresql.org/docs/15/transaction-iso.html: repeatable read is snapshot isolation.
  std::string promises() const override {
    const std::string& isolation = setting("isolation");
    return isolation == "repeatable-read" ? "snapshot-isolation" : isolation;
  }

 private:
  const std::string& setting(const char* key) const { return options_.settings.at(key); }

  // The primary; null if there is none or two, or somebody does not follow it.
  static const Node* in_step(const std::vector<Node>& all, Deadline deadline, bool positions) {
    const Node* primary = nullptr;
    std::set<Json> seen;
    bool linked = true;
    for (const auto& node : all) {
      const auto told = PostgresSystem({}).status(node, deadline);
      if (!told || !told->term || (told->primary && primary != nullptr)) linked = false;
      if (!linked) break;
      if (told->primary) primary = &node;
      seen.insert(positions ? told->raw : told->raw.at("timeline"));
    }
    if (linked && primary != nullptr && seen.size() == 1) return primary;
    std::this_thread::sleep_for(50ms);
    return nullptr;
  }

  SystemOptions options_;
};

constexpr Setting kSettings[]{
    {"isolation", "read-committed|repeatable-read|serializable", "serializable", "of transactions"},
    {"reads", "primary|any", "primary", "any: answered by the node that is asked"},
    {"synchronous-commit", "on|remote_apply", "on",
     "what commits wait for: on disk, or visible, on the synchronous standbys"},
    {"synchronous-standbys", "off|any1|all", "off", "how many standbys commits wait for"},
    {"failover", "number", "0",
     "seconds without a primary after which the first other node promotes itself; 0: never"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<PostgresSystem>(options));
}

}  // namespace
}  // namespace gameday::postgres

namespace gameday::sut {

const SystemKind& postgres_system() {
  static constexpr SystemKind kind{"postgres",
                                   "PostgreSQL: a primary and streaming standbys",
                                   "set register list-append rw-register counter bank",
                                   "/usr/lib/postgresql/15/bin/postgres",
                                   postgres::kSettings,
                                   postgres::make};
  return kind;
}

}  // namespace gameday::sut
