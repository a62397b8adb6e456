#include "harness/core/history.h"

#include <gtest/gtest.h>

#include <sstream>

#include "harness/core/checker.h"

namespace gameday {
namespace {

Result<History> read(const std::string& text) {
  std::istringstream in(text);
  return read_history(in);
}

TEST(History, PairsInvocationsWithCompletions) {
  const auto h = read(
      "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":[1,2],\"time\":5,\"node\":\"n1\"}\n"
      "{\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"value\":[1,null]}\n"
      "{\"process\":\"nemesis\",\"type\":\"info\",\"f\":\"inject\",\"value\":{}}\n"
      "{\"process\":0,\"type\":\"info\",\"f\":\"write\",\"value\":[1,2],\"error\":\"timeout\"}\n");
  ASSERT_TRUE(h) << h.error().message;
  EXPECT_EQ(h->size(), 4u);
  EXPECT_EQ(h->pair(0), 3);
  EXPECT_EQ(h->pair(3), 0);
  EXPECT_EQ(h->pair(1), -1);
  EXPECT_FALSE(h->is_client(2));
  EXPECT_EQ(h->error(3), "timeout");
  EXPECT_EQ(h->name(h->node(0)), "n1");
  EXPECT_TRUE(h->has_f("read"));
  EXPECT_FALSE(h->has_f("inject")) << "the nemesis is no client";
  EXPECT_EQ(h->op(0).value, Json::parse("[1,2]"));
}

TEST(History, RoundTripsThroughJsonLines) {
  Op op;
  op.index = 0;
  op.time = 77;
  op.process = 3;
  op.f = "cas";
  op.value = Json::parse("[4,[1,2]]");
  op.node = "n2";
  const auto h = read(to_json(op).dump() + "\n");
  ASSERT_TRUE(h);
  EXPECT_EQ(h->op(0), op);
}

TEST(History, AnUnfinishedLastLineIsDropped) {
  const std::string text = "{\"process\":0,\"type\":\"invoke\",\"f\":\"r\"}\n{\"process\":0,\"ty";
  const auto h = read(text);
  ASSERT_TRUE(h);
  EXPECT_EQ(h->size(), 1u);
  std::istringstream in(text);
  EXPECT_TRUE(read_what_is_there(in).half_line);
}

TEST(History, IsReadUpToTheFirstDamage) {
  std::istringstream in("{\"process\":0,\"type\":\"invoke\",\"f\":\"r\"}\n?\n"
                        "{\"process\":1,\"type\":\"invoke\",\"f\":\"r\"}\n");
  const auto read = read_what_is_there(in);
  EXPECT_EQ(read.history.size(), 1u);
  EXPECT_FALSE(read.half_line);
  EXPECT_EQ(read.damage.rfind("line 2: ", 0), 0u) << read.damage;
}

// The file of a process' memory opens, and its first byte cannot be read.
TEST(History, WhatCannotBeReadIsNoEmptyHistory) {
  EXPECT_FALSE(read_history(std::filesystem::path("/proc/self/mem")));
  EXPECT_FALSE(read_history(std::filesystem::path("/tmp")));
}

TEST(History, MalformedInputNamesTheLine) {
  const std::string good = "{\"process\":0,\"type\":\"invoke\",\"f\":\"r\"}\n";
  for (const auto& bad : {"nonsense\n", "[]\n", "{\"type\":\"invoke\",\"f\":\"r\"}\n",
                          "{\"process\":-4,\"type\":\"invoke\",\"f\":\"r\"}\n",
                          "{\"process\":1,\"type\":\"perhaps\",\"f\":\"r\"}\n",
                          "{\"process\":1,\"type\":\"invoke\"}\n",
                          "{\"process\":1,\"type\":\"invoke\",\"f\":\"r\",\"time\":1e308}\n",
                          "{\"process\":1,\"type\":\"invoke\",\"f\":\"r\",\"time\":-5}\n",
                          "{\"process\":1,\"type\":\"invoke\",\"f\":\"r\",\"time\":\"now\"}\n",
                          "{\"process\":1,\"type\":\"ok\",\"f\":\"r\"}\n",
                          "{\"process\":0,\"type\":\"invoke\",\"f\":\"r\"}\n",
                          "{\"process\":0,\"type\":\"ok\",\"f\":\"other\"}\n"}) {
    const auto h = read(good + bad);
    ASSERT_FALSE(h) << bad;
    EXPECT_NE(h.error().message.find("line 2"), std::string::npos) << h.error().message;
  }
}

TEST(History, DeepNestingIsAnErrorAndNotACrash) {
  const std::string deep(100'000, '[');
  const std::string op = R"({"process":0,"type":"invoke","f":"r","value":)";
  const auto h = read(op + deep + std::string(100'000, ']') + "}\n");
  ASSERT_FALSE(h);
  EXPECT_NE(h.error().message.find("line 1"), std::string::npos);
  EXPECT_TRUE(read(op + R"("[[[ in a \\\" string [[[")" + "}\n"));
}

class Throwing final : public Checker {
 public:
  std::string_view name() const override { return "throwing"; }
  std::string_view summary() const override { return ""; }
  bool fits(const CheckInput&) const override { return true; }
  CheckResult check(const CheckInput&) const override { throw std::runtime_error("broken"); }
};

TEST(Checker, AnExceptionIsUnknownWithTheReason) {
  const History h;
  const auto result = check_safely(Throwing(), CheckInput{h, {}, {}, {}, {}});
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("broken"), std::string::npos);
  EXPECT_EQ(result.checker, "throwing");
}

TEST(Verdict, InvalidBeatsUnknownBeatsValid) {
  EXPECT_EQ(merge(Verdict::valid, Verdict::unknown), Verdict::unknown);
  EXPECT_EQ(merge(Verdict::invalid, Verdict::unknown), Verdict::invalid);
  EXPECT_EQ(merge(Verdict::valid, Verdict::valid), Verdict::valid);
  EXPECT_EQ(exit_code_of(Verdict::unknown), 2);
}

TEST(PlannedFault, RoundTripsAndRefusesNonsense) {
  const PlannedFault p{1.5, 2.5, "kill", {{"targets", {"n1"}}}};
  const auto parsed = parse_planned_fault(to_json(p));
  ASSERT_TRUE(parsed);
  EXPECT_EQ(to_json(*parsed), to_json(p));
  EXPECT_FALSE(parse_planned_fault(Json::parse(R"({"at":3,"until":1,"fault":"kill"})")));
  EXPECT_FALSE(parse_planned_fault(Json::parse(R"({"at":"x","until":1,"fault":"kill"})")));
  EXPECT_FALSE(parse_planned_fault(Json::parse("[]")));
}

TEST(PlannedFault, HasMomentsOfEveryKind) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"("when":1.5,"until":2)", "at 1.5 s"},
      {R"("at":1.5,"until":{"ops":7})", "at 1.5 s"},
      {R"("when":{"ops":100},"until":{"after":1})", "after 100 client operations"},
      {R"("when":{"ops":100,"after":0.5},"until":9)", "0.5 s after 100 client operations"},
      {R"("when":{"event":"new-leader"},"until":{"event":"new-leader"})", "at the 1st new leader"},
      {R"("when":{"event":"fsync","nth":12},"until":9)", "at the 12th fsync of the leader"},
      {R"("when":{"event":"fsync","nth":22,"node":"n2","after":1},"until":9)",
       "1 s after the 22nd fsync of n2"},
  };
  for (const auto& [moments, words] : cases) {
    const auto planned = parse_planned_fault(Json::parse("{\"fault\":\"kill\"," + moments + "}"));
    ASSERT_TRUE(planned) << moments << planned.error().message;
    EXPECT_EQ(describe(planned->when), words);
    const auto again = parse_planned_fault(to_json(*planned));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->when, planned->when);
    EXPECT_EQ(again->until, planned->until);
  }
}

TEST(PlannedFault, SaysWhatIsWrongWithIt) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"("when":"soon","until":2)", "\"when\""},
      {R"("when":-1,"until":2)", "-1"},
      {R"("when":1)", "\"until\" is missing"},
      {R"("when":{"ops":0},"until":2)", "\"ops\""},
      {R"("when":{"after":1},"until":2)", "\"event\""},
      {R"("when":{"event":"new-moon"},"until":2)", "new-leader and fsync"},
      {R"("when":{"event":"new-leader","node":"n1"},"until":2)", "node"},
      {R"("when":{"event":"new-leader","nht":2},"until":2)", "nht"},
      {R"("when":1,"until":{"event":"fsync"})", "new-leader"},
      {R"("when":1,"at":1,"until":2)", "another word"},
      {R"("when":1,"until":2,"tragets":"all")", "tragets"},
      {R"("when":1,"until":2,"targets":"all","parameters":{"targets":"one"})", "not in both"},
  };
  for (const auto& [moments, words] : cases) {
    const auto planned = parse_planned_fault(Json::parse("{\"fault\":\"kill\"," + moments + "}"));
    ASSERT_FALSE(planned) << moments;
    EXPECT_NE(planned.error().message.find(words), std::string::npos) << planned.error().message;
  }
}

}  // namespace
}  // namespace gameday
