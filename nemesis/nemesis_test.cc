// The faults against a lab of real processes.
#include <sys/socket.h>

#include <cerrno>

#include "harness/lab/fd.h"
#include "nemesis/fault_test.h"

namespace gameday::nemesis {
namespace {

using Pairs = std::vector<std::string>;

TEST_F(NemesisTest, PartitionsCutExactlyTheGrudge) {
  up(5);
  const std::vector<std::pair<Json, Pairs>> cases{
      {{{"shape", "one"}, {"order", {"leader"}}},
       {"n1>n2", "n2>n1", "n2>n3", "n2>n4", "n2>n5", "n3>n2", "n4>n2", "n5>n2"}},
      {{{"shape", "one-way"}, {"order", {"leader"}}, {"direction", "out"}},
       {"n2>n1", "n2>n3", "n2>n4", "n2>n5"}},
      {{{"shape", "one-way"}, {"order", {"leader"}}, {"direction", "in"}},
       {"n1>n2", "n3>n2", "n4>n2", "n5>n2"}},
      {{{"shape", "ring"}, {"order", {"n1"}}},
       {"n1>n3", "n1>n4", "n2>n4", "n2>n5", "n3>n1", "n3>n5", "n4>n1", "n4>n2", "n5>n2", "n5>n3"}},
      {{{"shape", "bridge"}, {"order", {"n1"}}},
       {"n1>n4", "n1>n5", "n2>n4", "n2>n5", "n4>n1", "n4>n2", "n5>n1", "n5>n2"}}};
  for (const auto& [parameters, expected] : cases) {
    auto fault = must(inject("partition", parameters));
    EXPECT_EQ(testing::cut_pairs(*lab), expected) << parameters;
    const Proof proof = heal(fault);
    EXPECT_TRUE(proof.effective);
    EXPECT_EQ(proof.detail["packets"], expected.size());  // one ping a pair
    EXPECT_EQ(must(lab->firewall().rules_in_force()), 0U);
  }
  EXPECT_EQ(testing::cut_pairs(*lab), Pairs{});
}

TEST_F(NemesisTest, PartitionsByRole) {
  up(5);
  leaders = {"n2", "n4"};
  const auto cut = [&](const Json& parameters) {
    auto fault = must(inject("partition", parameters));
    Pairs pairs = testing::cut_pairs(*lab);
    EXPECT_TRUE(heal(fault).effective);
    return pairs;
  };
  EXPECT_EQ(cut({{"shape", "primaries"}}),
            (Pairs{"n1>n2", "n1>n4", "n2>n1", "n2>n3", "n2>n5", "n3>n2", "n3>n4", "n4>n1", "n4>n3",
                   "n4>n5", "n5>n2", "n5>n4"}));
  EXPECT_EQ(cut({{"shape", "leader-minority"}, {"order", {"n5"}}}),
            (Pairs{"n1>n2", "n1>n5", "n2>n1", "n2>n3", "n2>n4", "n3>n2", "n3>n5", "n4>n2", "n4>n5",
                   "n5>n1", "n5>n3", "n5>n4"}));
  const Pairs halves = cut({{"shape", "random-halves"}, {"seed", 7}});
  EXPECT_EQ(halves.size(), 12U);
  EXPECT_EQ(cut({{"shape", "random-halves"}, {"seed", 7}, {"order", {"n1"}}}), halves);
  EXPECT_FALSE(cut({{"shape", "ring-stochastic"}, {"seed", 3}}).empty());
}

TEST_F(NemesisTest, PartitionsCutClientsFromNodes) {
  up(3);
  auto fault = must(inject("partition", {{"shape", "clients"}, {"order", {"leader"}}}));
  EXPECT_TRUE(answers("n1"));
  EXPECT_FALSE(answers("n2"));
  Proof proof = heal(fault);
  EXPECT_EQ(proof.detail["packets_by_pair"]["clients>n2"], 1);
  EXPECT_EQ(proof.detail["packets_by_pair"]["n2>clients"], 0);
  fault = must(inject("partition", {{"shape", "clients-minority"}, {"order", {"n3"}}}));
  EXPECT_FALSE(answers("n1"));
  EXPECT_FALSE(answers("n2"));
  EXPECT_TRUE(answers("n3"));
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_TRUE(answers("n1"));
}

// A connection of n1 to n2, seen from n1.
class Connection {
 public:
  Connection(lab::Lab& lab, const std::string& from, const std::string& to) {
    must(lab.in_node_network(from, [&] { fd_ = lab::Fd(testing::open_tcp(lab.node(to)->address)); }));
  }
  bool established() const {
    char byte = 0;
    return ::recv(fd_.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }

 private:
  lab::Fd fd_;
};

TEST_F(NemesisTest, EstablishedConnectionsAreResetOnDemand) {
  up(3);
  const Connection cut(*lab, "n1", "n2"), kept(*lab, "n3", "n2"), later(*lab, "n1", "n3");
  auto fault = must(inject("partition", {{"shape", "halves"}, {"order", {"n1", "n3"}}, {"size", 2}}));
  EXPECT_TRUE(cut.established());  // it starves, but nobody has told it
  EXPECT_FALSE(heal(fault).effective);
  fault = must(inject("partition", {{"shape", "one"}, {"order", {"n1"}}, {"reset", true}}));
  EXPECT_FALSE(cut.established());
  EXPECT_FALSE(later.established());
  EXPECT_TRUE(kept.established());
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail.value("reset", Json::array()).size(), 2U) << proof.detail;
}

TEST_F(NemesisTest, APartitionThatNobodyNoticedIsVacuous) {
  up(3);
  auto fault = must(inject("partition", {{"shape", "one"}}));
  EXPECT_FALSE(heal(fault).effective);
  EXPECT_FALSE(inject("partition", {{"shape", "sideways"}}));
  EXPECT_FALSE(inject("partition", {{"shape", "one"}, {"order", {"n9"}}}));
  EXPECT_FALSE(inject("partition", {{"shape", 5}}));
}

TEST_F(NemesisTest, TwoPartitionsAreUnited) {
  up(3);
  auto first = must(inject("partition", {{"shape", "one-way"}, {"order", {"n1"}}}));
  auto second = must(inject("partition", {{"shape", "one-way"}, {"order", {"n2"}}}));
  EXPECT_EQ(testing::cut_pairs(*lab), (Pairs{"n1>n2", "n1>n3", "n2>n1", "n2>n3"}));
  EXPECT_TRUE(heal(first).effective);
  EXPECT_EQ(testing::cut_pairs(*lab), (Pairs{"n2>n1", "n2>n3"}));
  EXPECT_TRUE(heal(second).effective);
  EXPECT_EQ(testing::cut_pairs(*lab), Pairs{});
}

TEST_F(NemesisTest, AForgottenFaultHealsItself) {
  up(3, {.clocks = true});
  {
    auto a = must(inject("partition", {{"shape", "one"}}));
    auto b = must(inject("pause", {{"order", {"n1"}}}));
    auto c = must(inject("kill", {{"order", {"n2"}}}));
    auto d = must(inject("clock", {{"order", {"n3"}}, {"offsets_ms", {5000}}}));
    EXPECT_FALSE(answers("n1"));
    EXPECT_FALSE(answers("n2"));
    EXPECT_NEAR(skew("n3"), 5, 0.1);
  }
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_NEAR(skew("n3"), 0, 0.1);
  EXPECT_EQ(testing::cut_pairs(*lab), Pairs{});
}

TEST_F(NemesisTest, KillsAndRestarts) {
  up(3);
  auto fault = must(inject("kill", {{"style", "down"}, {"order", {"leader", "n1"}}, {"count", 2}}));
  EXPECT_EQ(fault->description()["targets"], (Json{"n2", "n1"}));
  EXPECT_FALSE(answers("n1"));
  EXPECT_FALSE(answers("n2"));
  EXPECT_TRUE(answers("n3"));
  EXPECT_TRUE(heal(fault).effective);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(lab->incarnation("n2"), 2U);
  EXPECT_EQ(lab->incarnation("n3"), 1U);
}

TEST_F(NemesisTest, BouncesQuickly) {
  up(3);
  auto fault =
      must(inject("kill", {{"style", "bounce"}, {"order", {"n1"}}, {"rounds", 3}, {"up_ms", 30}}));
  ASSERT_TRUE(eventually([&] { return lab->incarnation("n1") == 4; }));
  const Proof proof = heal(fault);
  EXPECT_EQ(proof.detail["kills"], 3);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  // Healed in the middle: it still ends with a running node.
  fault = must(
      inject("kill", {{"style", "bounce"}, {"order", {"n1"}}, {"rounds", 4}, {"up_ms", 5000}}));
  EXPECT_EQ(heal(fault).detail["kills"], 1);
  EXPECT_TRUE(testing::wait_until_ready(*lab));
}

TEST_F(NemesisTest, PausesAndResumes) {
  up(3);
  auto fault = must(inject("pause", {{"order", {"leader"}}, {"count", 1}}));
  EXPECT_FALSE(answers("n2"));
  EXPECT_TRUE(answers("n1"));
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["nodes"]["n2"]["stopped_all_along"], true);
  EXPECT_TRUE(answers("n2"));
}

TEST_F(NemesisTest, FaultsOverlapOnOneNode) {
  up(3, {.clocks = true});
  auto partition = must(inject("partition", {{"shape", "one"}, {"order", {"n1"}}}));
  auto clock = must(inject("clock", {{"order", {"n1"}}, {"offsets_ms", {7000}}}));
  auto pause = must(inject("pause", {{"order", {"n1"}}}));
  auto again = must(inject("pause", {{"order", {"n1"}}}));
  EXPECT_TRUE(heal(again).effective);
  EXPECT_FALSE(answers("n1"));  // the first pause is still in force
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  auto second_kill = must(inject("kill", {{"order", {"n1"}}}));
  auto pause_of_the_dead = must(inject("pause", {{"order", {"n1"}}}));
  EXPECT_FALSE(heal(pause_of_the_dead).effective);
  EXPECT_FALSE(heal(second_kill).effective);
  EXPECT_FALSE(lab->alive("n1"));  // only the fault that killed it restarts it
  EXPECT_TRUE(heal(kill).effective);
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_NEAR(skew("n1"), 7, 0.1);
  const Proof proof = heal(pause);  // of a life that is over
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["nodes"]["n1"]["life_ended"], true);
  EXPECT_TRUE(answers("n1"));
  EXPECT_TRUE(heal(clock).effective);
  EXPECT_EQ(testing::cut_pairs(*lab), (Pairs{"n1>n2", "n1>n3", "n2>n1", "n3>n1"}));
  heal(partition);
  EXPECT_EQ(testing::cut_pairs(*lab), Pairs{});
}

TEST_F(NemesisTest, ADeathOfItsOwnIsNotHidden) {
  up(3);
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  auto pause = must(inject("pause", {{"order", {"n2"}}}));
  testing::ask(must(lab->node("n3")).address, "exit 7", 50);
  ASSERT_TRUE(eventually([&] { return !lab->alive("n3"); }));
  const Proof proof = heal(kill);
  EXPECT_NE(proof.summary.find("by itself: n3 exited with code 7"), std::string::npos);
  EXPECT_EQ(heal(pause).detail["died_by_itself"], Json{"n3 exited with code 7"});
  EXPECT_FALSE(lab->alive("n3"));  // and nobody restarts it
}

TEST_F(NemesisTest, WithoutALeaderThePlansOwnOrderCounts) {
  up(3);
  leaders = {};
  auto fault = must(inject("kill", {{"order", {"leader", "n3", "n1", "n2"}}, {"count", 1}}));
  EXPECT_EQ(fault->description()["targets"], Json{"n3"});
  heal(fault);
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
