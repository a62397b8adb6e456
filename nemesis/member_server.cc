#include "nemesis/member_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "harness/core/rng.h"
#include "harness/lab/fd.h"
#include "harness/lab/test_server.h"

namespace gameday::nemesis::testing {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr int kRpcMs = 60;
constexpr auto kBudget = 700ms;
constexpr auto kGossip = 100ms;

Json ask_json(const std::string& address, const Json& question, int timeout_ms) {
  const auto answer = lab::testing::ask(address, question.dump(), timeout_ms);
  return answer ? parse_json(*answer) : Json(nullptr);
}

class Server {
 public:
  Server(std::string name, std::map<std::string, std::string> addresses, bool joins)
      : name_(std::move(name)), addresses_(std::move(addresses)) {
    std::vector<std::string> all;
    for (const auto& [node, address] : addresses_) all.push_back(node);
    known_ = {{"version", joins ? 0 : 1}, {"members", joins ? Json::array() : Json(all)}};
    std::ifstream in("state");
    std::stringstream text;
    text << in.rdbuf();
    if (Json stored = parse_json(text.str()); stored.is_object()) {
      known_ = stored["known"];
      promised_ = stored["promised"];
      accepted_ = stored["accepted"];
    }
  }

  int run() {
    socket_ = lab::Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = htons(lab::testing::kPort);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) return 1;
    const std::jthread gossip([this] {
      for (;;) {
        tell_all();
        std::this_thread::sleep_for(kGossip);
      }
    });
    for (;;) serve_one();
  }

 private:
  struct Reply {
    int socket;
    sockaddr_in peer;
    void operator()(const Json& answer) const {
      const std::string text = answer.dump();
      ::sendto(socket, text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
    }
  };

  void serve_one() {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    std::array<char, 4096> buffer;
    const ssize_t n = ::recvfrom(socket_.get(), buffer.data(), buffer.size(), 0,
                                 reinterpret_cast<sockaddr*>(&peer), &size);
    if (n <= 0) return;
    const Json message = parse_json({buffer.data(), static_cast<std::size_t>(n)});
    if (!message.is_object()) return;
    const Reply reply{socket_.get(), peer};
    if (message["do"] == "change") {
      std::thread([this, message, reply] { reply(change(message)); }).detach();
    } else if (const Json answer = obey(message); !answer.is_null()) {
      reply(answer);
    }
  }

  // The acceptor.
  Json obey(const Json& message) {
    const std::lock_guard lock(mutex_);
    const std::string what = message["do"];
    if (what == "lie") lies_ = true;
    if (what == "view" && lies_) return {{"version", 99}, {"members", {name_}}};
    if (what == "view") return known_["version"] == 0 ? Json() : known_;
    if (what == "learn") learn(message["known"]);
    if (what != "prepare" && what != "accept") return nullptr;
    const auto slot = message["slot"].get<int>(), mine = known_["version"].get<int>() + 1;
    if (slot < mine) return {{"known", known_}};
    const Json ballot = message["ballot"];
    if (slot > mine) return {{"refused", true}};
    if (ballot < promised_) return {{"refused", true}, {"promised", promised_}};
    promised_ = ballot;
    if (what == "accept") accepted_ = {{"ballot", ballot}, {"members", message["members"]}};
    store();
    return {{"ok", true}, {"accepted", accepted_}};
  }

  void learn(const Json& known) {
    if (known["version"] <= known_["version"]) return;
    known_ = known;
    promised_ = accepted_ = nullptr;
    store();
  }

  void store() const {
    std::ofstream("state.new") << Json{{"known", known_}, {"promised", promised_}, {"accepted", accepted_}};
    fs::rename("state.new", "state");
  }

  Json known() {
    const std::lock_guard lock(mutex_);
    return known_;
  }

  void tell_all() {
    const Json message = {{"do", "learn"}, {"known", known()}};
    for (const auto& [node, address] : addresses_)
      if (node != name_) (void)ask_json(address, message, 0);
  }

  Json ask_node(const std::string& node, const Json& message) {
    return node == name_ ? obey(message) : ask_json(addresses_.at(node), message, kRpcMs);
  }

  // A majority of the members says ok: the answers. Empty: not now.
  std::vector<Json> majority(const Json& members, const Json& message) {
    std::vector<Json> agreed;
    for (const auto& node : members) {
      const Json answer = ask_node(node, message);
      if (!answer.is_object()) continue;
      if (answer.contains("known")) {
        const std::lock_guard lock(mutex_);
        learn(answer["known"]);
        return {};
      }
      if (answer.contains("promised")) round_ = std::max(round_, answer["promised"][0].get<int>());
      if (answer.contains("ok")) agreed.push_back(answer);
      if (2 * agreed.size() > members.size()) return agreed;
    }
    return {};
  }

  // The proposer.
  Json change(const Json& wanted) {
    const std::lock_guard one_at_a_time(proposer_);
    const auto deadline = Clock::now() + kBudget;
    bool proposed = false;
    Rng rng(static_cast<std::uint64_t>(deadline.time_since_epoch().count()));
    while (Clock::now() < deadline) {
      const Json now = known();
      std::set<std::string> members = now["members"];
      const std::string out = wanted["out"], in = wanted["in"];
      if (shows({0, members}, {out, in})) return {{"type", "ok"}};
      if ((!out.empty() && !members.contains(out)) || (!in.empty() && members.contains(in)))
        return {{"type", proposed ? "info" : "fail"}, {"error", "it does not fit who the members are"}};
      members.erase(out);
      if (!in.empty()) members.insert(in);
      tell_all();
      propose(now, members, proposed);
      std::this_thread::sleep_for(std::chrono::milliseconds(rng.between(1, 30)));
    }
    return {{"type", proposed ? "info" : "fail"}, {"error", "no majority"}};
  }

  void propose(const Json& now, const std::set<std::string>& members, bool& proposed) {
    const Json ballot = {++round_, name_};
    const int slot = now["version"].get<int>() + 1;
    const auto promises =
        majority(now["members"], {{"do", "prepare"}, {"slot", slot}, {"ballot", ballot}});
    if (promises.empty()) return;
    Json value = members, highest = nullptr;
    for (const auto& promise : promises)
      if (const Json& old = promise["accepted"]; !old.is_null() && highest < old["ballot"]) {
        highest = old["ballot"];
        value = old["members"];
      }
    proposed |= highest.is_null();
    if (majority(now["members"], {{"do", "accept"}, {"slot", slot}, {"ballot", ballot}, {"members", value}})
            .empty())
      return;
    {
      const std::lock_guard lock(mutex_);
      learn({{"version", slot}, {"members", value}});
    }
    tell_all();
  }

  const std::string name_;
  const std::map<std::string, std::string> addresses_;
  lab::Fd socket_;
  std::mutex proposer_;
  int round_ = 0;      // of the proposer
  std::mutex mutex_;   // for all below
  Json known_;         // the configuration that was decided last, as far as we know
  Json promised_, accepted_;  // for the next one; null: nothing
  bool lies_ = false;
};

class MemberList final : public Membership {
 public:
  std::optional<MemberView> view(const Node& node, Deadline deadline) const override {
    const Json view = ask_json(node.address, {{"do", "view"}}, left(deadline));
    if (!view.is_object()) return std::nullopt;
    return MemberView{view["version"], view["members"].get<std::set<std::string>>()};
  }

  Completion change(const MemberChange& change, const std::set<std::string>& members,
                    const std::vector<Node>& all, Deadline deadline) override {
    Completion result{OpType::fail, nullptr, "nobody was asked"};
    for (const auto& node : all) {
      if (!members.contains(node.name) || Clock::now() >= deadline) continue;
      const Json answer = ask_json(
          node.address, {{"do", "change"}, {"out", change.out}, {"in", change.in}}, left(deadline));
      if (answer.is_object() && answer["type"] == "ok") return {OpType::ok, nullptr, ""};
      if (!answer.is_object() || answer["type"] == "info") result = {OpType::info, nullptr, "no answer"};
      else if (result.type == OpType::fail) result.error = answer["error"];
    }
    return result;
  }

  ProcessSpec joining(const Node& node, const std::set<std::string>&,
                      const std::vector<Node>& all) const override {
    return member_spec(node, all, true);
  }

 private:
  static int left(Deadline deadline) {
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<int>(std::max<std::int64_t>(1, ms));
  }
};

}  // namespace

int member_server(int argc, char** argv) {
  if (argc != 5) return 1;
  std::map<std::string, std::string> addresses;
  const Json all = parse_json(argv[4]);
  for (const auto& [name, address] : all.items()) addresses[name] = address;
  return Server(argv[2], std::move(addresses), std::strcmp(argv[3], "joins") == 0).run();
}

ProcessSpec member_spec(const Node& node, const std::vector<Node>& all, bool joins) {
  Json addresses = Json::object();
  for (const auto& one : all) addresses[one.name] = one.address;
  return {{lab::testing::own_binary().string(), "member-server", node.name, joins ? "joins" : "member",
           addresses.dump()},
          {}};
}

std::unique_ptr<Membership> make_membership() { return std::make_unique<MemberList>(); }

void let_lie(const Node& node) { (void)ask_json(node.address, {{"do", "lie"}}, 0); }

}  // namespace gameday::nemesis::testing
