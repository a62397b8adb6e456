// Correct Raft under thousands of random schedules: sim.h says what happens to it, sim_check.h what
// must hold all the same.
#include <gtest/gtest.h>

#include "sut/search/raft/sim.h"

namespace gameday::search::raft {
namespace {

struct Totals {
  std::size_t committed = 0;
  std::size_t reads = 0;
  std::size_t leaders = 0;
  std::size_t crashes = 0;
};

Totals run_seeds(SimOptions options, std::uint64_t first, std::uint64_t count) {
  Totals totals;
  for (options.seed = first; options.seed < first + count; ++options.seed) {
    const SimResult result = Simulation(options).run();
    EXPECT_FALSE(result.violation) << "nodes " << options.nodes << " seed " << options.seed
                                   << " step " << result.step << ": " << *result.violation;
    if (result.violation) break;
    totals.committed += result.committed;
    totals.reads += result.reads;
    totals.leaders += result.leaders;
    totals.crashes += result.crashes;
  }
  return totals;
}

// A run in which nothing happens proves nothing.
void expect_busy(const Totals& totals, std::size_t runs) {
  EXPECT_GT(totals.committed, 40 * runs);
  EXPECT_GT(totals.reads, 25 * runs);
  EXPECT_GT(totals.leaders, 2 * runs);
  EXPECT_GT(totals.crashes, 2 * runs);
}

TEST(RaftSimulation, ThreeNodes) {
  expect_busy(run_seeds({.nodes = 3}, 1, 2000), 2000);
}

TEST(RaftSimulation, FiveNodes) {
  expect_busy(run_seeds({.nodes = 5}, 1, 800), 800);
}

TEST(RaftSimulation, WithoutPreVote) {
  expect_busy(run_seeds({.nodes = 3, .prevote = false}, 5000, 500), 500);
}

TEST(RaftSimulation, WithoutCheckQuorum) {
  expect_busy(run_seeds({.nodes = 3, .check_quorum = false}, 6000, 500), 500);
}

TEST(RaftSimulation, FiveNodesWithNeither) {
  expect_busy(run_seeds({.nodes = 5, .prevote = false, .check_quorum = false}, 7000, 200), 200);
}

TEST(RaftSimulation, LongRuns) {
  expect_busy(run_seeds({.nodes = 3, .steps = 5000}, 8000, 40), 40);
}

TEST(RaftSimulation, OneNodeAndTwoNodes) {
  run_seeds({.nodes = 1}, 1, 50);
  run_seeds({.nodes = 2}, 1, 100);
}

TEST(RaftSimulation, TheSameSeedIsTheSameRun) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const SimResult first = Simulation({.nodes = 5, .seed = seed}).run();
    const SimResult second = Simulation({.nodes = 5, .seed = seed}).run();
    EXPECT_EQ(first.step, second.step);
    EXPECT_EQ(first.committed, second.committed);
    EXPECT_EQ(first.reads, second.reads);
  }
}

}  // namespace
}  // namespace gameday::search::raft
