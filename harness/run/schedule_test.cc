#include "harness/run/schedule.h"

#include <gtest/gtest.h>

#include <array>
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

Json all(const DrawnSchedule& schedule) {
  Json j = Json::array();
  for (const auto& p : schedule.faults) j.push_back(to_json(p));
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
      for (const auto& p : draw_schedule(kKinds, kNodes, seed, seconds).faults) {
        kinds.insert(p.fault);
        EXPECT_LT(p.when.seconds, p.until.seconds);
        EXPECT_LE(p.until.seconds, seconds - 1.5);
      }
      EXPECT_EQ(kinds.size(), 4u) << "seed " << seed << ", " << seconds << " s";
    }
  }
}

// What writes do under a fault can be judged only when the cluster has had time to settle.
TEST(Schedule, ALongRunHasOneLongFaultThatNothingOverlaps) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto schedule = draw_schedule(kKinds, kNodes, seed, 30).faults;
    int longs = 0;
    for (const auto& one : schedule) {
      if (one.until.seconds - one.when.seconds < 8) continue;
      ++longs;
      for (const auto& other : schedule)
        EXPECT_TRUE(&other == &one || other.until.seconds <= one.when.seconds ||
                    other.when.seconds >= one.until.seconds)
            << seed;
    }
    EXPECT_EQ(longs, 1) << seed;
  }
}

// Faults of a fraction of a second would say nothing: what does not fit is named.
TEST(Schedule, KindsForWhichThereIsNoTimeAreNamed) {
  std::vector<FaultKind> many;
  for (int i = 0; i < 14; ++i) many.push_back(kind(fmt::format("kind-{}", i)));
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    EXPECT_TRUE(draw_schedule(many, kNodes, seed, 30).left_out.empty());
    const auto drawn = draw_schedule(many, kNodes, seed, 10);
    std::set<std::string> kinds(drawn.left_out.begin(), drawn.left_out.end());
    EXPECT_EQ(kinds.size(), 8u);
    for (const auto& p : drawn.faults) {
      EXPECT_GT(p.until.seconds - p.when.seconds, 0.3);
      EXPECT_TRUE(kinds.insert(p.fault).second || drawn.left_out.size() + drawn.faults.size() > 14);
    }
    EXPECT_EQ(kinds.size(), 14u);
  }
}

TEST(Schedule, AnIntervalSetsThePace) {
  for (const double interval : {0.5, 3.0, 10.0}) {
    double sum = 0, count = 0;
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto drawn = draw_schedule(kKinds, kNodes, seed, 200, interval).faults;
      sum += drawn.back().when.seconds - drawn.front().when.seconds;
      count += static_cast<double>(drawn.size()) - 1;
    }
    EXPECT_NEAR(sum / count, interval, interval / 5);
  }
  EXPECT_EQ(draw_schedule(kKinds, kNodes, 1, 20, 10).left_out.size(), 3u);
}

TEST(Schedule, NoFaultsOrNoTimeIsEmpty) {
  EXPECT_TRUE(draw_schedule({}, kNodes, 1, 30).faults.empty());
  EXPECT_TRUE(draw_schedule(kKinds, kNodes, 1, 1).faults.empty());
}

TEST(Schedule, BecomesNemesisOpsInOrderOfTime) {
  const std::vector<PlannedFault> schedule{{1, 4, "kill", {}}, {2, 3, "pause", {}}};
  std::vector<std::pair<std::string, int>> seen;
  for (const auto& op : simulate(schedule_generator(schedule, 0)))
    if (op.type == OpType::invoke) seen.emplace_back(op.f, op.value.at("id").get<int>());
  EXPECT_EQ(seen, (std::vector<std::pair<std::string, int>>{
                      {"inject", 1}, {"inject", 2}, {"heal", 2}, {"heal", 1}}));
}

// What the schedule makes of a simulated run: (seconds, "inject 1") of each nemesis invocation.
std::vector<std::pair<double, std::string>> moments(const std::string& schedule, Gen clients,
                                                    double nemesis_takes = 0.001) {
  std::vector<PlannedFault> planned;
  for (const auto& entry : Json::parse(schedule)) planned.push_back(*parse_planned_fault(entry));
  Simulation simulation;
  simulation.complete = [nemesis_takes](const Op& op) {
    const double seconds = op.process == kNemesis ? nemesis_takes : 0.01;
    return std::pair{static_cast<std::int64_t>(seconds * 1e9), OpType::ok};
  };
  std::vector<std::pair<double, std::string>> seen;
  const Gen all = gen::any({schedule_generator(planned, 0), std::move(clients)});
  std::string open;
  for (const auto& op : simulate(gen::time_limit(20'000'000'000, all), simulation)) {
    if (op.process != kNemesis) continue;
    const std::string what = op.f + " " + op.value.at("id").dump();
    if (what == open) open.clear();  // its completion
    else seen.emplace_back(static_cast<double>(op.time) / 1e9, open = what);
  }
  return seen;
}
using Moments = std::vector<std::pair<double, std::string>>;

void expect_near(const Moments& seen, const Moments& expected) {
  ASSERT_EQ(seen.size(), expected.size()) << ::testing::PrintToString(seen);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].second, expected[i].second);
    EXPECT_NEAR(seen[i].first, expected[i].first, 0.06) << seen[i].second;
  }
}

// Ten a second, after 10 ms each.
Gen ten_writes_a_second() {
  return gen::clients(gen::delay(100'000'000, gen::stream(1, [](Rng&, std::int64_t) {
    Op op;
    op.f = "write";
    return op;
  })));
}

// A probe that sees another leader every two seconds: term 1 from 0 s, 2 from 2 s, ...
Gen probes() {
  return gen::clients(gen::delay(100'000'000, gen::stream(1, [](Rng&, std::int64_t n) {
    Op op;
    op.f = "status";
    op.value = {{"role", n % 2 == 0 ? "leader" : "follower"}, {"term", 1 + n / 20}};
    return op;
  })));
}

TEST(Triggers, AreTimesAsAlways) {
  expect_near(moments(R"([{"when": 1, "until": 3, "fault": "a"},
                          {"at": 2, "until": {"after": 0.5}, "fault": "b"}])",
                      nullptr),
              {{1, "inject 1"}, {2, "inject 2"}, {2.5, "heal 2"}, {3, "heal 1"}});
}

TEST(Triggers, CountOperations) {
  const auto seen = moments(R"([
      {"when": {"ops": 20}, "until": {"ops": 35}, "fault": "a"},
      {"when": 1, "until": 1.5, "fault": "b"},
      {"when": {"ops": 50, "after": 0.4}, "until": {"after": 1}, "fault": "c"},
      {"when": {"ops": 1000}, "until": 19, "fault": "never"}])",
                            ten_writes_a_second());
  expect_near(seen, {{1, "inject 2"}, {1.5, "heal 2"}, {1.91, "inject 1"}, {3.41, "heal 1"},
                     {5.31, "inject 3"}, {6.31, "heal 3"}});
}

TEST(Triggers, ProbesAreNoOperations) {
  EXPECT_TRUE(moments(R"([{"when": {"ops": 1}, "until": 9, "fault": "a"}])", probes()).empty());
}

TEST(Triggers, SeeNewLeaders) {
  const auto seen = moments(R"([
      {"when": {"event": "new-leader"}, "until": {"after": 0.3}, "fault": "the first new one"},
      {"when": {"event": "new-leader", "nth": 2, "after": 0.5}, "until": {"event": "new-leader", "nth": 2},
       "fault": "from the second to the second after that"},
      {"when": {"event": "new-leader", "nth": 99}, "until": {"after": 1}, "fault": "never"}])",
                            probes());
  expect_near(seen, {{2, "inject 1"}, {2.3, "heal 1"}, {4.5, "inject 2"}, {8, "heal 2"}});
}

TEST(Triggers, AFaultThatWouldEndBeforeItBeginsIsLeftOut) {
  const auto seen = moments(R"([
      {"when": {"ops": 50}, "until": 2, "fault": "too late"},
      {"when": {"event": "new-leader", "nth": 2}, "until": {"ops": 3}, "fault": "no ops"}])",
                            ten_writes_a_second());
  EXPECT_TRUE(seen.empty()) << ::testing::PrintToString(seen);
}

// A nemesis that takes long: nothing is lost, and "after" counts from when the fault came into force.
TEST(Triggers, WaitForASlowNemesis) {
  expect_near(moments(R"([{"when": 1, "until": {"after": 1}, "fault": "a"},
                          {"when": 2, "until": 4, "fault": "b"}])",
                      ten_writes_a_second(), 3),
              {{1, "inject 1"}, {4, "inject 2"}, {7, "heal 2"}, {10, "heal 1"}});
}

TEST(Triggers, AreToldWhatHappensInANode) {
  std::vector<PlannedFault> planned{*parse_planned_fault(
      Json::parse(R"({"when": {"event": "fsync", "nth": 3}, "until": {"after": 1}, "fault": "kill"})"))};
  std::array<Process, 2> processes{kNemesis, 0};
  Context c;
  c.clients = 1;
  c.all = c.free = Threads(3);
  c.processes = processes;
  Gen g = schedule_generator(planned, 0);
  EXPECT_EQ(gen::step(g, c).kind, Step::Kind::pending);
  Op event;
  event.process = kNemesis;
  event.type = OpType::info;
  event.f = "event";
  event.time = 5;
  event.value = {{"event", "fsync"}, {"id", 2}};
  EXPECT_EQ(gen::step(gen::update(g, c, event), c).kind, Step::Kind::pending) << "of another entry";
  event.value["id"] = 1;
  c.time = 5;
  const Step step = gen::step(gen::update(g, c, event), c);
  ASSERT_EQ(step.kind, Step::Kind::op);
  EXPECT_EQ(step.op.f, "inject");
}

// A nemesis without a kernel.
class FakeFault final : public ActiveFault {
 public:
  FakeFault(int& in_force, Json parameters) : in_force_(in_force), parameters_(std::move(parameters)) {
    ++in_force_;
  }
  ~FakeFault() override { undo(); }
  Json description() const override { return {{"targets", {"n1"}}}; }
  Result<Proof> heal() override {
    if (parameters_.value("throws", false)) throw std::runtime_error("it threw");
    undo();
    if (parameters_.value("stuck", false)) return fail("it is stuck");
    return Proof{true, "bit", {}};
  }

 private:
  void undo() {
    if (!undone_) --in_force_;
    undone_ = true;
  }
  int& in_force_;
  const Json parameters_;
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
    auto fault = std::make_unique<FakeFault>(in_force_, parameters);
    if (parameters.value("half-way", false)) throw std::runtime_error("the other half failed");
    return fault;
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
  auto stored = read_journal(file, {}).records;
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_GE(stored[0].in_force, 0);
  EXPECT_EQ(stored[0].healed, -1);
  EXPECT_TRUE(driver->perform(op("heal", 1)).value.at("effective"));
  EXPECT_EQ(in_force, 0);
  stored = read_journal(file, {}).records;
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
  EXPECT_EQ(read_journal(file, {}).records.size(), 2u) << "and stands in the journal";
  driver->perform(op("inject", 2, {{"stuck", true}}));
  const auto healed = driver->heal_all();
  ASSERT_FALSE(healed);
  EXPECT_NE(healed.error().message.find("stuck"), std::string::npos);
  for (const auto& record : read_journal(file, {}).records) EXPECT_FALSE(record.error.empty());
  std::filesystem::remove(file);
}

TEST_F(Driver, WhatThrewHalfWayIsUndone) {
  auto driver = make();
  EXPECT_NE(driver->perform(op("inject", 1, {{"half-way", true}})).error, "");
  EXPECT_EQ(in_force, 0);
  EXPECT_TRUE(driver->heal_all()) << "nothing is left to heal";
  driver->perform(op("inject", 2, {{"throws", true}}));
  const auto healed = driver->heal_all();
  ASSERT_FALSE(healed);
  EXPECT_NE(healed.error().message.find("it threw"), std::string::npos);
  EXPECT_EQ(in_force, 0) << "by the guard";
  EXPECT_NE(read_journal(file, {}).records.at(1).error, "");
  std::filesystem::remove(file);
}

TEST_F(Driver, JournalsThePlanAndWhatNeverCame) {
  std::vector<PlannedFault> schedule{{1, 2, "fake", {}}, {1, 2, "fake", {{"x", 1}}}};
  schedule[1].when.kind = Moment::Kind::ops;
  schedule[1].when.count = 5000;
  ASSERT_TRUE(journal.plan(schedule));
  EXPECT_TRUE(read_journal(file, {}).records.empty()) << "a plan is no fault";
  auto driver = make();
  driver->perform(op("inject", 1));
  driver->heal_all();
  driver->never_came(schedule);
  const auto stored = read_journal(file, {}).records;
  ASSERT_EQ(stored.size(), 2u);
  EXPECT_TRUE(stored[0].proof.effective);
  EXPECT_EQ(stored[1].requested, -1);
  EXPECT_EQ(stored[1].summary, "hurt n1");
  EXPECT_EQ(stored[1].error, "its moment never came: 1 s after 5000 client operations");
  const Json planned = read_planned(*read_file(file));
  ASSERT_EQ(planned.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i)
    EXPECT_EQ(to_json(*parse_planned_fault(planned[i])), to_json(schedule[i]));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace gameday::run
