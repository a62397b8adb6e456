// The windows of faults: what is certain in them, and what only may be.
#include <gtest/gtest.h>

#include "checkers/fault_windows.h"
#include "checkers/story.h"
#include "harness/core/rng.h"

namespace gameday {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
const std::vector<std::string> kNodes = {"n1", "n2", "n3"};
const std::vector<std::string> kFive = {"n1", "n2", "n3", "n4", "n5"};

FaultRecord fault(std::string kind, Json description, std::int64_t from, std::int64_t until) {
  FaultRecord record;
  record.fault = std::move(kind);
  record.description = std::move(description);
  record.requested = from * kSecond;
  record.in_force = from * kSecond + 1;
  record.heal_requested = until * kSecond;
  record.healed = until * kSecond + 1;
  return record;
}

FaultRecord down(std::string kind, const std::vector<std::string>& targets, std::int64_t from,
                 std::int64_t until) {
  return fault(std::move(kind), {{"targets", targets}}, from, until);
}

// Cuts the groups from each other, both ways.
FaultRecord partition(const std::vector<std::vector<std::string>>& groups, std::int64_t from,
                      std::int64_t until) {
  Json grudge = Json::object();
  for (const auto& group : groups)
    for (const auto& node : group) {
      grudge[node] = Json::array();
      for (const auto& other : groups)
        if (other != group)
          for (const auto& far : other) grudge[node].push_back(far);
    }
  return fault("partition", {{"grudge", grudge}}, from, until);
}

std::size_t minorities(const std::vector<FaultRecord>& faults,
                       const std::vector<std::string>& nodes = kNodes) {
  return minority_windows(faults, nodes, 100 * kSecond).size();
}

TEST(MinorityWindows, NeedACertainLossOfTheMajority) {
  EXPECT_EQ(minorities({}), 0U);
  EXPECT_EQ(minorities({down("kill", {"n1"}, 1, 9)}), 0U);
  EXPECT_EQ(minorities({down("kill", {"n1", "n2"}, 1, 9)}), 1U);
  EXPECT_EQ(minorities({down("pause", {"n1"}, 1, 9), down("kill", {"n2"}, 3, 12)}), 1U);
  EXPECT_EQ(minorities({partition({{"n1"}, {"n2", "n3"}}, 1, 9)}), 0U);
  EXPECT_EQ(minorities({partition({{"n1"}, {"n2"}, {"n3"}}, 1, 9)}), 1U);
  EXPECT_EQ(minorities({partition({{"n1"}, {"n2", "n3"}}, 1, 9), down("kill", {"n2"}, 2, 8)}), 1U);
  EXPECT_EQ(minorities({partition({{"n1", "n2"}, {"n3", "n4"}, {"n5"}}, 1, 9)}, kFive), 1U);
}

TEST(MinorityWindows, ABounceRestartsWhatItKillsAndWhatWasPaused) {
  auto bounce = down("kill", {"n1", "n2"}, 5, 12);
  bounce.description["style"] = "bounce";
  EXPECT_EQ(minorities({bounce}), 0U);
  const auto cut = minority_windows({down("pause", {"n1", "n2"}, 1, 9), bounce}, kNodes,
                                    100 * kSecond);
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_EQ(cut[0].until, bounce.requested);
}

TEST(MinorityWindows, AFreezeIsAPauseAndOnlyAKillUntilTheHealIsAnOutage) {
  EXPECT_EQ(minorities({down("freeze", {"n1", "n2"}, 1, 9)}), 1U);
  for (const auto& [style, expected] : {std::pair("down", 1U), {"term", 0U}, {"crash-loop", 0U}}) {
    auto kill = down("kill", {"n1", "n2"}, 1, 9);
    kill.description["style"] = style;
    EXPECT_EQ(minorities({kill}), expected) << style;
  }
}

TEST(MinorityWindows, APacketThatIsLateMayStillMakeAMajority) {
  const auto kill = down("kill", {"n1", "n2"}, 5, 9);
  const auto packet = [](int from, int until) {
    return fault("packet", {{"style", "delay"}}, from, until);
  };
  EXPECT_EQ(minorities({kill, packet(1, 4)}), 1U) << "healed before";
  EXPECT_EQ(minorities({kill, packet(1, 20)}), 0U);
  const auto rest = minority_windows({kill, packet(1, 7)}, kNodes, 100 * kSecond);
  ASSERT_EQ(rest.size(), 1U);
  EXPECT_GE(rest[0].from, 7 * kSecond);
}

TEST(MinorityWindows, ABridgeAndOneWayCutsMayStillConnect) {
  const auto grudge = [](Json g) { return fault("partition", {{"grudge", std::move(g)}}, 1, 9); };
  EXPECT_EQ(minorities({grudge({{"n1", {"n3"}}, {"n3", {"n1"}}})}), 0U) << "n2 is a bridge";
  EXPECT_EQ(minorities({grudge({{"n1", {"n2", "n3"}}, {"n2", {"n3"}}})}), 0U) << "one way";
  EXPECT_EQ(minorities({grudge("nonsense")}), 0U);
}

TEST(MinorityWindows, LastOnlyWhileCertain) {
  const auto cut = minority_windows({down("kill", {"n1", "n2"}, 1, 9)}, kNodes, 100 * kSecond);
  ASSERT_EQ(cut.size(), 1U);
  EXPECT_EQ(cut[0].from, kSecond + 1);
  EXPECT_EQ(cut[0].until, 9 * kSecond);
  EXPECT_EQ(cut[0].live, std::vector<std::string>{"n3"});
  // Another fault's heal may restart what this one killed.
  const auto early = minority_windows(
      {down("kill", {"n1", "n2"}, 1, 9), down("kill", {"n1"}, 2, 4)}, kNodes, 100 * kSecond);
  ASSERT_EQ(early.size(), 1U);
  EXPECT_EQ(early[0].until, 4 * kSecond);
  // And so may a kind of fault that is not known here.
  const auto other = minority_windows(
      {down("kill", {"n1", "n2"}, 1, 9), down("power-loss", {"n1"}, 5, 6)}, kNodes, 100 * kSecond);
  ASSERT_EQ(other.size(), 1U);
  EXPECT_EQ(other[0].until, 5 * kSecond);
  // A fault that never came into force, and one that ended at an unknown time, are not certain.
  auto failed = down("kill", {"n1", "n2"}, 1, 9);
  failed.in_force = -1;
  EXPECT_EQ(minorities({failed}), 0U);
  auto vague = down("kill", {"n1", "n2"}, 1, 9);
  vague.heal_requested = -1;
  EXPECT_EQ(minorities({vague}), 0U);
}

TEST(MinorityWindows, TwoMinoritiesInTurnAreTwoWindows) {
  const auto windows = minority_windows({partition({{"n1", "n2"}, {"n3"}, {"n4"}, {"n5"}}, 1, 5),
                                         partition({{"n1", "n3"}, {"n2"}, {"n4"}, {"n5"}}, 5, 9)},
                                        kFive, 100 * kSecond);
  EXPECT_GE(windows.size(), 2U);
}

TEST(MinorityWindows, MembershipChangesWhatAMajorityIs) {
  EXPECT_EQ(minorities({down("kill", {"n1", "n2"}, 1, 9), down("membership", {"n1"}, 20, 30)}), 0U);
}

Window window_at(const std::vector<FaultRecord>& faults, std::int64_t time) {
  for (const auto& window : healthy_windows(faults, kNodes, 100 * kSecond))
    if (window.from <= time && time < window.until) return window;
  return {};
}

TEST(HealthyWindows, NameTheNodesThatAreWhole) {
  EXPECT_EQ(window_at({}, kSecond).healthy, kNodes);
  const auto killed = window_at({down("kill", {"n2"}, 1, 9)}, 5 * kSecond);
  EXPECT_EQ(killed.healthy, (std::vector<std::string>{"n1", "n3"}));
  EXPECT_EQ(killed.hit, (std::vector<std::string>{"n2"}));
  EXPECT_FALSE(killed.disturbed);
  const auto cut = window_at({partition({{"n1"}, {"n2", "n3"}}, 1, 9)}, 5 * kSecond);
  EXPECT_EQ(cut.healthy, (std::vector<std::string>{"n2", "n3"}));
  EXPECT_FALSE(cut.disturbed);
}

TEST(HealthyWindows, AnythingElseDisturbs) {
  EXPECT_TRUE(window_at({down("disk-full", {"n2"}, 1, 9)}, 5 * kSecond).disturbed);
  EXPECT_TRUE(window_at({fault("kill", Json::object(), 1, 9)}, 5 * kSecond).disturbed);
  // One link alone: its two ends may elect different nodes, and one of them cannot write.
  const auto link = fault("partition", {{"grudge", {{"n1", {"n2"}}, {"n2", {"n1"}}}}}, 1, 9);
  EXPECT_TRUE(window_at({link}, 5 * kSecond).disturbed);
  const auto clients = fault("partition", {{"grudge", {{"n1", {"clients"}}}}}, 1, 9);
  EXPECT_TRUE(window_at({clients}, 5 * kSecond).disturbed);
  auto never_healed = down("disk-full", {"n2"}, 1, 9);
  never_healed.healed = -1;
  EXPECT_TRUE(window_at({never_healed}, 50 * kSecond).disturbed);
}

// Where no majority can talk for certain, no majority is called healthy.
TEST(Windows, NeverContradictEachOther) {
  Rng rng(5);
  for (int round = 0; round < 500; ++round) {
    std::vector<FaultRecord> faults;
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
      const auto from = rng.between(1, 20), until = from + rng.between(1, 20);
      auto shuffled = kFive;
      rng.shuffle(shuffled);
      const auto some = static_cast<std::ptrdiff_t>(1 + rng.below(4));
      const std::vector<std::string> left(shuffled.begin(), shuffled.begin() + some);
      const std::vector<std::string> right(shuffled.begin() + some, shuffled.end());
      faults.push_back(rng.chance(0.5)
                           ? partition({left, right}, from, until)
                           : down(rng.chance(0.5) ? "kill" : "pause", left, from, until));
    }
    for (const auto& minority : minority_windows(faults, kFive, 100 * kSecond))
      for (const auto& window : healthy_windows(faults, kFive, 100 * kSecond))
        if (window.from < minority.until && minority.from < window.until) {
          EXPECT_LT(window.healthy.size(), 3U);
        }
  }
}

Json kill_note(int id) { return {{"id", id}, {"fault", "kill"}}; }
Json killed(int id) {
  Json value = kill_note(id);
  value["description"] = {{"targets", {"n1", "n2"}}};
  return value;
}

// 10 ms an event: the first is at 10 ms.
TEST(FaultsOfAHistory, AreInForceFromDoneToAskedAndPossibleFromAskedToDone) {
  Story story;
  Json asked = kill_note(1);
  asked["parameters"] = {{"style", "down"}};
  story.event(kNemesis, OpType::info, "inject", asked);
  story.event(kNemesis, OpType::info, "inject", killed(1));
  story.event(kNemesis, OpType::info, "heal", kill_note(1));
  story.event(kNemesis, OpType::info, "heal", kill_note(1));
  const auto faults = faults_of(story.input());
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].requested, 10'000'000);
  EXPECT_EQ(faults[0].in_force, 20'000'000);
  EXPECT_EQ(faults[0].heal_requested, 30'000'000);
  EXPECT_EQ(faults[0].healed, 40'000'000);
  EXPECT_EQ(faults[0].parameters, asked["parameters"]);
  EXPECT_EQ(minorities(faults), 1U);
}

TEST(FaultsOfAHistory, OneNoteOfEachIsEnough) {
  Story story;
  Json value = kill_note(1);
  value["targets"] = {"n1", "n2"};
  story.event(kNemesis, OpType::info, "inject", value);
  story.event(kNemesis, OpType::info, "heal", kill_note(1));
  const auto faults = faults_of(story.input());
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].in_force, 10'000'000);
  EXPECT_EQ(faults[0].healed, 20'000'000);
  EXPECT_EQ(minorities(faults), 1U);
}

// The nodes may be up again long before heal-all is noted: certain only while clients still called.
TEST(FaultsOfAHistory, HealAllHealsWhatNobodyHealed) {
  Story story;
  story.event(kNemesis, OpType::info, "inject", killed(1));
  story.event(0, OpType::invoke, "append", {1, 1});
  story.event(0, OpType::ok, "append", {1, 1, 1});
  story.event(kNemesis, OpType::info, "heal-all", nullptr);
  const auto faults = faults_of(story.input());
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].heal_requested, 20'000'000);
  EXPECT_EQ(faults[0].healed, 40'000'000);
}

TEST(FaultsOfAHistory, WhatFailedIsNotCertain) {
  History history;
  const auto note = [&](std::int64_t time, const char* f, const char* error) {
    Op op;
    op.time = time;
    op.process = kNemesis;
    op.type = OpType::info;
    op.f = f;
    op.value = killed(1);
    op.error = error;
    ASSERT_TRUE(history.append(op));
  };
  note(10, "inject", "could not be injected");
  note(20, "heal", "not in force");
  const auto faults = faults_of({history, {}, {}, {}, {}});
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].in_force, -1);
  EXPECT_EQ(faults[0].healed, -1);
  EXPECT_EQ(minorities(faults), 0U);
}

TEST(FaultWords, NameWhatWasInForce) {
  auto cut = partition({{"n1"}, {"n2", "n3"}}, 1, 9);
  cut.summary = "cut n1 off";
  EXPECT_EQ(faults_at({cut}, 5 * kSecond), "while partition (cut n1 off) was in force");
  EXPECT_EQ(faults_at({cut}, 50 * kSecond), "while no fault was in force");
  EXPECT_EQ(faults_at({cut, down("kill", {"n1"}, 2, 9)}, 5 * kSecond),
            "while partition (cut n1 off) and kill were in force");
}

}  // namespace
}  // namespace gameday
