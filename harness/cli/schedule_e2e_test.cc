// Schedules of faults through the real program: printed, triggered, stored and replayed.
#include <map>
#include <set>

#include "harness/cli/e2e.h"

namespace gameday {
namespace {

std::vector<Json> lines_of(const fs::path& file, const std::string& event) {
  std::vector<Json> lines;
  std::ifstream in(file);
  for (std::string text; std::getline(in, text);)
    if (Json line = Json::parse(text, nullptr, false); line.is_object() && line["event"] == event)
      lines.push_back(std::move(line));
  return lines;
}

class Schedules : public EndToEnd {
 protected:
  std::string write(const std::string& text) const {
    const fs::path file = scratch / "schedule.json";
    std::ofstream(file) << text;
    return file;
  }
  Json printed(std::vector<std::string> options) const {
    options.push_back("--print-schedule");
    const Outcome o = run(std::move(options));
    EXPECT_EQ(o.code, 0) << o.err;
    return Json::parse(o.out, nullptr, false);
  }
};

TEST_F(Schedules, ArePrintedWithoutARun) {
  const std::vector<std::string> options{"--faults", "kill,rolling-restart,flapping-link", "--seed", "5"};
  const Json schedule = printed(options);
  ASSERT_TRUE(schedule.is_array());
  std::set<std::string> faults;
  for (const auto& entry : schedule) faults.insert(entry.at("fault").get<std::string>());
  EXPECT_EQ(faults, (std::set<std::string>{"kill", "partition"})) << "composites are made of these";
  EXPECT_EQ(printed(options), schedule);
  EXPECT_EQ(printed({"--schedule", write(schedule.dump()), "--seed", "9"}), schedule) << "it is a value";
  EXPECT_TRUE(fs::is_empty(store));
}

TEST_F(Schedules, AllIsEveryFaultThatCanBeDoneHere) {
  std::map<std::string, std::string> here;
  for (const auto& fault : Json::parse(gameday({"list", "faults", "--json"}).out, nullptr, false))
    if (!fault.contains("made-of")) here[fault.at("name")] = fault.at("available");
  auto argv = run_argv({"--faults", "all", "--time-limit", "60", "--print-schedule"});
  const Outcome o = Child(scratch, argv).wait();
  ASSERT_EQ(o.code, 0) << o.err;
  std::set<std::string> drawn;
  for (const auto& entry : Json::parse(o.out, nullptr, false))
    drawn.insert(entry.at("fault").get<std::string>());
  EXPECT_TRUE(drawn.contains("partition") && drawn.contains("kill"));
  for (const auto& [name, available] : here) {
    EXPECT_NE(drawn.contains(name), o.err.find("without " + name + ":") != std::string::npos)
        << name << " is drawn, or it is said why not" << o.err;
    EXPECT_TRUE(available == "yes" || !drawn.contains(name)) << available;
  }
}

TEST_F(Schedules, WaitForOperationsAndLeadersAndAreReplayed) {
  const std::string file = write(R"([
      // a game day
      {"when": {"ops": 1200}, "until": {"after": 0.5}, "fault": "pause", "targets": ["n2"]},
      {"when": 0.3, "until": {"after": 1}, "fault": "kill", "targets": "primaries"},
      {"when": {"event": "new-leader"}, "until": {"after": 1}, "fault": "partition",
       "parameters": {"shape": "one", "order": ["leader"]}},
      {"when": {"event": "new-leader", "nth": 99}, "until": {"after": 1}, "fault": "kill"}])");
  const Outcome o = run({"--schedule", file, "--time-limit", "8", "--seed", "1"});
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  const fs::path folder = latest();
  EXPECT_EQ(lines_of(folder / "faults.jsonl", "planned").size(), 4u);
  std::map<int, std::int64_t> in_force;
  for (const auto& line : lines_of(folder / "faults.jsonl", "in-force"))
    in_force[line.at("id")] = line.at("time");
  ASSERT_TRUE(in_force.contains(1) && in_force.contains(2) && in_force.contains(3)) << o.out;
  EXPECT_GT(in_force[3], in_force[2]) << "a new leader is elected because the old one was killed";
  const auto never = lines_of(folder / "faults.jsonl", "never-came");
  ASSERT_EQ(never.size(), 1u);
  EXPECT_EQ(never[0].at("id"), 4);
  EXPECT_EQ(never[0].at("error"), "its moment never came: at the 99th new leader");
  EXPECT_NE(o.out.find("NEVER CAME"), std::string::npos) << o.out;

  // What was planned is what is replayed, whatever it is read from.
  const Json planned = read_json(folder / "test.json").at("schedule");
  for (const fs::path& source : {folder, folder / "test.json", folder / "faults.jsonl"})
    EXPECT_EQ(printed({"--schedule", source, "--time-limit", "8"}), planned) << source;
  EXPECT_EQ(run({"--schedule", folder / "faults.jsonl", "--time-limit", "8", "--quiet"}).code, 0);
  EXPECT_NE(latest(), folder);
  EXPECT_EQ(read_json(latest() / "test.json").at("schedule"), planned);
  EXPECT_GE(lines_of(latest() / "faults.jsonl", "healed").size(), 3u);
}

TEST_F(Schedules, WaitForTheNthFsyncOfANode) {
  const std::string file = write(R"([
      {"when": {"event": "fsync", "nth": 40, "node": "n1"}, "until": {"after": 0.5},
       "fault": "kill", "targets": ["n1"]},
      {"when": {"event": "fsync", "nth": 1000000}, "until": {"after": 0.5}, "fault": "kill"}])");
  const Outcome o = run({"--schedule", file, "--time-limit", "4", "--quiet"});
  if (o.code == 255 && o.err.find("this machine cannot do") != std::string::npos) GTEST_SKIP() << o.err;
  EXPECT_EQ(o.code, 0) << o.out << o.err;
  const auto in_force = lines_of(latest() / "faults.jsonl", "in-force");
  ASSERT_EQ(in_force.size(), 1u);
  EXPECT_EQ(in_force[0].at("id"), 1);
  EXPECT_EQ(lines_of(latest() / "faults.jsonl", "never-came").size(), 1u);
}

TEST_F(Schedules, ARunWhoseOnlyFaultNeverCameIsUnknown) {
  const std::string file = write(R"([{"when": {"ops": 1000000}, "until": {"after": 1}, "fault": "kill"}])");
  const Outcome o = run({"--schedule", file, "--time-limit", "2", "--quiet"});
  EXPECT_EQ(o.code, 2) << o.out << o.err;
  EXPECT_EQ(verdict_of(results(), "faults-proven"), "UNKNOWN");
  EXPECT_NE(o.out.find("its moment never came"), std::string::npos) << o.out;
}

TEST_F(Schedules, SayWhatIsWrongWithThem) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {R"([{"when":1,"until":2,"fault":"plague"}])", "entry 1: there is no fault \"plague\""},
      {R"([{"when":1,"until":2,"fault":"partition","targets":"all"}])", "there is no parameter \"targets\""},
      {R"([{"when":1,"until":2,"fault":"kill","targets":"most"}])", "minority-third"},
      {R"([{"when":99,"until":100,"fault":"kill"}])", "after the clients end"},
      {R"([{"when":{"event":"fsync","node":"n9"},"until":{"after":1},"fault":"kill"}])", "no node n9"},
      {R"([{"when":{"event":"full-moon"},"until":9,"fault":"kill"}])", "new-leader"},
      {R"([{"when":1,"until":2,"fault":"rolling-restart","parameters":{"speed":9}}])", "speed"},
      {R"([{"when":1,"until":{"ops":9},"fault":"rolling-restart"}])", "after"},
      {R"({"event":"requested"})", "planned lines"},
      {R"([{"when":1)", "must be a JSON array"},
  };
  for (const auto& [text, words] : cases) {
    const Outcome o = run({"--schedule", write(text)});
    EXPECT_EQ(o.code, 254) << text;
    EXPECT_NE(o.err.find(words), std::string::npos) << text << o.err;
  }
  EXPECT_EQ(run({"--faults", "kill", "--interval", "-1"}).code, 254);
  EXPECT_TRUE(fs::is_empty(store));
}

// Mounts, loop devices and control groups that name this test's scratch folder or the program.
std::vector<std::string> left_of(const fs::path& scratch) {
  std::vector<std::string> left;
  std::error_code ignored;
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);)
    if (line.find(scratch.string()) != std::string::npos) left.push_back(line);
  for (const auto& device : fs::directory_iterator("/sys/block", ignored)) {
    std::ifstream in(device.path() / "loop/backing_file");
    std::string file;
    if (std::getline(in, file) && file.find(scratch.string()) != std::string::npos)
      left.push_back(device.path().string() + " " + file);
  }
  return left;
}

// The mechanisms that have something to leave behind; `scripts/bench killed` takes every kind.
TEST_F(Schedules, AControllerKilledInTheMiddleOfAFaultLeavesNothing) {
  std::set<std::string> here;
  for (const auto& fault : Json::parse(gameday({"list", "faults", "--json"}).out, nullptr, false))
    if (fault.at("available") == "yes") here.insert(fault.at("name").get<std::string>());
  for (const std::string kind :
       {"partition", "packet", "pause", "freeze", "clock", "power-loss", "io-error"}) {
    if (!here.contains(kind)) continue;
    Json schedule = printed({"--faults", kind, "--time-limit", "20", "--seed", "1"});
    ASSERT_FALSE(schedule.empty()) << kind;
    schedule = Json::array({schedule[0]});
    schedule[0]["when"] = 0.1;
    schedule[0]["until"] = 600;
    Child p(scratch, run_argv({"--schedule", write(schedule.dump()), "--time-limit", "60"}));
    const auto deadline = std::chrono::steady_clock::now() + 20s;
    while (lines_of(store / "latest/faults.jsonl", "in-force").empty() &&
           std::chrono::steady_clock::now() < deadline)
      std::this_thread::sleep_for(20ms);
    EXPECT_EQ(lines_of(store / "latest/faults.jsonl", "in-force").size(), 1u) << kind;
    p.signal(SIGKILL);
    EXPECT_EQ(p.wait().code, -SIGKILL);
    EXPECT_TRUE(gone_within(2s)) << kind << ": " << marked().size() << " processes are left";
    for (int i = 0; i < 100 && !left_of(scratch).empty(); ++i) std::this_thread::sleep_for(20ms);
    EXPECT_EQ(left_of(scratch), std::vector<std::string>{}) << kind;
    fs::remove_all(store);
    fs::create_directory(store);
  }
}

}  // namespace
}  // namespace gameday
