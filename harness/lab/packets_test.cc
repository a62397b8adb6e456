// What is done to packets, on real sockets of real nodes.
#include "harness/lab/packets.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "harness/lab/test_server.h"
#include "harness/lab/test_sockets.h"
#include "harness/lab/universe.h"

namespace gameday::lab {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;
using testing::receive;
using testing::send;
using testing::send_to;
using Texts = std::vector<std::string>;
using testing::must;

constexpr int kPort = 7100;

class PacketsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    LabOptions options;
    options.nodes = 3;
    options.directory = folder.path();
    lab = must(Lab::create(options));
    packets = must(lab->packets());
    for (const std::string node : {"n1", "n2", "n3", "clients"})
      sockets[node] = testing::udp_socket(*lab, node, kPort);
  }

  std::string address(const std::string& node) { return testing::address_of(*lab, node); }
  PacketRule rule(const std::string& from, const std::string& to) {
    return {address(from), address(to)};
  }
  int impair(const std::string& from, const std::string& to, const Impairment& impairment) {
    return must(packets->add({rule(from, to)}, impairment, 1));
  }
  PacketCounts heal(int id) {
    const auto report = must(packets->remove(id));
    EXPECT_EQ(report.overruns, 0);
    EXPECT_TRUE(packets->idle());
    return report.rules[0];
  }
  void send_many(const std::string& from, const std::string& to, int count) {
    for (int i = 0; i < count; ++i)
      ASSERT_TRUE(send_to(sockets[from], address(to), kPort, fmt::format("{:05}", i)));
  }
  Texts arrivals(const std::string& node, int quiet_ms = 250) {
    Texts result;
    while (auto text = receive(sockets[node], quiet_ms)) result.push_back(*text);
    return result;
  }
  // How many of `count` datagrams arrive.
  std::size_t arrive(const std::string& from, const std::string& to, int count = 20) {
    send_many(from, to, count);
    return arrivals(to).size();
  }
  // A connection with its two ends.
  struct Connection {
    Fd client, server;
  };
  Connection connection(const std::string& from, const std::string& to, int port) {
    const Fd listener = testing::tcp_listener(*lab, to, port);
    Connection result;
    result.client = testing::tcp_connect(*lab, from, address(to), port);
    result.server = testing::tcp_accept(listener);
    return result;
  }

  testing::TempFolder folder;
  std::unique_ptr<Lab> lab;
  Packets* packets = nullptr;
  std::map<std::string, Fd> sockets;
};

TEST_F(PacketsTest, AreLostBetweenOnePairInOneDirectionOnly) {
  const int id = impair("n1", "n2", {.loss = 1});
  EXPECT_EQ(arrive("n1", "n2"), 0U);
  EXPECT_EQ(arrive("n2", "n1"), 20U);
  EXPECT_EQ(arrive("n1", "n3"), 20U);
  EXPECT_EQ(arrive("clients", "n2"), 20U);
  const auto counts = heal(id);
  EXPECT_EQ(counts.seen, 20);
  EXPECT_EQ(counts.dropped, 20);
  EXPECT_EQ(arrive("n1", "n2"), 20U);
}

TEST_F(PacketsTest, AreLostAtRandomAndInBursts) {
  int id = impair("n1", "n2", {.loss = 0.3});
  const auto alone = arrive("n1", "n2", 1000);
  EXPECT_NEAR(static_cast<double>(alone), 700, 100);
  EXPECT_EQ(static_cast<std::size_t>(heal(id).dropped), 1000 - alone);

  id = impair("n1", "n2", {.loss = 0.3, .burst = 20});
  send_many("n1", "n2", 3000);
  const auto left = arrivals("n2");
  heal(id);
  EXPECT_NEAR(static_cast<double>(left.size()), 2100, 500);
  int bursts = 0;
  for (std::size_t i = 1; i < left.size(); ++i)
    bursts += std::stoi(left[i]) > std::stoi(left[i - 1]) + 1 ? 1 : 0;
  EXPECT_LT(bursts, 120);  // 45 expected; 630 if each were lost alone
}

TEST_F(PacketsTest, AreDelayed) {
  const int id = impair("n1", "n2", {.delay = 100ms});
  const auto begin = steady_clock::now();
  send_many("n1", "n2", 1);
  EXPECT_TRUE(receive(sockets["n2"]));
  EXPECT_GE(steady_clock::now() - begin, 100ms);
  EXPECT_EQ(heal(id).delayed, 1);
}

TEST_F(PacketsTest, KeepTheirOrderUnderJitterOrDoNot) {
  int id = impair("n1", "n2", {.delay = 20ms, .jitter = 20ms});
  send_many("n1", "n2", 200);
  auto texts = arrivals("n2");
  EXPECT_EQ(texts.size(), 200U);
  EXPECT_TRUE(std::is_sorted(texts.begin(), texts.end()));
  EXPECT_EQ(heal(id).reordered, 0);

  id = impair("n1", "n2", {.delay = 20ms, .jitter = 20ms, .keep_order = false});
  send_many("n1", "n2", 200);
  texts = arrivals("n2");
  EXPECT_EQ(texts.size(), 200U);
  EXPECT_FALSE(std::is_sorted(texts.begin(), texts.end()));
  EXPECT_GT(heal(id).reordered, 0);
}

TEST_F(PacketsTest, ArriveTwice) {
  const int id = impair("n1", "n2", {.duplicate = 1});
  send_many("n1", "n2", 20);
  const auto texts = arrivals("n2");
  EXPECT_EQ(texts.size(), 40U);
  EXPECT_EQ(std::set<std::string>(texts.begin(), texts.end()).size(), 20U);
  EXPECT_EQ(heal(id).duplicated, 20);
  EXPECT_EQ(arrive("n1", "n2"), 20U);
}

TEST_F(PacketsTest, WithAWrongChecksumNeverArrive) {
  const int id = impair("n1", "n2", {.corrupt = 1});
  EXPECT_EQ(arrive("n1", "n2", 200), 0U);
  EXPECT_EQ(heal(id).corrupted, 200);
}

TEST_F(PacketsTest, WithACorrectedChecksumArriveAltered) {
  const int id = impair("n1", "n2", {.corrupt_silently = 1});
  for (const std::string text : {"a", "even", "of odd length"}) {
    for (int i = 0; i < 50; ++i) {
      ASSERT_TRUE(send_to(sockets["n1"], address("n2"), kPort, text));
      const auto got = receive(sockets["n2"]);
      ASSERT_TRUE(got) << text;  // the kernel has checked the sum
      EXPECT_EQ(got->size(), text.size());
      EXPECT_NE(*got, text);
    }
  }
  auto [client, server] = connection("n1", "n2", 7200);  // handshakes carry nothing to alter
  ASSERT_TRUE(client && server);
  ASSERT_TRUE(send(client, "over TCP"));
  const auto got = receive(server);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->size(), 8U);
  EXPECT_NE(*got, "over TCP");
  EXPECT_EQ(heal(id).corrupted, 151);
}

TEST_F(PacketsTest, AreSlowedToARateWithABoundOnWhatWaits) {
  // 100 packets of 33 bytes (IP 20, UDP 8, text 5) at 33,000 bytes a second: 0.1 s.
  int id = impair("n1", "n2", {.bytes_per_second = 33'000});
  const auto begin = steady_clock::now();
  send_many("n1", "n2", 100);
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(receive(sockets["n2"]));
  EXPECT_GE(steady_clock::now() - begin, 99ms);
  EXPECT_EQ(heal(id).dropped, 0);

  id = impair("n1", "n2", {.bytes_per_second = 3'300, .queue_bytes = 330});
  const auto arrived = arrive("n1", "n2", 100);
  EXPECT_GE(arrived, 10U);
  EXPECT_LT(arrived, 90U);
  EXPECT_EQ(static_cast<std::size_t>(heal(id).dropped), 100 - arrived);
}

TEST_F(PacketsTest, TooLargeForTheWireVanish) {
  const int id = impair("n1", "n2", {.mtu = 576});
  auto [client, server] = connection("n1", "n2", 7200);
  ASSERT_TRUE(client && server);
  ASSERT_TRUE(send(client, "small"));
  EXPECT_EQ(receive(server), "small");
  ASSERT_TRUE(send(client, std::string(20'000, 'x')));  // one large packet until it is cut
  EXPECT_FALSE(receive(server, 150));
  ASSERT_TRUE(send(server, std::string(20'000, 'y')));  // the other way is open
  EXPECT_TRUE(receive(client));
  EXPECT_GT(heal(id).dropped, 0);
  EXPECT_TRUE(receive(server, 5000));  // sent again by TCP
}

TEST_F(PacketsTest, ThatOpenConnectionsVanishAndOthersDoNot) {
  auto [client, server] = connection("n1", "n2", 7200);
  auto opening = rule("n1", "n2");
  opening.only = PacketRule::Only::syn;
  opening.to_ports = {7201, 7201};
  const int id = must(packets->add({opening}, {.loss = 1}, 1));
  ASSERT_TRUE(send(client, "still there"));
  EXPECT_EQ(receive(server), "still there");
  EXPECT_EQ(arrive("n1", "n2"), 20U);  // UDP
  const Fd there = testing::tcp_listener(*lab, "n2", 7201), other = testing::tcp_listener(*lab, "n2", 7202);
  EXPECT_FALSE(testing::tcp_connect(*lab, "n1", address("n2"), 7201, 100));
  EXPECT_TRUE(testing::tcp_connect(*lab, "n1", address("n2"), 7202));
  EXPECT_TRUE(testing::tcp_connect(*lab, "n3", address("n2"), 7201));
  EXPECT_GE(heal(id).dropped, 1);
  EXPECT_TRUE(testing::tcp_connect(*lab, "n1", address("n2"), 7201));
}

TEST_F(PacketsTest, ThatAnswerVanishWhileRequestsArrive) {
  auto answers = rule("n2", "clients");
  answers.protocol = PacketRule::Protocol::tcp;
  answers.from_ports = kServicePorts;
  answers.only = PacketRule::Only::payload;
  const int id = must(packets->add({answers}, {.loss = 1}, 1));
  auto [client, server] = connection("clients", "n2", 7200);
  ASSERT_TRUE(client && server);
  ASSERT_TRUE(send(client, "please"));
  EXPECT_EQ(receive(server), "please");
  ASSERT_TRUE(send(server, "done"));
  EXPECT_FALSE(receive(client, 150));
  auto [other_client, other_server] = connection("n1", "n2", 7201);
  ASSERT_TRUE(send(other_server, "done"));
  EXPECT_EQ(receive(other_client), "done");
  auto [reverse_client, reverse_server] = connection("n2", "clients", 7202);
  ASSERT_TRUE(reverse_client && send(reverse_client, "a request of n2"));
  EXPECT_TRUE(receive(reverse_server));
  EXPECT_GE(heal(id).dropped, 1);
  EXPECT_EQ(receive(client, 5000), "done");  // sent again by TCP
}

TEST_F(PacketsTest, AreHeldAndReleasedWhenItIsOver) {
  const int id = impair("n1", "n2", {.hold = true, .hold_limit = 30});
  EXPECT_EQ(arrive("n1", "n2", 40), 0U);
  EXPECT_FALSE(packets->idle());
  EXPECT_EQ(must(packets->counts(id))[0].held, 30);
  const auto counts = heal(id);
  EXPECT_EQ(counts.released, 30);
  EXPECT_EQ(counts.dropped, 10);
  const auto texts = arrivals("n2");
  EXPECT_EQ(texts.size(), 30U);
  EXPECT_TRUE(std::is_sorted(texts.begin(), texts.end()));
}

TEST_F(PacketsTest, AllThatWaitsGoesOnWhenItIsOver) {
  const int id = impair("n1", "n2", {.duplicate = 1, .delay = 30s});
  EXPECT_EQ(arrive("n1", "n2"), 0U);
  heal(id);
  EXPECT_EQ(arrivals("n2").size(), 40U);
}

TEST_F(PacketsTest, SetsAddUpAndEndInAnyOrder) {
  const int slow = impair("n1", "n2", {.delay = 60ms}), slower = impair("n1", "n2", {.delay = 60ms});
  const auto once = [&] {
    const auto begin = steady_clock::now();
    send_many("n1", "n2", 1);
    EXPECT_TRUE(receive(sockets["n2"]));
    return steady_clock::now() - begin;
  };
  EXPECT_GE(once(), 120ms);
  const auto first = must(packets->remove(slow));
  EXPECT_EQ(first.rules[0].delayed, 1);
  EXPECT_GE(once(), 60ms);
  const int holding = impair("n1", "n2", {.hold = true});
  send_many("n1", "n2", 5);
  must(packets->remove(slower));
  EXPECT_EQ(arrivals("n2").size(), 0U);
  heal(holding);
  EXPECT_EQ(arrivals("n2").size(), 5U);
}

TEST_F(PacketsTest, AreStillSubjectToAPartitionThatCameLater) {
  const int id = impair("n1", "n2", {.duplicate = 1, .delay = 80ms});
  send_many("n1", "n2", 10);
  const int cut = must(lab->firewall().add({{address("n1"), address("n2"), Action::drop}}));
  EXPECT_EQ(arrivals("n2", 200).size(), 0U);
  EXPECT_EQ(must(lab->firewall().remove(cut))[0].packets, 20);  // the copies too
  heal(id);
}

TEST_F(PacketsTest, RefuseWhatMakesNoSense) {
  EXPECT_FALSE(packets->add({{"nobody", address("n1")}}, {.loss = 1}, 1));
  EXPECT_FALSE(packets->remove(7));
  EXPECT_TRUE(packets->idle());
  EXPECT_TRUE(packets_available()) << packets_available().error().message;
}

}  // namespace
}  // namespace gameday::lab

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
