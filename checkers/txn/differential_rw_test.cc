#include "checkers/txn/differential_rw.h"

#include <gtest/gtest.h>

namespace gameday::txn {
namespace {

TEST(DifferentialRw, AgreesWithBruteForce) { EXPECT_EQ(differential_rw(1, 2000), ""); }

}  // namespace
}  // namespace gameday::txn
