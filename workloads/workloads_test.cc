#include <gtest/gtest.h>

#include <map>
#include <set>

#include "harness/core/simulate.h"
#include "workloads/catalog.h"

namespace gameday::workloads {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

WorkloadOptions options(int clients = 10, double rate = 0) {
  return {7, clients, rate, {"n1", "n2", "n3"}, true};
}

std::vector<Op> run(const Workload& w, const WorkloadOptions& o, std::int64_t seconds = 5) {
  Simulation s;
  s.clients = o.clients;
  return simulate(gen::clients(gen::time_limit(seconds * kSecond, w.clients(o))), s);
}

TEST(Workloads, AreFoundByNameAndReplayBySeed) {
  for (const Workload* w : catalog()) {
    EXPECT_EQ(find(w->name), w);
    EXPECT_EQ(run(*w, options(10, 1000), 1), run(*w, options(10, 1000), 1)) << w->name;
  }
  EXPECT_EQ(find("nothing"), nullptr);
}

TEST(Workloads, WritesAreUnique) {
  for (const Workload* w : catalog()) {
    if (w == &kCounter) continue;  // amounts
    std::map<std::string, std::set<std::string>> written;
    for (const auto& op : run(*w, options(10, 2000))) {
      if (op.type != OpType::invoke) continue;
      const bool writes =
          op.f == "write" || op.f == "append" || op.f == "add" || op.f == "cas" || op.f == "enqueue";
      if (!writes) continue;
      // A register's new value: no write and no cas may repeat it.
      const Json value = op.f == "cas" ? op.value[1][1] : op.value.is_array() ? op.value[1] : op.value;
      const std::string group = op.f == "cas" ? "write" : op.f;
      EXPECT_TRUE(written[group].insert(value.dump()).second) << op.f << " " << op.value.dump();
    }
  }
}

// A client that is balanced anew meets another node's state: what sessions are about.
TEST(Workloads, SessionsChangeNodes) {
  std::map<Process, std::set<std::string>> nodes;
  int reads = 0, writes = 0;
  for (const auto& op : run(kSession, options(5, 500))) {
    if (op.type != OpType::invoke) continue;
    if (!op.node.empty()) nodes[op.process].insert(op.node);
    ++(op.f == "read" ? reads : writes);
  }
  EXPECT_GT(writes, 200);
  EXPECT_GT(reads, writes);
  ASSERT_FALSE(nodes.empty());
  for (const auto& [process, seen] : nodes) EXPECT_EQ(seen.size(), 3U) << process;
}

TEST(Workloads, AllUsesEveryFunctionAndKeepsItsRate) {
  std::map<std::string, int> counts;
  const auto history = run(kAll, options(10, 400), 10);
  int total = 0;
  for (const auto& op : history)
    if (op.type == OpType::invoke) ++counts[op.f], ++total;
  for (const auto& f : {"read", "write", "cas", "get", "append", "add", "search"})
    EXPECT_GT(counts[f], 20) << f;
  EXPECT_NEAR(total, 4000, 400);
}

TEST(Workloads, AllWorksWithOneClient) {
  std::map<std::string, int> counts;
  for (const auto& op : run(kAll, options(1), 2)) ++counts[op.f];
  EXPECT_GT(counts["read"], 0);
  EXPECT_GT(counts["append"], 0);
  EXPECT_GT(counts["search"], 0);
}

TEST(Workloads, CasExpectsAValueThatWasSeen) {
  Simulation s;
  s.clients = 5;
  std::set<std::int64_t> seen;
  const auto history =
      simulate(gen::clients(gen::time_limit(3 * kSecond, kRegister.clients(options(5)))), s);
  for (const auto& op : history) {
    if (op.f == "cas" && op.type == OpType::invoke) {
      EXPECT_TRUE(seen.contains(op.value[1][0].get<std::int64_t>()));
    }
    if (op.type == OpType::ok && op.f == "write") seen.insert(op.value[1].get<std::int64_t>());
    if (op.type == OpType::ok && op.f == "cas") seen.insert(op.value[1][1].get<std::int64_t>());
  }
}

TEST(Workloads, FinalReadsAskEveryNode) {
  for (const Workload* w : catalog()) {
    std::map<std::string, std::set<std::string>> asked;
    for (const auto& op : simulate(gen::clients(w->final_reads(options()))))
      asked[op.f].insert(op.node);
    const bool judged_by_its_end = !w->judges.starts_with("txn:") && w != &kSession;
    EXPECT_EQ(!asked.empty(), judged_by_its_end) << w->name;
    for (const auto& [f, nodes] : asked) EXPECT_EQ(nodes.size(), 3u) << w->name << " " << f;
  }
}

}  // namespace
}  // namespace gameday::workloads
