// The fault of packets, in all its styles, on real nodes. What each does to packets in detail is
// tested where it is done: harness/lab/packets_test.cc.
#include "harness/lab/test_sockets.h"
#include "nemesis/fault_test.h"

namespace gameday::nemesis {
namespace {

using std::chrono::steady_clock;
using testing::receive;
using testing::send;

class PacketFaults : public NemesisTest {
 protected:
  std::string address(const std::string& node) { return testing::address_of(*lab, node); }
  // `count` datagrams from one node to another: those that arrive, and how long all took.
  struct Trip {
    std::vector<std::string> texts;
    std::chrono::nanoseconds took{0};
  };
  Trip trip(const std::string& from, const std::string& to, int count = 20, std::size_t size = 100) {
    const auto source = testing::udp_socket(*lab, from), target = testing::udp_socket(*lab, to, 7100);
    const auto begin = steady_clock::now();
    for (int i = 0; i < count; ++i) {
      std::string text = fmt::format("{:05}", i);
      text.resize(size, 'x');
      EXPECT_TRUE(testing::send_to(source, address(to), 7100, text));
    }
    Trip result;
    while (auto text = receive(target, 150)) {
      result.texts.push_back(*text);
      result.took = steady_clock::now() - begin;
    }
    return result;
  }
  std::size_t arrive(const std::string& from, const std::string& to, std::size_t size = 100) {
    return trip(from, to, 20, size).texts.size();
  }
  Fault start(Json parameters) {
    parameters["order"] = {"n1"};
    return must(inject("packet", parameters));
  }
};

TEST_F(PacketFaults, RepliesToClientsAreLostAndRequestsAreNot) {
  up(2);
  auto fault = start({{"style", "drop-replies"}, {"scope", "clients"}, {"protocol", "tcp"}});
  for (const std::string node : {"n1", "n2"}) {
    const auto listener = testing::tcp_listener(*lab, node, 7200);
    const auto client = testing::tcp_connect(*lab, "clients", address(node), 7200);
    const auto server = testing::tcp_accept(listener);
    ASSERT_TRUE(client && server);
    ASSERT_TRUE(send(client, "please"));
    EXPECT_EQ(receive(server), "please");
    ASSERT_TRUE(send(server, "done"));
    EXPECT_EQ(receive(client, 150).has_value(), node == "n2");
  }
  EXPECT_EQ(arrive("n1", "n2"), 20U);
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_GE(proof.detail["pairs"]["n1>clients"].value("dropped", 0), 1);
  EXPECT_EQ(proof.detail["pairs"].size(), 1U);
  must(lab->verify_healed());

  // Of one port only.
  fault = start({{"style", "drop-replies"}, {"scope", "clients"}, {"port", 7000}});
  EXPECT_FALSE(answers("n1"));
  EXPECT_TRUE(answers("n2"));
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_TRUE(answers("n1"));
  fault = start({{"style", "drop-replies"}, {"scope", "clients"}, {"port", 7001}});
  EXPECT_TRUE(answers("n1"));
  EXPECT_FALSE(heal(fault).effective);
}

TEST_F(PacketFaults, RepliesBetweenNodesAreLost) {
  up(3);
  auto fault = start({{"style", "drop-replies"}, {"port", 7200}});
  const auto reply = [&](const std::string& asker, const std::string& server_node) {
    const auto listener = testing::tcp_listener(*lab, server_node, 7200);
    const auto client = testing::tcp_connect(*lab, asker, address(server_node), 7200);
    const auto server = testing::tcp_accept(listener);
    EXPECT_TRUE(client && server && send(client, "please") && receive(server));
    EXPECT_TRUE(send(server, "done"));
    return receive(client, 150).has_value();
  };
  EXPECT_FALSE(reply("n2", "n1"));
  EXPECT_TRUE(reply("n1", "n2"));
  EXPECT_TRUE(reply("n2", "n3"));
  EXPECT_TRUE(reply("clients", "n1"));
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_TRUE(reply("n2", "n1"));
}

TEST_F(PacketFaults, EveryStyleShowsItsEffectOnItsPairsOnly) {
  up(3);
  const auto style = [&](const char* name, Json parameters, auto check) {
    SCOPED_TRACE(name);
    parameters["style"] = name;
    parameters["direction"] = "out";
    auto fault = start(parameters);
    check();
    EXPECT_EQ(arrive("n2", "n1"), 20U);
    EXPECT_EQ(arrive("n2", "n3"), 20U);
    const Proof proof = heal(fault);
    EXPECT_TRUE(proof.effective);
    EXPECT_EQ(proof.detail["pairs"].size(), 2U);  // from n1
    must(lab->verify_healed());
    const auto after = trip("n1", "n2");
    EXPECT_EQ(after.texts.size(), 20U);
    EXPECT_TRUE(std::is_sorted(after.texts.begin(), after.texts.end()));
  };
  const auto out = [&](int count = 20, std::size_t size = 100) { return trip("n1", "n2", count, size); };
  style("delay", {{"delay_ms", 80}}, [&] { EXPECT_GE(out().took, 80ms); });
  style("jitter", {{"delay_ms", 30}, {"jitter_ms", 30}, {"distribution", "normal"}}, [&] {
    const auto texts = out(100).texts;
    EXPECT_EQ(texts.size(), 100U);
    EXPECT_TRUE(std::is_sorted(texts.begin(), texts.end()));
  });
  style("reorder", {{"delay_ms", 30}, {"jitter_ms", 30}}, [&] {
    const auto texts = out(100).texts;
    EXPECT_EQ(texts.size(), 100U);
    EXPECT_FALSE(std::is_sorted(texts.begin(), texts.end()));
  });
  style("loss", {{"probability", 0.5}}, [&] {
    const auto left = out(200).texts.size();
    EXPECT_GT(left, 50U);
    EXPECT_LT(left, 150U);
  });
  style("burst-loss", {{"probability", 0.5}, {"burst", 10}}, [&] {
    const auto left = out(400).texts.size();
    EXPECT_GT(left, 40U);
    EXPECT_LT(left, 360U);
  });
  style("duplicate", {{"probability", 1}}, [&] { EXPECT_EQ(out().texts.size(), 40U); });
  style("corrupt", {{"probability", 1}}, [&] { EXPECT_EQ(out().texts.size(), 0U); });
  style("corrupt-silently", {{"probability", 1}}, [&] {
    const auto texts = out().texts;
    EXPECT_EQ(texts.size(), 20U);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      std::string sent = fmt::format("{:05}", i);
      sent.resize(100, 'x');
      EXPECT_NE(texts[i], sent);
    }
  });
  // 20 packets of 128 bytes at 25,000 bytes a second: 0.1 s.
  style("rate", {{"rate_kbps", 200}}, [&] { EXPECT_GE(out().took, 100ms); });
  style("mtu-black-hole", {{"mtu", 500}}, [&] {
    EXPECT_EQ(out().texts.size(), 20U);
    EXPECT_EQ(out(20, 600).texts.size(), 0U);
  });
  style("hold", {}, [&] { EXPECT_EQ(out().texts.size(), 0U); });
  style("syn-drop", {}, [&] {
    const auto listener = testing::tcp_listener(*lab, "n2", 7200);
    EXPECT_FALSE(testing::tcp_connect(*lab, "n1", address("n2"), 7200, 100));
    EXPECT_TRUE(testing::tcp_connect(*lab, "n3", address("n2"), 7200));
    EXPECT_EQ(out().texts.size(), 20U);
  });
}

TEST_F(PacketFaults, CombineInOne) {
  up(2);
  auto fault = start({{"style", "duplicate"}, {"probability", 1}, {"delay_ms", 60}, {"mtu", 500}});
  const auto small = trip("n1", "n2");
  EXPECT_EQ(small.texts.size(), 40U);
  EXPECT_GE(small.took, 60ms);
  EXPECT_EQ(arrive("n1", "n2", 600), 0U);
  heal(fault);
}

TEST_F(PacketFaults, OfOnePortAndOneKindOfTraffic) {
  up(2);
  auto fault = start({{"style", "loss"}, {"probability", 1}, {"port", 7100}, {"protocol", "udp"}});
  EXPECT_EQ(arrive("n1", "n2"), 0U);
  EXPECT_EQ(arrive("n2", "n1"), 0U);
  EXPECT_TRUE(testing::reaches(*lab, "n1", "n2"));  // port 7000
  EXPECT_TRUE(heal(fault).effective);
  fault = start({{"style", "loss"}, {"probability", 1}, {"port", 7100}, {"traffic", "replies"}});
  EXPECT_EQ(arrive("n1", "n2"), 20U);
  EXPECT_EQ(arrive("n2", "n1"), 20U);
  EXPECT_FALSE(heal(fault).effective);
  EXPECT_FALSE(inject("packet", {{"style", "syn-drop"}, {"traffic", "replies"}}));
  EXPECT_FALSE(inject("packet", {{"style", "loss"}, {"probability", 1.5}}));
}

TEST_F(PacketFaults, OverlapAndAreHealedInAnyOrder) {
  up(3);
  auto slow = start({{"style", "delay"}, {"delay_ms", 50}});
  auto lossy = must(inject("packet", {{"style", "loss"}, {"probability", 1}, {"order", {"n2"}}}));
  auto cut = must(inject("partition", {{"shape", "one"}, {"order", {"n3"}}}));
  auto held = start({{"style", "hold"}, {"scope", "clients"}, {"direction", "out"}});
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  EXPECT_EQ(arrive("n1", "n2"), 0U);
  EXPECT_EQ(arrive("n1", "n3"), 0U);
  EXPECT_EQ(arrive("n1", "clients"), 0U);
  EXPECT_TRUE(heal(lossy).effective);
  EXPECT_GE(trip("n1", "n2").took, 50ms);
  EXPECT_TRUE(heal(kill).effective);
  EXPECT_TRUE(heal(cut).effective);
  EXPECT_GE(trip("n1", "n3").took, 50ms);
  // Those cut had been delayed before.
  EXPECT_EQ(heal(slow).detail["pairs"]["n1>n3"].value("delayed", 0), 40);
  EXPECT_LT(trip("n1", "n3").took, 50ms);
  EXPECT_EQ(heal(held).detail.value("released", 0), 20);
  must(lab->verify_healed());
  EXPECT_EQ(testing::cut_pairs(*lab), std::vector<std::string>{});
}

TEST_F(PacketFaults, AForgottenOneHealsItself) {
  up(2);
  {
    auto fault = start({{"style", "loss"}, {"probability", 1}});
    EXPECT_EQ(arrive("n1", "n2"), 0U);
    EXPECT_FALSE(lab->verify_healed(1ms));
  }
  must(lab->verify_healed());
  EXPECT_EQ(arrive("n1", "n2"), 20U);
}

TEST_F(PacketFaults, OneThatNobodyNoticedIsVacuous) {
  up(2);
  auto fault = start({{"style", "delay"}});
  EXPECT_FALSE(heal(fault).effective);
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
