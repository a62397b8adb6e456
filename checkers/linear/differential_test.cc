#include "checkers/linear/differential.h"

#include <gtest/gtest.h>

namespace gameday::linear {
namespace {

class Differential : public testing::TestWithParam<const char*> {};

TEST_P(Differential, AgreesWithTryingEveryOrder) {
  EXPECT_EQ(differential(GetParam(), 1, 20'000), "");
}

INSTANTIATE_TEST_SUITE_P(Models, Differential,
                         testing::Values("register", "cas-register", "mutex", "owner-mutex",
                                         "reentrant-mutex", "linearizable-counter",
                                         "linearizable-set", "fifo-queue", "unordered-queue",
                                         "stack", "priority-queue", "append-log"));

}  // namespace
}  // namespace gameday::linear
