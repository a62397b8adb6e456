#include "harness/run/schedule.h"

#include <gtest/gtest.h>

#include <set>

#include "harness/core/simulate.h"
#include "harness/run/nemesis_driver.h"

namespace gameday::run {
namespace {

FaultKind kind(const std::string& name) {
  FaultKind k;
  k.name = name;
  k.plan = [](Rng& rng, const std::vector<std::string>& nodes) {
    return Json{{"target", rng.pick(nodes)}};
  };
  return k;
}

const std::vector<std::string> kNodes{"n1", "n2", "n3"};
const std::vector<FaultKind> kKinds{kind("partition"), kind("kill"), kind("pause"), kind("clock")};

Json all(const std::vector<PlannedFault>& schedule) {
  Json j = Json::array();
  for (const auto& p : schedule) j.push_back(to_json(p));
  return j;
}

TEST(Schedule, IsAValueOfItsSeed) {
  EXPECT_EQ(all(draw_schedule(kKinds, kNodes, 5, 30)), all(draw_schedule(kKinds, kNodes, 5, 30)));
  EXPECT_NE(all(draw_schedule(kKinds, kNodes, 5, 30)), all(draw_schedule(kKinds, kNodes, 6, 30)));
}

TEST(Schedule, HasEveryKindAndEndsBeforeTheRun) {
  for (const double seconds : {8.0, 20.0, 30.0, 60.0}) {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      std::set<std::string> kinds;
      for (const auto& p : draw_schedule(kKinds, kNodes, seed, seconds)) {
        kinds.insert(p.fault);
        EXPECT_LT(p.at, p.until);
        EXPECT_LE(p.until, seconds - 1.5);
      }
      EXPECT_EQ(kinds.size(), 4u) << "seed " << seed << ", " << seconds << " s";
    }
  }
}

// What writes do under a fault can be judged only when the cluster has had time to settle.
TEST(Schedule, ALongRunHasOneLongFaultThatNothingOverlaps) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto schedule = draw_schedule(kKinds, kNodes, seed, 30);
    int longs = 0;
    for (const auto& one : schedule) {
      if (one.until - one.at < 8) continue;
      ++longs;
      for (const auto& other : schedule)
        EXPECT_TRUE(&other == &one || other.until <= one.at || other.at >= one.until) << seed;
    }
    EXPECT_EQ(longs, 1) << seed;
  }
}

TEST(Schedule, NoFaultsOrNoTimeIsEmpty) {
  EXPECT_TRUE(draw_schedule({}, kNodes, 1, 30).empty());
  EXPECT_TRUE(draw_schedule(kKinds, kNodes, 1, 1).empty());
}

TEST(Schedule, BecomesNemesisOpsInOrderOfTime) {
  const std::vector<PlannedFault> schedule{{1, 4, "kill", {}}, {2, 3, "pause", {}}};
  std::vector<std::pair<std::string, int>> seen;
  for (const auto& op : simulate(schedule_generator(schedule, 0)))
    if (op.type == OpType::invoke) seen.emplace_back(op.f, op.value.at("id").get<int>());
  EXPECT_EQ(seen, (std::vector<std::pair<std::string, int>>{
                      {"inject", 1}, {"inject", 2}, {"heal", 2}, {"heal", 1}}));
}

// A nemesis without a kernel.
class FakeFault final : public ActiveFault {
 public:
  FakeFault(int& in_force, bool heals) : in_force_(in_force), heals_(heals) { ++in_force_; }
  ~FakeFault() override { undo(); }
  Json description() const override { return {{"targets", {"n1"}}}; }
  Result<Proof> heal() override {
    undo();
    if (!heals_) return fail("it is stuck");
    return Proof{true, "bit", {}};
  }

 private:
  void undo() {
    if (!undone_) --in_force_;
    undone_ = true;
  }
  int& in_force_;
  bool heals_;
  bool undone_ = false;
};

class FakeNemesis final : public Nemesis {
 public:
  explicit FakeNemesis(int& in_force) : in_force_(in_force) {}
  std::string_view name() const override { return "fake"; }
  Json plan(Rng&, const std::vector<std::string>&) const override { return {}; }
  std::string describe(const Json&) const override { return "hurt n1"; }
  Result<std::unique_ptr<ActiveFault>> inject(const Json& parameters) override {
    if (!parameters.is_object()) throw std::runtime_error("parameters must be an object");
    if (parameters.value("refuse", false)) return fail("no");
    return std::make_unique<FakeFault>(in_force_, !parameters.value("stuck", false));
  }

 private:
  int& in_force_;
};

class Driver : public testing::Test {
 protected:
  std::unique_ptr<NemesisDriver> make() {
    std::vector<std::unique_ptr<Nemesis>> nemeses;
    nemeses.push_back(std::make_unique<FakeNemesis>(in_force));
    return std::make_unique<NemesisDriver>(std::move(nemeses), journal, [this] { return ++now; });
  }
  static Op op(std::string f, int id, Json parameters = Json::object()) {
    Op o;
    o.f = std::move(f);
    o.process = kNemesis;
    o.value = {{"id", id}, {"fault", "fake"}, {"parameters", std::move(parameters)}};
    return o;
  }

  std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("gameday-journal-{}", ::getpid());
  Journal journal{[this] {
    std::filesystem::remove(file);
    return std::move(*LineFile::create(file));
  }()};
  int in_force = 0;
  std::int64_t now = 0;
};

TEST_F(Driver, JournalsBeforeAndAfterAndProves) {
  auto driver = make();
  EXPECT_EQ(driver->perform(op("inject", 1)).error, "");
  EXPECT_EQ(in_force, 1);
  EXPECT_EQ(driver->in_force(), std::vector<std::string>{"fake"});
  auto stored = read_faults(file);
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_GE(stored[0].in_force, 0);
  EXPECT_EQ(stored[0].healed, -1);
  EXPECT_TRUE(driver->perform(op("heal", 1)).value.at("effective"));
  EXPECT_EQ(in_force, 0);
  stored = read_faults(file);
  EXPECT_GE(stored[0].healed, 0);
  EXPECT_EQ(stored[0].proof.summary, "bit");
  EXPECT_EQ(stored[0].summary, "hurt n1");
  std::filesystem::remove(file);
}

TEST_F(Driver, HealsAllAndAtTheEndOfItsLife) {
  auto driver = make();
  for (int id = 1; id <= 3; ++id) driver->perform(op("inject", id));
  EXPECT_EQ(in_force, 3);
  EXPECT_TRUE(driver->heal_all());
  EXPECT_EQ(in_force, 0);
  driver->perform(op("inject", 4));
  driver.reset();
  EXPECT_EQ(in_force, 0);
  std::filesystem::remove(file);
}

TEST_F(Driver, SaysWhatCouldNotBeDone) {
  auto driver = make();
  EXPECT_NE(driver->perform(op("inject", 1, {{"refuse", true}})).error, "");
  EXPECT_TRUE(driver->heal_all()) << "what was not injected needs no healing";
  EXPECT_NE(driver->perform(op("inject", 7, 5)).error, "") << "an exception is an answer too";
  EXPECT_EQ(read_faults(file).size(), 2u) << "and stands in the journal";
  driver->perform(op("inject", 2, {{"stuck", true}}));
  const auto healed = driver->heal_all();
  ASSERT_FALSE(healed);
  EXPECT_NE(healed.error().message.find("stuck"), std::string::npos);
  for (const auto& record : read_faults(file)) EXPECT_FALSE(record.error.empty());
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace gameday::run
