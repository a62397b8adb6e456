// ZooKeeper as a system under test: the package's server with shorter ticks than its example has,
// so that a run of seconds sees elections.
#include <algorithm>
#include <thread>

#include "sut/zookeeper/jute.h"

namespace gameday::zookeeper {
namespace {

using namespace std::chrono_literals;

// $1 the node's number, $2 a line for every server. The configuration is written before each start.
constexpr const char* kScript = R"sh(
mkdir -p data
echo "$1" >data/myid
cat >zoo.cfg <<END
tickTime=500
initLimit=20
syncLimit=8
dataDir=$PWD/data
clientPort=2181
maxClientCnxns=0
admin.enableServer=false
4lw.commands.whitelist=*
$2
END
# The first snapshot, and again the first leader's, is not forced to disk, and without one a log is refused
# (ZOOKEEPER-3056). A power loss is to find what it finds half a minute later.
(until set -- data/version-2/log.* && [ -e "$1" ]; do sleep 0.05; done; sync data/version-2/snapshot.0) &
exec /usr/bin/java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData \
  -Dzookeeper.jmx.log4j.disable=true -Dzookeeper.preAllocSize=1024 -Djava.io.tmpdir="$PWD" \
  -cp /usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar \
  org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg
)sh";

std::string after(std::string_view text, std::string_view label) {
  const auto at = text.find(label);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + label.size());
  return std::string(text.substr(0, text.find('\n')));
}

class ZookeeperSystem final : public System {
 public:
  explicit ZookeeperSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "zookeeper"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::string servers, number;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].name == node.name) number = std::to_string(i + 1);
      servers += fmt::format("server.{}={}:2888:3888\n", i + 1, all[i].address);
    }
    return {{"/bin/sh", "-c", kScript, "zookeeper-node", number, servers}, {}};
  }

  // A node that has found no leader says that it does not serve, and has neither role nor epoch.
  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    const auto answer = ask(node.address, "srvr", deadline);
    if (!answer) return std::nullopt;
    const std::string mode = after(*answer, "Mode: "), zxid = after(*answer, "Zxid: ");
    NodeStatus status;
    status.primary = mode == "leader";
    if (!zxid.empty()) status.term = std::strtoll(zxid.c_str(), nullptr, 16) >> 32;
    status.raw = {{"mode", mode}, {"zxid", zxid}};
    return status;
  }

  // Each serves, as one without a leader has no sessions. A session is a write by itself: on a busy
  // machine both take longer than whoever asks would wait.
  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    const auto serves = [&](const Node& node) {
      const auto told = status(node, deadline);
      return told && told->raw["mode"] != "";
    };
    if (std::ranges::all_of(all, serves) &&
        Session(all.front().address).call({touch()}, std::chrono::steady_clock::now() + 2s).ok())
      return true;
    std::this_thread::sleep_for(20ms);
    return false;
  }

  // All have applied the same. A new epoch counts only once something was written in it.
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    if (!ready(all, deadline)) return false;
    std::set<std::string> applied;
    int leaders = 0;
    for (const auto& node : all) {
      const auto told = status(node, deadline);
      applied.insert(told ? told->raw["zxid"].get<std::string>() : "");
      leaders += told && told->primary ? 1 : 0;
    }
    if (leaders == 1 && applied.size() == 1 && *applied.begin() != "") return true;
    std::this_thread::sleep_for(20ms);
    return false;
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return make_client(node, options_);
  }
  std::string endpoint(const Node& node) const override {
    return fmt::format("{}:{}", node.address, kClientPort);
  }
  std::chrono::seconds patience() const override { return 40s; }

 private:
  SystemOptions options_;
};

constexpr Setting kSettings[]{{"reads", "quorum|sync|local", "quorum",
                               "quorum: after a write by the node that is asked; sync: after it "
                               "caught up with whom it takes for "
                               "its leader; local: at once"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<ZookeeperSystem>(options));
}

}  // namespace
}  // namespace gameday::zookeeper

namespace gameday::sut {

const SystemKind& zookeeper_system() {
  static constexpr SystemKind kind{"zookeeper",
                                   "ZooKeeper: a tree of small nodes on Zab",
                                   "register session set list-append rw-register counter bank",
                                   "/usr/share/java/zookeeper.jar /usr/bin/java",
                                   zookeeper::kSettings,
                                   zookeeper::make};
  return kind;
}

}  // namespace gameday::sut
