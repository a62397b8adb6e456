#include "harness/run/store.h"

#include "harness/run/journal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace gameday::run {
namespace fs = std::filesystem;
namespace {

class Store : public testing::Test {
 protected:
  void SetUp() override {
    root = fs::temp_directory_path() / fmt::format("gameday-store-{}", ::getpid());
    fs::remove_all(root);
  }
  void TearDown() override { fs::remove_all(root); }
  fs::path root;
};

TEST_F(Store, RunsSideBySideGetFoldersOfTheirOwn) {
  std::mutex mutex;
  std::set<fs::path> folders;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 8; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) {
          const auto folder = create_run_folder(root, "search");
          ASSERT_TRUE(folder) << folder.error().message;
          const std::lock_guard lock(mutex);
          EXPECT_TRUE(folders.insert(*folder).second);
        }
      });
  }
  EXPECT_EQ(folders.size(), 40u);
  EXPECT_TRUE(fs::is_symlink(root / "latest"));
  EXPECT_TRUE(folders.contains(fs::canonical(root / "latest")));
}

TEST_F(Store, LoadsARunWhoseControllerWasKilled) {
  const auto folder = create_run_folder(root, "search");
  ASSERT_TRUE(folder);
  ASSERT_TRUE(write_file(*folder / "test.json", R"({"name":"search","nodes":["n1","n2"]})"));
  std::ofstream(*folder / "history.jsonl")
      << "{\"process\":0,\"type\":\"invoke\",\"f\":\"add\",\"value\":1}\n{\"proc";
  std::ofstream(*folder / "faults.jsonl")
      << "{\"id\":1,\"fault\":\"kill\",\"event\":\"requested\",\"time\":5}\n{\"id\":1,\"fau";
  const auto found = find_run(root, "latest");
  ASSERT_TRUE(found) << found.error().message;
  const auto record = load_run(*found);
  EXPECT_NE(record.damage.find("line 2"), std::string::npos) << record.damage;
  EXPECT_EQ(record.history.size(), 1u);
  ASSERT_EQ(record.faults.size(), 1u);
  EXPECT_EQ(record.faults[0].requested, 5);
  EXPECT_EQ(record.nodes, (std::vector<std::string>{"n1", "n2"}));
  EXPECT_TRUE(record.results.empty());
}

TEST_F(Store, SaysWhatIsMissing) {
  const auto found = find_run(root, "nowhere");
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("nowhere"), std::string::npos);
  if (::geteuid() != 0) {
    EXPECT_FALSE(create_run_folder("/proc/nowhere", "x"));
  }
}

TEST_F(Store, BytesThatAreNotUtf8AreReplaced) {
  EXPECT_NO_THROW((void)dump(Json("\xff\xfe broken")));
}

TEST_F(Store, ALineIsWrittenWhole) {
  fs::create_directories(root);
  {
    auto file = LineFile::create(root / "lines");
    ASSERT_TRUE(file);
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&file, t] {
        for (int i = 0; i < 200; ++i)
          ASSERT_TRUE(file->append(std::string(500, static_cast<char>('a' + t))));
      });
  }
  std::ifstream in(root / "lines");
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    EXPECT_EQ(line.size(), 500u);
    EXPECT_EQ(line.find_first_not_of(line[0]), std::string::npos);
  }
  EXPECT_EQ(count, 800);
}

// Whoever takes a damaged journal at its word excuses, or accuses, for faults that were not there.
TEST_F(Store, SaysWhatIsMissingFromTheJournalOfFaults) {
  const std::string planned = R"({"id":1,"event":"planned","fault":"kill"})" "\n"
                              R"({"id":2,"event":"planned","fault":"pause"})" "\n";
  const std::string first = R"({"id":1,"event":"in-force","fault":"kill","time":5})" "\n"
                            R"({"id":1,"event":"healed","fault":"kill","time":9})" "\n";
  const std::string second = R"({"id":2,"event":"in-force","fault":"pause","time":6})" "\n";
  const std::string came = R"({"id":2,"event":"never-came","fault":"pause","error":"never"})" "\n";
  fs::create_directories(root);
  const auto damage = [&](const std::string& journal, const std::string& heal_all) {
    std::ofstream(root / "faults.jsonl") << journal;
    std::istringstream history(
        heal_all.empty() ? ""
                         : R"({"index":0,"time":9,"process":"nemesis","type":"info","f":"heal-all",)"
                           R"("value":)" + heal_all + "}\n");
    return read_journal(root / "faults.jsonl", read_what_is_there(history).history).damage;
  };
  const std::string whole = R"({"interrupted":false})";
  EXPECT_EQ(damage(planned + first + came, whole), "");
  EXPECT_EQ(damage("", whole), "");
  EXPECT_EQ(damage(planned + first, whole), "1 of 2 planned faults have no record");
  EXPECT_EQ(damage(planned + first, R"({"interrupted":true})"), "");
  EXPECT_EQ(damage(planned + first + second, whole),
            "fault 2 (pause) has no end, although everything was healed");
  EXPECT_EQ(damage(planned + first + "x\n" + came, whole), "line 5 cannot be read");
  EXPECT_EQ(damage(planned + R"({"id":1,"event":"healed","time":"x"})" "\n" + came, ""),
            "line 3 cannot be read");
  EXPECT_EQ(damage(planned + second + R"({"id":2,"ev)", ""), "") << "its controller was killed";
}

}  // namespace
}  // namespace gameday::run
