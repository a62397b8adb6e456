// etcd as a system under test: etcd-server of Debian, its own defaults but for addresses and
// folders.
#include <thread>

#include "sut/etcd/gateway.h"

namespace gameday::etcd {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::string peer_url(const Node& node) {
  return fmt::format("http://{}:{}", node.address, kPeerPort);
}
std::string client_url(const Node& node) {
  return fmt::format("http://{}:{}", node.address, kClientPort);
}

const Node* find(const std::vector<Node>& all, const std::string& name) {
  const auto found = std::ranges::find(all, name, &Node::name);
  return found == all.end() ? nullptr : &*found;
}

ProcessSpec start(const Node& node, const std::vector<const Node*>& members, const char* state) {
  std::vector<std::string> cluster;
  for (const Node* member : members)
    cluster.push_back(fmt::format("{}={}", member->name, peer_url(*member)));
  return {{"/usr/bin/etcd", "--name", node.name, "--data-dir", (node.data / "etcd").string(),
           "--listen-peer-urls", peer_url(node), "--initial-advertise-peer-urls", peer_url(node),
           "--listen-client-urls", client_url(node), "--advertise-client-urls", client_url(node),
           "--initial-cluster", fmt::format("{}", fmt::join(cluster, ",")),
           "--initial-cluster-state", state, "--logger", "zap"},
          {{"ETCD_UNSUPPORTED_ARCH", "arm64"}}};
}

// Views have no version of their own in etcd; who is asked answers from its own applied state
// (linearizable member lists came with 3.5).
class EtcdMembership final : public Membership {
 public:
  std::optional<MemberView> view(const Node& node, Deadline deadline) const override {
    const Answer answer =
        Gateway(node.address).call("cluster/member/list", Json::object(), false, deadline);
    if (answer.type != OpType::ok || !answer.body.contains("members")) return std::nullopt;
    MemberView view;
    for (const Json& member : answer.body["members"]) view.members.insert(name_of(member));
    return view;
  }

  Completion change(const MemberChange& change, const std::set<std::string>& members,
                    const std::vector<Node>& all, Deadline deadline) override {
    Completion last{OpType::fail, nullptr, "no member answers"};
    for (const auto& name : members) {
      const Node* through = find(all, name);
      if (through == nullptr || name == change.out) continue;
      last = change_through(*through, change, all, deadline);
      if (last.type != OpType::fail || Clock::now() >= deadline) break;
    }
    return last;
  }

  ProcessSpec joining(const Node& node, const std::set<std::string>& members,
                      const std::vector<Node>& all) const override {
    std::vector<const Node*> together{&node};
    for (const auto& name : members)
      if (const Node* member = find(all, name); member != nullptr && name != node.name)
        together.push_back(member);
    ProcessSpec spec = start(node, together, "existing");
    // The peer that it asks first may not know yet that it was added, and then it ends at once.
    const std::vector<std::string> patiently{
        "/bin/sh", "-c",
        "until \"$@\" || [ -e etcd/member/wal ]; do rm -rf etcd; sleep 0.2; done", "join"};
    spec.argv.insert(spec.argv.begin(), patiently.begin(), patiently.end());
    return spec;
  }
  bool comes_back_empty() const override { return true; }

 private:
  // A member that has not started yet has no name, only the address that it will have.
  static std::string name_of(const Json& member) {
    const std::string name = member.value("name", std::string());
    if (!name.empty()) return name;
    const auto urls = member.value("peerURLs", std::vector<std::string>());
    if (urls.empty()) return "?";
    const auto dot = urls[0].rfind('.'), colon = urls[0].rfind(':');
    return dot == std::string::npos || colon < dot ? urls[0]
                                                   : "n" + urls[0].substr(dot + 1, colon - dot - 1);
  }

  static Completion change_through(const Node& through, const MemberChange& change,
                                   const std::vector<Node>& all, Deadline deadline) {
    Gateway gateway(through.address);
    if (!change.out.empty()) {
      const Answer list = gateway.call("cluster/member/list", Json::object(), false, deadline);
      if (list.type != OpType::ok) return {OpType::fail, nullptr, list.error};
      for (const Json& member : list.body.value("members", Json::array())) {
        if (name_of(member) != change.out) continue;
        const Answer gone =
            gateway.call("cluster/member/remove", {{"ID", member.at("ID")}}, true, deadline);
        if (gone.type != OpType::ok) return {gone.type, nullptr, gone.error};
      }
    }
    if (change.in.empty()) return {OpType::ok, nullptr, ""};
    const Node* in = find(all, change.in);
    if (in == nullptr) return {OpType::fail, nullptr, "there is no node " + change.in};
    const Answer came =
        gateway.call("cluster/member/add", {{"peerURLs", {peer_url(*in)}}}, true, deadline);
    // Half of a replacement may have happened.
    const bool nothing = came.type == OpType::fail && change.out.empty();
    return {came.type == OpType::ok ? OpType::ok
            : nothing               ? OpType::fail
                                    : OpType::info,
            nullptr, came.error};
  }
};

class EtcdSystem final : public System {
 public:
  explicit EtcdSystem(SystemOptions options) : options_(std::move(options)) {}

  std::string_view name() const override { return "etcd"; }

  ProcessSpec process(const Node& node, const std::vector<Node>& all) const override {
    std::vector<const Node*> members;
    for (const auto& member : all) members.push_back(&member);
    return start(node, members, "new");
  }

  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    const Answer answer =
        Gateway(node.address).call("maintenance/status", Json::object(), false, deadline);
    if (answer.type != OpType::ok) return std::nullopt;
    NodeStatus status;
    const std::string self =
        answer.body.value("header", Json::object()).value("member_id", std::string());
    const std::string leader = answer.body.value("leader", std::string());
    status.primary = !leader.empty() && leader == self;
    status.term = number(answer.body, "raftTerm");
    status.raw = {{"leader", leader},
                  {"applied", number(answer.body, "raftAppliedIndex")},
                  {"last", number(answer.body, "raftIndex")}};
    return status;
  }

  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    for (const auto& node : all) {
      Gateway gateway(node.address);
      const Answer put = gateway.call("kv/put", {{"key", encode("ready")}, {"value", encode("1")}},
                                      true, deadline);
      if (put.type == OpType::ok &&
          gateway.call("kv/range", {{"key", encode("ready")}}, false, deadline).type == OpType::ok)
        return true;
      std::this_thread::sleep_for(5ms);
    }
    return false;
  }

  // All answer, follow one leader and have applied what it has.
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    std::optional<Json> first;
    for (const auto& node : all) {
      const auto told = status(node, deadline);
      const Json position = told ? Json{told->raw["leader"], told->raw["applied"]} : Json();
      if (!told || told->raw["leader"] == "" || (first && *first != position)) {
        std::this_thread::sleep_for(20ms);
        return false;
      }
      first = position;
    }
    return true;
  }

  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return make_client(node, options_);
  }
  std::string endpoint(const Node& node) const override { return client_url(node); }
  Membership* membership() override { return &membership_; }

 private:
  SystemOptions options_;
  EtcdMembership membership_;
};

constexpr Setting kSettings[]{
    {"reads", "linearizable|serializable", "linearizable",
     "serializable: answered by the node that is asked"},
    {"lock-ttl", "number", "2",
     "seconds after which a lock whose holder says nothing is given to the next"},
    {"lock-pause", "number", "0",
     "seconds for which one in eight holders of a lock is stopped, as by its GC"}};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<EtcdSystem>(options));
}

}  // namespace
}  // namespace gameday::etcd

namespace gameday::sut {

const SystemKind& etcd_system() {
  static constexpr SystemKind kind{"etcd",
                                   "etcd-server: a key-value store on Raft",
                                   "register session set list-append rw-register lock-set counter bank",
                                   "/usr/bin/etcd",
                                   etcd::kSettings,
                                   etcd::make};
  return kind;
}

}  // namespace gameday::sut
