// The tools that clients are made of: a connection that keeps its deadlines against a peer that
// does not, and the workloads on a store with four calls.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "sut/connection.h"
#include "sut/kv_client.h"

namespace gameday::sut {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Listens on loopback, and does what it is told with each connection.
class Peer {
 public:
  explicit Peer(std::function<void(int)> serve)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&name), size) != 0 || ::listen(fd_, 8) != 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size) != 0)
      throw std::runtime_error("no socket");
    port = ntohs(name.sin_port);
    thread_ = std::jthread([this, serve = std::move(serve)] {
      for (int client; (client = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;
           ::close(client))
        serve(client);
    });
  }
  ~Peer() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  static void say(int client, std::string_view text) {
    (void)::send(client, text.data(), text.size(), MSG_NOSIGNAL);
  }
  // Until the other side closes.
  static void wait(int client) {
    char byte = 0;
    while (::recv(client, &byte, 1, 0) > 0) {
    }
  }
  std::uint16_t port = 0;

 private:
  int fd_;
  std::jthread thread_;
};

TEST(Connection, ReadsLinesAndBytesHoweverTheyArrive) {
  Peer peer([](int client) {
    for (const char c : std::string_view("one\r\ntwo\n\r\n12345tail\r\n"))
      Peer::say(client, {&c, 1});
    Peer::wait(client);
  });
  Connection connection;
  const auto deadline = Clock::now() + 10s;
  ASSERT_TRUE(connection.open("127.0.0.1", peer.port, deadline));
  EXPECT_EQ(connection.read_line(deadline).value(), "one");
  EXPECT_EQ(connection.read_line(deadline).value(), "two\n");
  EXPECT_EQ(connection.read(5, deadline).value(), "12345");
  EXPECT_EQ(connection.read_line(deadline).value(), "tail");
}

TEST(Connection, APeerThatSaysNothingDoesNotHoldItUp) {
  Peer peer([](int client) {
    Peer::say(client, "half a line");
    Peer::wait(client);
  });
  Connection connection;
  ASSERT_TRUE(connection.open("127.0.0.1", peer.port, Clock::now() + 10s));
  const auto line = connection.read_line(Clock::now() + 100ms);
  ASSERT_FALSE(line);
  EXPECT_NE(line.error().message.find("in time"), std::string::npos) << line.error().message;
  EXPECT_FALSE(connection.is_open()) << "what comes later would answer another question";
  // Nobody reads: sooner or later there is no room to write.
  Peer deaf([](int) { std::this_thread::sleep_for(500ms); });
  ASSERT_TRUE(connection.open("127.0.0.1", deaf.port, Clock::now() + 10s));
  EXPECT_FALSE(connection.write(std::string(64 << 20, 'x'), Clock::now() + 200ms));
}

TEST(Connection, SaysWhoClosedAndWhoIsNotThere) {
  std::uint16_t port = 0;
  {
    Peer peer([](int client) { Peer::say(client, "bye"); });
    port = peer.port;
    Connection connection;
    ASSERT_TRUE(connection.open("127.0.0.1", port, Clock::now() + 10s));
    const auto line = connection.read_line(Clock::now() + 10s);
    ASSERT_FALSE(line);
    EXPECT_NE(line.error().message.find("closed the connection"), std::string::npos)
        << line.error().message;
  }
  Connection connection;
  const auto refused = connection.open("127.0.0.1", port, Clock::now() + 10s);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("refused"), std::string::npos) << refused.error().message;
  EXPECT_FALSE(connection.write("x", Clock::now() + 1s));
  EXPECT_FALSE(connection.read(1, Clock::now() + 1s));
}

// The four calls of a store, in memory; every write makes a new version.
class Store {
 public:
  std::map<std::string, std::pair<Json, int>> content;
  int version = 0;
  OpType answer = OpType::ok;  // of writes, which happen all the same unless they fail
  std::function<void()> before_commit;
};

class StoreClient final : public KvClient {
 public:
  StoreClient(std::string workload, Store& store) : KvClient(std::move(workload)), store_(store) {}

 private:
  Outcome get(const std::set<std::string>& keys, Snapshot& snapshot) override {
    for (const auto& key : keys) {
      const auto found = store_.content.find(key);
      if (found != store_.content.end())
        snapshot[key] = {found->second.first, std::to_string(found->second.second)};
      else
        snapshot[key] = {};
    }
    return {};
  }
  Outcome put(const std::string& key, const Json& value) override {
    if (store_.answer != OpType::fail) store_.content[key] = {value, ++store_.version};
    return {store_.answer, store_.answer == OpType::ok ? "" : "no"};
  }
  Outcome commit(const Snapshot& snapshot, const std::map<std::string, Json>& writes) override {
    if (store_.before_commit) store_.before_commit();
    Snapshot now;
    std::set<std::string> keys;
    for (const auto& [key, seen] : snapshot) keys.insert(key);
    (void)get(keys, now);
    for (const auto& [key, seen] : snapshot)
      if (now[key].version != seen.version) return {OpType::fail, "changed"};
    for (const auto& [key, value] : writes)
      if (auto done = put(key, value); !done) return done;
    return {};
  }
  Outcome list(const std::string& prefix, Json& values) override {
    for (const auto& [key, value] : store_.content)
      if (key.starts_with(prefix)) values.push_back(value.first);
    return {};
  }
  Store& store_;
};

struct Kv : testing::Test {
  Completion ask(const std::string& workload, const std::string& f, const Json& value = nullptr) {
    Op op;
    op.f = f;
    op.value = value;
    return StoreClient(workload, store).invoke(op, Clock::now() + 1s);
  }
  // Somebody else writes between the read and the write of the next operation.
  void meddle(const std::string& key, const Json& value) {
    store.before_commit = [this, key, value] {
      store.content[key] = {value, ++store.version};
      store.before_commit = nullptr;
    };
  }
  Store store;
};

TEST_F(Kv, Registers) {
  EXPECT_EQ(ask("register", "read", {1, nullptr}).value, Json({1, nullptr}));
  EXPECT_EQ(ask("register", "write", {1, 5}).type, OpType::ok);
  EXPECT_EQ(ask("register", "read", {1, nullptr}).value, Json({1, 5}));
  EXPECT_EQ(ask("register", "cas", Json::parse("[1,[4,6]]")).type, OpType::fail);
  EXPECT_EQ(ask("register", "cas", Json::parse("[1,[5,6]]")).type, OpType::ok);
  meddle("r1", 6);  // the same value, written again: an older cas must not know that
  EXPECT_EQ(ask("register", "cas", Json::parse("[1,[6,7]]")).type, OpType::fail);
  EXPECT_EQ(ask("register", "read", {1, nullptr}).value, Json({1, 6}));
  store.answer = OpType::info;
  EXPECT_EQ(ask("register", "write", {1, 8}).type, OpType::info);
  EXPECT_EQ(ask("register", "cas", Json::parse("[1,[8,9]]")).type, OpType::info);
}

TEST_F(Kv, SetsCountersAndAccounts) {
  EXPECT_EQ(ask("set", "read").value, Json::array());
  EXPECT_EQ(ask("set", "add", 3).type, OpType::ok);
  EXPECT_EQ(ask("set", "add", 4).type, OpType::ok);
  EXPECT_EQ(ask("set", "read").value, Json({3, 4}));
  EXPECT_EQ(ask("counter", "read").value, Json(0));
  EXPECT_EQ(ask("counter", "add", 2).type, OpType::ok);
  meddle("sum", 10);
  EXPECT_EQ(ask("counter", "add", 2).type, OpType::fail) << "an increment would be lost";
  EXPECT_EQ(ask("counter", "read").value, Json(10));
  const Json all = ask("bank", "read").value;
  EXPECT_EQ(all, opening_balances());
  EXPECT_EQ(ask("bank", "transfer", {{"from", 0}, {"to", 1}, {"amount", 1000}}).type, OpType::fail);
  EXPECT_EQ(ask("bank", "transfer", {{"from", 0}, {"to", 1}, {"amount", 30}}).type, OpType::ok);
  EXPECT_EQ(ask("bank", "read").value["0"], Json(70));
  EXPECT_EQ(ask("bank", "read").value["1"], Json(130));
  EXPECT_EQ(ask("bank", "dance").type, OpType::fail);
}

TEST_F(Kv, TransactionsAreAllOrNothing) {
  const Json append = Json::parse(R"([["append",1,7],["r",1,null],["append",2,8]])");
  EXPECT_EQ(ask("list-append", "txn", append).value,
            Json::parse(R"([["append",1,7],["r",1,[7]],["append",2,8]])"));
  meddle("t2", Json({8, 9}));
  EXPECT_EQ(ask("list-append", "txn", append).type, OpType::fail);
  EXPECT_EQ(
      ask("list-append", "txn", Json::parse(R"([["r",1,null],["r",2,null],["r",3,null]])")).value,
      Json::parse(R"([["r",1,[7]],["r",2,[8,9]],["r",3,null]])"));
  EXPECT_EQ(ask("rw-register", "txn", Json::parse(R"([["w",5,1],["r",5,null],["w",5,2]])")).value,
            Json::parse(R"([["w",5,1],["r",5,1],["w",5,2]])"));
  EXPECT_EQ(store.content["t5"].first, Json(2));
  const int version = store.version;
  EXPECT_EQ(ask("rw-register", "txn", Json::parse(R"([["r",5,null]])")).type, OpType::ok);
  EXPECT_EQ(store.version, version) << "who only reads writes nothing";
}

}  // namespace
}  // namespace gameday::sut
