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

}  // namespace
}  // namespace gameday::linear
