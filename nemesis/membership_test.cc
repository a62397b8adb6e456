// Membership faults against a cluster of real processes that agree on their members.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "harness/core/finisher.h"
#include "harness/lab/test_server.h"
#include "harness/lab/universe.h"
#include "nemesis/catalog.h"
#include "nemesis/member_server.h"

namespace gameday::nemesis {
namespace {

using namespace std::chrono_literals;
using Fault = std::unique_ptr<ActiveFault>;
using Members = std::set<std::string>;
using lab::testing::must;

// The system's interface, whose answers get lost.
class Forgetful final : public Membership {
 public:
  explicit Forgetful(Membership& real) : real_(real) {}
  std::optional<MemberView> view(const Node& node, Deadline deadline) const override {
    return real_.view(node, deadline);
  }
  Completion change(const MemberChange& change, const Members& members, const std::vector<Node>& all,
                    Deadline deadline) override {
    (void)real_.change(change, members, all, deadline);
    return {OpType::info, nullptr, "lost"};
  }
  ProcessSpec joining(const Node& node, const Members& members, const std::vector<Node>& all) const override {
    return real_.joining(node, members, all);
  }

 private:
  Membership& real_;
};

class MembershipTest : public ::testing::Test {
 protected:
  void up(int nodes) {
    lab::LabOptions options;
    options.nodes = nodes;
    options.directory = folder.path();
    lab = must(lab::Lab::create(options));
    for (const auto& node : lab->nodes())
      if (auto status = lab->start(node.name, testing::member_spec(node, lab->nodes())); !status)
        throw std::runtime_error(status.error().message);
    for (const auto& node : lab->nodes()) {
      all.insert(node.name);
      ASSERT_TRUE(eventually([&] { return members(node.name) == all || members(node.name).size() > 0; }));
    }
    use(*system);
  }
  void use(Membership& membership) {
    for (const auto& entry : catalog())
      nemeses[std::string(entry.name)] =
          entry.make({*lab, [] { return std::vector<std::string>{"n2"}; }, {}, &membership});
  }

  // Whom the node itself takes for the members.
  Members members(const std::string& node) {
    const auto view = system->view(must(lab->node(node)), std::chrono::steady_clock::now() + 200ms);
    return view ? view->members : Members();
  }
  bool eventually(const std::function<bool()>& condition) {
    for (const auto end = std::chrono::steady_clock::now() + 10s; std::chrono::steady_clock::now() < end;) {
      if (condition()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  Members without(const std::string& node) const {
    Members rest = all;
    rest.erase(node);
    return rest;
  }
  Result<Fault> inject(const std::string& name, const Json& parameters) {
    return nemeses.at(name)->inject(parameters);
  }
  Proof heal(Fault& fault) {
    Proof proof = must(fault->heal());
    fmt::print("  {} -> {}\n", proof.effective ? "effective" : "vacuous", proof.summary);
    return proof;
  }
  void expect_all_are_back() {
    const auto finished = dynamic_cast<Finisher&>(*nemeses.at("membership")).finish();
    EXPECT_TRUE(finished) << finished.error().message;
    for (const auto& node : all)
      EXPECT_TRUE(eventually([&] { return members(node) == all; })) << node << Json(members(node));
  }

  lab::testing::TempFolder folder;
  std::unique_ptr<lab::Lab> lab;
  std::unique_ptr<Membership> system = testing::make_membership();
  std::map<std::string, std::unique_ptr<Nemesis>> nemeses;
  Members all;
};

TEST_F(MembershipTest, TakesOutAndBringsBack) {
  up(3);
  auto fault = must(inject("membership", {{"change", "remove"}, {"order", {"leader"}}}));
  for (const auto& node : {"n1", "n3"})
    EXPECT_TRUE(eventually([&] { return members(node) == without("n2"); })) << node;
  EXPECT_TRUE(lab->alive("n2"));
  const Proof proof = heal(fault);
  ASSERT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["during"]["members"], (Json{"n1", "n3"}));
  EXPECT_EQ(proof.detail["after"]["members"], Json(all));
  expect_all_are_back();
}

TEST_F(MembershipTest, AStoppedLeaverIsStartedAgain) {
  up(3);
  for (const auto& [leaver, file] : {std::pair{"stops", true}, {"wiped", false}}) {
    std::ofstream(must(lab->node("n1")).data / "mark") << "here";
    auto fault = must(inject("membership", {{"order", {"n1"}}, {"leaver", leaver}}));
    EXPECT_TRUE(eventually([&] { return !lab->alive("n1"); })) << leaver;
    EXPECT_TRUE(heal(fault).effective);
    EXPECT_EQ(std::filesystem::exists(must(lab->node("n1")).data / "mark"), file) << leaver;
    expect_all_are_back();
  }
}

TEST_F(MembershipTest, ReplacesANodeByASpareOrByItself) {
  up(4);
  auto by_itself = must(inject("membership", {{"change", "replace"}, {"order", {"n3"}}}));
  EXPECT_TRUE(eventually([&] { return lab->incarnation("n3") == 2 && members("n1") == all; }));
  EXPECT_TRUE(heal(by_itself).effective);
  auto out = must(inject("membership", {{"change", "remove"}, {"order", {"n4"}}}));
  EXPECT_TRUE(eventually([&] { return members("n1") == without("n4"); }));
  auto by_spare = must(inject("membership", {{"change", "replace"}, {"order", {"n2"}}, {"floor", 2}}));
  EXPECT_TRUE(eventually([&] { return members("n1") == without("n2"); }));
  auto nobody = must(inject("membership", {{"change", "remove"}, {"order", {"n1"}}}));
  EXPECT_FALSE(heal(nobody).effective) << "a majority must stay";
  EXPECT_TRUE(heal(out).effective);
  EXPECT_TRUE(heal(by_spare).effective);
  expect_all_are_back();
}

TEST_F(MembershipTest, WhereThereIsNothingToDoNothingIsDone) {
  up(3);
  auto add = must(inject("membership", {{"change", "add"}}));
  EXPECT_FALSE(heal(add).effective);
  auto many = must(inject("membership", {{"change", "remove"}, {"floor", 3}}));
  EXPECT_FALSE(heal(many).effective);
  EXPECT_FALSE(inject("membership", {{"change", "swap"}}));
  expect_all_are_back();
}

TEST_F(MembershipTest, ViewsDecideWhereAnswersAreLost) {
  up(3);
  Forgetful forgetful(*system);
  use(forgetful);
  auto fault = must(inject("membership", {{"order", {"n3"}}}));
  EXPECT_TRUE(eventually([&] { return members("n1") == without("n3"); }));
  std::this_thread::sleep_for(200ms);
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["answers"][0]["answer"], "info");
  expect_all_are_back();
}

TEST_F(MembershipTest, OneThatLiesIsNotBelieved) {
  up(3);
  testing::let_lie(must(lab->node("n1")));
  EXPECT_TRUE(eventually([&] { return members("n1") == Members{"n1"}; }));
  auto fault = must(inject("membership", {{"order", {"n3"}}, {"floor", 1}}));
  EXPECT_EQ(fault->description()["before"]["members"], Json(all));
  EXPECT_TRUE(eventually([&] { return members("n2") == without("n3"); }));
  must(fault->heal());
}

TEST_F(MembershipTest, WhatCannotBeUndoneUnderOtherFaultsIsUndoneAfterThem) {
  up(3);
  auto fault = must(inject("membership", {{"order", {"n3"}}, {"leaver", "wiped"}}));
  EXPECT_TRUE(eventually([&] { return !lab->alive("n3"); }));
  auto partition = must(inject("partition", {{"shape", "isolate-majority"}, {"order", {"n1"}}}));
  auto kill = must(inject("kill", {{"order", {"n2"}}}));
  EXPECT_NE(heal(fault).summary.find("left to the end"), std::string::npos);
  must(kill->heal());
  must(partition->heal());
  expect_all_are_back();
  EXPECT_EQ(lab->incarnation("n3"), 2U);
}

TEST_F(MembershipTest, WithoutAMajorityNothingHappensAndThatIsSaid) {
  up(3);
  auto partition = must(inject("partition", {{"shape", "isolate-majority"}, {"order", {"n1"}}}));
  auto fault = must(inject("membership", {{"order", {"n3"}}}));
  EXPECT_FALSE(heal(fault).effective);
  must(partition->heal());
  expect_all_are_back();
}

// Faults of all these kinds one over the other, healed in any order, in the end all are back.
TEST_F(MembershipTest, RandomWalksEndWithEverybody) {
  up(5);
  Rng rng(static_cast<std::uint64_t>(::getpid()));
  const std::vector<std::string> kinds{"membership", "membership", "kill", "partition", "pause"};
  std::vector<std::pair<std::string, Fault>> active;
  int effective = 0;
  for (int step = 0; step < 24; ++step) {
    if (active.size() < 3 && rng.chance(0.6)) {
      const std::string kind = rng.pick(kinds);
      const Json parameters = find(kind)->plan(rng, {all.begin(), all.end()});
      auto fault = inject(kind, parameters);
      // Under a partition or with most nodes dead nobody may know who the members are.
      if (fault) active.emplace_back(kind, std::move(*fault));
    } else if (!active.empty()) {
      const auto at = static_cast<std::ptrdiff_t>(rng.below(active.size()));
      const Proof proof = must(active[static_cast<std::size_t>(at)].second->heal());
      effective += proof.effective && active[static_cast<std::size_t>(at)].first == "membership";
      active.erase(active.begin() + at);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(rng.between(0, 300)));
  }
  for (auto& [kind, fault] : active) must(fault->heal());
  fmt::print("  {} effective changes of the membership\n", effective);
  expect_all_are_back();
}

TEST_F(MembershipTest, ASystemThatOffersNoneSaysSo) {
  up(3);
  const auto fault = find("membership")->make({*lab, {}, {}, nullptr})->inject(Json::object());
  ASSERT_FALSE(fault);
  EXPECT_NE(fault.error().message.find("offers no membership"), std::string::npos);
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) {
  gameday::lab::maybe_run_init(argc, argv);
  if (argc >= 2 && std::strcmp(argv[1], "member-server") == 0)
    return gameday::nemesis::testing::member_server(argc, argv);
  return gameday::lab::testing::test_main(argc, argv, true);
}
