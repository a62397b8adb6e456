// PostgreSQL with streaming replication: the first node begins as the primary, the others copy it
// and follow (https://www.postgresql.org/docs/15/warm-standby.html). Clients speak to the node that
// they are told.
#include "sut/postgres/system.h"

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

class PostgresSystem final : public ReplicatedSystem {
 public:
  using ReplicatedSystem::ReplicatedSystem;

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
    std::vector<std::string> argv{"/bin/sh",
                                  "-c",
                                  kScript,
                                  "postgres-node",
                                  node.name,
                                  node.address,
                                  all.front().address,
                                  setting("failover"),
                                  setting("synchronous-commit"),
                                  standbys,
                                  setting("apply-delay")};
    argv.insert(argv.end(), addresses.begin(), addresses.end());
    return {not_as_root(std::move(argv)), {}};
  }
};

constexpr Setting kSettings[]{
    kIsolation,
    kReads,
    {"synchronous-commit", "on|remote_apply", "on",
     "what commits wait for: on disk, or visible, on the synchronous standbys"},
    {"synchronous-standbys", "off|any1|all", "off", "how many standbys commits wait for"},
    {"apply-delay", "number", "0",
     "milliseconds that standbys wait before they show a commit (recovery_min_apply_delay)"},
    {"failover", "number", "0",
     "seconds without a primary after which the first other node promotes itself; 0: never"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<PostgresSystem>(options));
}

}  // namespace

std::optional<NodeStatus> ReplicatedSystem::status(const Node& node, Deadline deadline) const {
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

// All standbys follow one primary, which has the tables; making them takes as long as they are
// slow.
bool ReplicatedSystem::ready(const std::vector<Node>& all, Deadline deadline) const {
  const Node* primary = in_step(all, deadline, false);
  return primary != nullptr && sut::create_tables(*make_driver(primary->address, Session::primary),
                                                  std::chrono::steady_clock::now() + 2s);
}

bool ReplicatedSystem::settled(const std::vector<Node>& all, Deadline deadline) const {
  return in_step(all, deadline, true) != nullptr;
}

// The set is read from any node at the end, to see what each has.
std::unique_ptr<Client> ReplicatedSystem::client(const Node& node, const std::vector<Node>&) const {
  const bool any = setting("reads") == "any" || options_.workload == "set";
  return std::make_unique<sut::SqlClient>(
      options_.workload, dialect(setting("isolation")),
      make_driver(node.address, any ? Session::any : Session::primary));
}

std::string ReplicatedSystem::endpoint(const Node& node) const {
  return fmt::format("postgresql://{}@{}:{}/postgres", kSuperuser, node.address, kPort);
}

// https://www.postgresql.org/docs/15/transaction-iso.html: repeatable read is snapshot isolation.
std::string ReplicatedSystem::promises() const {
  const std::string& isolation = setting("isolation");
  return isolation == "repeatable-read" ? "snapshot-isolation" : isolation;
}

// The primary; null if there is none or two, or somebody does not follow it.
const Node* ReplicatedSystem::in_step(const std::vector<Node>& all, Deadline deadline,
                                      bool positions) const {
  const Node* primary = nullptr;
  std::set<Json> seen;
  bool linked = true;
  for (const auto& node : all) {
    const auto told = status(node, deadline);
    if (!told || !told->term || (told->primary && primary != nullptr)) linked = false;
    if (!linked) break;
    if (told->primary) primary = &node;
    seen.insert(positions ? told->raw : told->raw.at("timeline"));
  }
  if (linked && primary != nullptr && seen.size() == 1) return primary;
  std::this_thread::sleep_for(50ms);
  return nullptr;
}

std::vector<std::string> not_as_root(std::vector<std::string> argv) {
  argv.insert(argv.begin(),
              {"/usr/bin/unshare", "--user", "--map-user=postgres", "--map-group=postgres"});
  return argv;
}

}  // namespace gameday::postgres

namespace gameday::sut {

const SystemKind& postgres_system() {
  static constexpr SystemKind kind{"postgres",
                                   "PostgreSQL: a primary and streaming standbys",
                                   "set register session list-append rw-register counter bank",
                                   "/usr/lib/postgresql/*/bin/postgres",
                                   postgres::kSettings,
                                   postgres::make};
  return kind;
}

}  // namespace gameday::sut
