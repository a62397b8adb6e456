// A test of one's own system: one Redis server, and whether it keeps what was added to a set.
//   own_system run my-redis --nodes 1 --faults kill --time-limit 10
//   own_system run my-redis --nodes 1 --faults kill --time-limit 10 --set persistent=no   # INVALID
#include <gameday/gameday.h>
#include <gameday/sut/connection.h>

#include <algorithm>

using namespace gameday;

class MyClient final : public Client {
 public:
  explicit MyClient(std::string address) : address_(std::move(address)) {}

  Completion invoke(const Op& op, Deadline deadline) override {
    if (!server_.is_open())
      if (auto opened = server_.open(address_, 6379, deadline); !opened)
        return {OpType::fail, nullptr, opened.error().message};
    const bool add = op.f == "add";
    auto answer = ask(add ? "SADD members " + op.value.dump() : "SMEMBERS members", deadline);
    // No answer: the element may have been added, or will be. A read has no effect.
    if (!answer) return {add ? OpType::info : OpType::fail, nullptr, answer.error().message};
    if (answer->is_string() && answer->get<std::string>().starts_with('-'))
      return {OpType::fail, nullptr, answer->get<std::string>()};
    return {OpType::ok, add ? op.value : *answer, ""};
  }

  // Redis takes a line of words for a command, and answers a line, or "*3" and as many strings.
  Result<Json> ask(const std::string& command, Deadline deadline) {
    if (auto sent = server_.write(command + "\r\n", deadline); !sent)
      return tl::make_unexpected(sent.error());
    auto head = server_.read_line(deadline);
    if (!head) return tl::make_unexpected(head.error());
    if (!head->starts_with('*')) return Json(*head);
    Json members = Json::array();
    for (int left = std::stoi(head->substr(1)); left > 0; --left) {
      auto length = server_.read_line(deadline);
      auto member = length ? server_.read_line(deadline) : length;
      if (!member) return tl::make_unexpected(member.error());
      members.push_back(std::stoll(*member));
    }
    return members;
  }

 private:
  std::string address_;
  sut::Connection server_;  // is closed by an error
};

class MySystem final : public System {
 public:
  explicit MySystem(SystemOptions options) : options_(std::move(options)) {}
  std::string_view name() const override { return options_.kind->name; }
  ProcessSpec process(const Node& node, const std::vector<Node>&) const override {
    return {{"/usr/bin/redis-server", "--bind", node.address, "--protected-mode", "no", "--save", "",
             "--appendonly", options_.settings.at("persistent"), "--appendfsync", "always"}, {}};
  }
  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    const bool listens = sut::Connection().open(node.address, 6379, deadline).has_value();
    return listens ? std::optional(NodeStatus{.primary = true}) : std::nullopt;
  }
  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    return std::ranges::all_of(all, [&](const Node& node) { return status(node, deadline).has_value(); });
  }
  bool settled(const std::vector<Node>& all, Deadline deadline) const override {
    return ready(all, deadline);
  }
  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return std::make_unique<MyClient>(node.address);
  }

 private:
  SystemOptions options_;
};

Result<std::unique_ptr<System>> make(const SystemOptions& options) {
  return std::unique_ptr<System>(std::make_unique<MySystem>(options));
}

constexpr Setting kSettings[]{{"persistent", "yes|no", "yes", "whether it keeps a log on disk"}};
constexpr SystemKind kMine[]{
    {"my-redis", "one Redis server", "set", "/usr/bin/redis-server", kSettings, make}};

int main(int argc, char** argv) { return program(argc, argv, kMine); }
