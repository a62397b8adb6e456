// A test of one's own system: one Redis server, and whether its clients' sessions make sense.
//   own_system run my-redis --nodes 1 --faults kill --time-limit 10
//   own_system run my-redis --nodes 1 --faults kill --time-limit 10 --set persistent=no   # INVALID
#include <gameday/gameday.h>
#include <gameday/sut/connection.h>

using namespace gameday;

struct MyClient final : Client {
  explicit MyClient(std::string where) : address(std::move(where)) {}
  Completion invoke(const Op& op, Deadline deadline) override {
    const bool write = op.f == "write";
    const std::string key = op.value[0].dump(), value = op.value[1].dump();
    if (!server.is_open())
      if (auto opened = server.open(address, 6379, deadline); !opened)
        return {OpType::fail, nullptr, opened.error().message};
    // Redis takes a line of words and answers "+OK", "-ERR ...", "$-1" (nothing) or a length and a line.
    const std::string command = write ? "SET " + key + " " + value : "GET " + key;
    if (auto sent = server.write(command + "\r\n", deadline); !sent)
      return {write ? OpType::info : OpType::fail, nullptr, sent.error().message};
    auto answer = server.read_line(deadline);
    if (answer && answer->starts_with('$') && *answer != "$-1") answer = server.read_line(deadline);
    // No answer: the write may have happened, or will. A read has no effect.
    if (!answer) return {write ? OpType::info : OpType::fail, nullptr, answer.error().message};
    if (answer->starts_with('-')) return {OpType::fail, nullptr, *answer};
    if (write) return {OpType::ok, op.value, ""};
    return {OpType::ok, {op.value[0], *answer == "$-1" ? Json() : Json(std::stoll(*answer))}, ""};
  }
  std::string address;
  sut::Connection server;  // is closed by an error
};

struct MySystem final : System {
  explicit MySystem(SystemOptions chosen) : options(std::move(chosen)) {}
  std::string_view name() const override { return options.kind->name; }
  ProcessSpec process(const Node& node, const std::vector<Node>&) const override {
    return {{"/usr/bin/redis-server", "--bind", node.address, "--protected-mode", "no", "--save", "",
             "--appendonly", options.settings.at("persistent"), "--appendfsync", "always"}, {}};
  }
  std::optional<NodeStatus> status(const Node& node, Deadline deadline) const override {
    if (!sut::Connection().open(node.address, 6379, deadline)) return std::nullopt;
    return NodeStatus{.primary = true};
  }
  bool ready(const std::vector<Node>& all, Deadline deadline) const override {
    return status(all.front(), deadline).has_value();
  }
  bool settled(const std::vector<Node>& all, Deadline by) const override { return ready(all, by); }
  std::unique_ptr<Client> client(const Node& node, const std::vector<Node>&) const override {
    return std::make_unique<MyClient>(node.address);
  }
  SystemOptions options;
};

constexpr Setting kSettings[]{{"persistent", "yes|no", "yes", "whether it keeps a log on disk"}};
constexpr SystemKind kMine[]{{"my-redis", "one Redis server", "session", "/usr/bin/redis-server", kSettings,
                              [](const SystemOptions& options) -> Result<std::unique_ptr<System>> {
                                return std::make_unique<MySystem>(options);
                              }}};
int main(int argc, char** argv) { return program(argc, argv, kMine); }
