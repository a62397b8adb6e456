// The decisions against their definition on random tiny histories, and cases with words.
#include "checkers/linear/decide/decide.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "checkers/linear/decide/differential.h"

namespace gameday::linear {
namespace {

class Differential : public testing::TestWithParam<std::string_view> {};

TEST_P(Differential, AgreesWithTheDefinition) {
  EXPECT_EQ(differential_decide(GetParam(), 20260601, 20'000), "");
}

INSTANTIATE_TEST_SUITE_P(Objects, Differential, testing::ValuesIn(differential_objects()),
                         [](const auto& param) {
                           std::string name(param.param);
                           std::erase(name, '-');
                           return name;
                         });

TEST(Register, AStaleReadIsExplained) {
  const std::vector<Operation> ops{{kind::write, 5, 0, 0, 1},
                                   {kind::write, 6, 0, 2, 3},
                                   {kind::read, 0, 6, 4, 5},
                                   {kind::read, 0, 5, 6, 7}};
  const Decision decision = decide_register(ops, kNil);
  EXPECT_TRUE(decision.applies);
  EXPECT_EQ(decision.verdict, Verdict::invalid);
  EXPECT_NE(decision.why.find("#3 read 5"), std::string::npos) << decision.why;
}

TEST(Register, AValueWrittenTwiceIsLeftToTheSearch) {
  const std::vector<Operation> ops{{kind::write, 5, 0, 0, 1}, {kind::write, 5, 0, 2, 3}};
  EXPECT_FALSE(decide_register(ops, kNil).applies);
  EXPECT_FALSE(decide_register(std::span(ops).first(1), 5).applies);
}

TEST(Set, AnAddThatALaterReadLacksIsExplained) {
  Lists lists;
  const std::vector<std::int32_t> one{7};
  const std::vector<Operation> ops{
      {kind::add, 7, 0, 0, 1}, {kind::add, 8, 0, 2, 3}, {kind::read_set, 0, lists.add(one), 4, 5}};
  const Decision decision = decide_set(ops, lists);
  EXPECT_EQ(decision.verdict, Verdict::invalid);
  EXPECT_EQ(decision.conflict, (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(decision.why, "#1 added 8 before #2 read a set of 1, which is without 8");
}

TEST(Set, ReadsWithRemovesAreLeftToTheSearch) {
  Lists lists;
  std::vector<Operation> ops{{kind::add, 7, 0, 0, 1}, {kind::remove, 7, 1, 2, 3}};
  EXPECT_EQ(decide_set(ops, lists).verdict, Verdict::valid);
  ops.push_back({kind::read_set, 0, lists.add({}), 4, 5});
  EXPECT_FALSE(decide_set(ops, lists).applies);
}

TEST(Log, AnAppendThatFoundNoPlaceIsExplained) {
  const Lists lists;
  const std::vector<Operation> ops{{kind::append, 5, kUnknown, 0, 1},
                                   {kind::append, 6, kUnknown, 2, 3},
                                   {kind::append, 7, 1, 4, 5}};
  const Decision decision = decide_log(ops, lists);
  EXPECT_EQ(decision.verdict, Verdict::invalid);
  EXPECT_EQ(decision.conflict, (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_NE(decision.why.find("#2 appended 7 at position 1"), std::string::npos) << decision.why;
  EXPECT_EQ(decide_log(std::span(ops).subspan(1), lists).verdict, Verdict::valid);
}

TEST(Stack, WhatIsBelowCannotBePoppedFirst) {
  const std::vector<Operation> ops{{kind::push, 5, 0, 0, 1},
                                   {kind::push, 6, 0, 2, 3},
                                   {kind::pop, 0, 5, 4, 5},
                                   {kind::pop, 0, 6, 6, 7}};
  const Decision decision = decide_stack(ops);
  EXPECT_EQ(decision.verdict, Verdict::invalid);
  EXPECT_EQ(decision.why,
            "#0 put 5 in before #1 put 6 in, but #2 took 5 before #3 took 6, which was on top");
}

TEST(Stack, APendingPopCanHaveTakenWhatWasOnTop) {
  std::vector<Operation> ops{{kind::push, 5, 0, 0, 1},
                             {kind::push, 6, 0, 2, 3},
                             {kind::push, 7, 0, 4, 5},
                             {kind::pop, 0, kUnknown, 6, kPending},
                             {kind::pop, 0, 6, 7, 8}};
  EXPECT_EQ(decide_stack(ops).verdict, Verdict::valid);
  ops.erase(ops.begin() + 3);
  EXPECT_EQ(decide_stack(ops).verdict, Verdict::invalid);
}

TEST(PriorityQueue, SomethingGreaterMustLeaveFirst) {
  const std::vector<Operation> ops{
      {kind::insert, 6, 0, 0, 1}, {kind::insert, 5, 0, 2, 3}, {kind::extract_max, 0, 5, 4, 5}};
  const Decision decision = decide_priority_queue(ops);
  EXPECT_EQ(decision.verdict, Verdict::invalid);
  EXPECT_EQ(decision.why, "#2 took 5, but #0 put 6 in before, and nothing took it out in time");
}

}  // namespace
}  // namespace gameday::linear
