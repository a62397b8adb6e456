// ovsdb-server in a cluster (Raft, ovsdb(7)) with one table of keys and values.
#include <atomic>
#include <thread>

#include "sut/kv_client.h"
#include "sut/ovsdb/rpc.h"

namespace gameday::ovsdb {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSchema =
    R"({"name": "KV", "version": "1.0.0", "tables": {"kv": {"isRoot": true,
  "columns": {"key": {"type": "string"}, "value": {"type": "string"}}, "indexes": [["key"]]}}})";

// $1 the first node's address, $2 its own, $3 the schema.
constexpr const char* kScript = R"sh(
if [ ! -e kv.db ]; then
  rm -f new.db
  if [ "$1" = "$2" ]; then
    printf %s "$3" >schema.json
    /usr/bin/ovsdb-tool create-cluster new.db schema.json tcp:$2:6644
  else
    /usr/bin/ovsdb-tool join-cluster new.db KV tcp:$2:6644 tcp:$1:6644
  fi || exit 1
  rm -f .new.db.~lock~
  sync new.db
  mv new.db kv.db
  sync .
fi
exec /usr/sbin/ovsdb-server -vconsole:info --no-chdir --unixctl=none --remote=ptcp:6641:0.0.0.0 kv.db
)sh";

Json where(const std::string& key) { return Json::array({Json::array({"key", "==", key})}); }

// What a server says of its database: it is in another one, _Server (ovsdb-server(5)).
Json told_by(Connection& server, Deadline deadline) {
  const Json select = {{"op", "select"},
                       {"table", "Database"},
                       {"where", Json::array({Json::array({"name", "==", kDatabase})})},
                       {"columns", {"connected", "leader", "index"}}};
  const Answer answer = server.transact("_Server", Json::array({select}), false, deadline);
  if (answer.type != OpType::ok) return nullptr;
  const Json rows = answer.results.at(0).value("rows", Json::array());
  return rows.empty() ? Json() : rows[0];
}

class OvsdbClient final : public sut::KvClient {
 public:
  OvsdbClient(const Node& node, const SystemOptions& options)
      : KvClient(options.workload),
        server_(node.address),
        local_(options.settings.at("reads") == "local") {}

 private:
  Outcome transact(const Json& operations, bool effect, Json& results) {
    Answer answer = server_.transact(kDatabase, operations, effect, deadline());
    results = std::move(answer.results);
    return {answer.type, std::move(answer.error)};
  }

  // A server answers reads from what it has. Only a transaction that writes is known to be based on
  // what the leader has: so a read that must not be old writes something that nobody reads.
  static void add_touch(Json& operations) {
    static std::atomic<std::int64_t> count = 0;
    operations.push_back({{"op", "delete"}, {"table", kTable}, {"where", where("touched")}});
    operations.push_back(insert("touched", ++count));
  }
  static Json insert(const std::string& key, const Json& value) {
    return {{"op", "insert"}, {"table", kTable}, {"row", {{"key", key}, {"value", value.dump()}}}};
  }
  static Json select(const Json& condition) {
    return {
        {"op", "select"}, {"table", kTable}, {"where", condition}, {"columns", {"key", "value"}}};
  }

  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot) override {
    return get(keys, snapshot, false);
  }
  Outcome look(const std::set<std::string>& keys, Snapshot& snapshot) override {
    return get(keys, snapshot, !local_);
  }
  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot, bool touch) {
    Json operations = Json::array(), results;
    for (const auto& key : keys) operations.push_back(select(where(key)));
    if (touch) add_touch(operations);
    if (Outcome done = transact(operations, false, results); !done) return done;
    std::size_t i = 0;
    for (const auto& key : keys) {
      const Json rows = results.at(i++).value("rows", Json::array());
      const std::string text = rows.empty() ? "" : rows[0].at("value").get<std::string>();
      snapshot[key] = {text.empty() ? Json() : parse_json(text), text};
    }
    return {};
  }

  bool leads() {
    const Json told = told_by(server_, deadline());
    return told.is_object() && told.value("leader", false);
  }

  Outcome put(const std::string& key, const Json& value) override {
    return commit({}, {{key, value}});
  }

  Outcome commit(const Snapshot& snapshot, const std::map<std::string, Json>& writes) override {
    // A write that a server cannot hand on holds up every read behind it. So whoever reads from any server
    // writes to the leader, as Open vSwitch's own clients do.
    if (local_ && !leads()) return {OpType::fail, "not the leader"};
    Json operations = Json::array(), results;
    for (const auto& [key, seen] : snapshot) {
      Json rows = Json::array();
      if (!seen.version.empty()) rows.push_back({{"value", seen.version}});
      operations.push_back({{"op", "wait"},
                            {"timeout", 0},
                            {"table", kTable},
                            {"where", where(key)},
                            {"columns", {"value"}},
                            {"until", "=="},
                            {"rows", std::move(rows)}});
    }
    for (const auto& [key, value] : writes) {
      operations.push_back({{"op", "delete"}, {"table", kTable}, {"where", where(key)}});
      operations.push_back(insert(key, value));
    }
    operations.push_back({{"op", "commit"}, {"durable", true}});
    return transact(operations, true, results);
  }

  Outcome list(const std::string& prefix, Json& values) override {
    Json results;
    const Outcome done = transact(Json::array({select(Json::array())}), false, results);
    if (done)
      for (const Json& row : results.at(0).value("rows", Json::array()))
        if (row.at("key").get_ref<const std::string&>().starts_with(prefix))
          values.push_back(parse_json(row.at("value").get_ref<const std::string&>()));
    return done;
  }

  Connection server_;
  bool local_;
};

class OvsdbSystem final : public System {
 public:
  explicit OvsdbSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "ovsdb"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    return {{"/bin/sh", "-c", kScript, "ovsdb-node", all.front().address, node.address, kSchema},
            {}};
  }

  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    Connection server(node.address);
    const Json row = told_by(server, deadline);
    if (row.is_null()) return std::nullopt;
    NodeStatus status;
    status.primary = row.value("leader", false);
    status.raw = {{"connected", row.value("connected", false)},
                  {"applied", row.value("index", Json())}};
    return status;
  }

  // Every server has joined: that is a write of the leader's.
  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    return in_step(all, deadline);
  }
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    return in_step(all, deadline);
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return std::make_unique<OvsdbClient>(node, options_);
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("tcp:{}:{}", node.address, kPort);
  }

 private:
  bool in_step(const std::vector<Node>& all, Deadline deadline) const {
    std::set<Json> applied;
    bool leader = false, connected = true;
    for (const auto& node : all) {
      const auto told = connected ? status(node, deadline) : std::nullopt;
      connected = told && told->raw["connected"] == true;
      if (!connected) break;
      leader |= told->primary;
      applied.insert(told->raw["applied"]);
    }
    if (connected && leader && applied.size() == 1) return true;
    std::this_thread::sleep_for(20ms);
    return false;
  }

  SystemOptions options_;
};

constexpr Setting kSettings[]{
    {"reads", "leader|local", "leader",
     "local: any server answers, from what it has, and the leader writes"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<OvsdbSystem>(options));
}

}  // namespace
}  // namespace gameday::ovsdb

namespace gameday::sut {

const SystemKind& ovsdb_system() {
  static constexpr SystemKind kind{"ovsdb",
                                   "ovsdb-server: Open vSwitch's database, in a cluster on Raft",
                                   "register session set list-append rw-register counter bank",
                                   "/usr/sbin/ovsdb-server /usr/bin/ovsdb-tool",
                                   ovsdb::kSettings,
                                   ovsdb::make};
  return kind;
}

}  // namespace gameday::sut
