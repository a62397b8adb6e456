// Damage to files: of a directory, and of nodes that run.
#include "nemesis/file_damage.h"

#include <fstream>
#include <iterator>
#include <set>

#include "nemesis/fault_test.h"

namespace gameday::nemesis {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const fs::path& file, const std::string& bytes) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

std::vector<std::size_t> differences(const std::string& a, const std::string& b) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    if (a[i] != b[i]) result.push_back(i);
  return result;
}

TEST(FileDamage, RegionsOfAllResiduesMakeUpTheFile) {
  for (const std::uint64_t size : {0U, 1U, 9U, 10U, 11U, 29U, 30U, 31U, 95U})
    for (const std::uint64_t modulus : {1U, 3U, 5U}) {
      std::set<std::uint64_t> all;
      for (std::uint64_t residue = 0; residue < modulus; ++residue) {
        const Region region{.chunk = 10, .modulus = modulus, .residue = residue};
        for (std::uint64_t n = 0; n < region.size_within(size); ++n) {
          const std::uint64_t offset = region.offset(n);
          EXPECT_LT(offset, size);
          EXPECT_EQ(offset / 10 % modulus, residue);
          EXPECT_TRUE(all.insert(offset).second);
        }
      }
      EXPECT_EQ(all.size(), size);
    }
}

TEST(FileDamage, FlipsAreThoseThatItTellsOf) {
  testing::TempFolder folder;
  const std::string whole(5000, 'x');
  for (const Flips& flips : {Flips{.probability = {}, .flips = 7}, Flips{.probability = 0.01}}) {
    write(folder.path() / "a/file", whole);
    std::vector<Change> changes;
    Rng rng(3);
    const Region region{.chunk = 100, .modulus = 3, .residue = 1};
    ASSERT_TRUE(flip_bits(folder.path(), "a/file", region, flips, rng, changes));
    const auto found = differences(read(folder.path() / "a/file"), whole);
    ASSERT_EQ(found.size(), changes.size());
    EXPECT_GE(found.size(), 5U);
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i], changes[i].offset);
      EXPECT_EQ(found[i] / 100 % 3, 1U);
    }
  }
}

TEST(FileDamage, StaysBelowTheDirectory) {
  testing::TempFolder folder;
  const fs::path data = folder.path() / "data", outside = folder.path() / "outside";
  write(data / "own/x.log", "inside");
  write(outside / "file", "outside");
  fs::create_symlink(outside / "file", data / "link");
  fs::create_symlink(outside, data / "directory");
  EXPECT_EQ(files_below(data, "*"), std::vector<std::string>{"own/x.log"});
  EXPECT_EQ(files_below(data, "*.log"), std::vector<std::string>{"own/x.log"});
  EXPECT_EQ(files_below(data, "*.txt"), std::vector<std::string>{});
  // Also where a name became a link after it was listed.
  std::vector<Change> changes;
  for (const char* name : {"link", "directory/file", "../outside/file", "gone"})
    EXPECT_TRUE(cut_off(data, name, 100, changes)) << name;
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(read(outside / "file"), "outside");
}

class FileCorruption : public NemesisTest {
 protected:
  fs::path data(const std::string& node) { return must(lab->node(node)).data; }
  static Json with(Json more) {
    more.update({{"order", {"n1", "n2", "n3"}}});
    return more;
  }
};

TEST_F(FileCorruption, HitsADifferentRegionOnEachNode) {
  up(3);
  const std::string whole(30 * 64, 'w');
  for (const char* node : {"n1", "n2", "n3"}) write(data(node) / "db", whole);
  auto fault = must(inject("file-corruption", with({{"targets", "all"}, {"chunk", 64}, {"flips", 50}})));
  std::set<std::size_t> hit;
  for (std::size_t n = 0; n < 3; ++n) {
    const auto found = differences(read(data(fmt::format("n{}", n + 1)) / "db"), whole);
    EXPECT_EQ(found.size(), 50U);
    for (const std::size_t at : found) {
      EXPECT_EQ(at / 64 % 3, n);
      EXPECT_TRUE(hit.insert(at).second) << "damaged on two nodes";
    }
  }
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(lab->incarnation("n2"), 2U);
  const Proof proof = heal(fault);
  EXPECT_TRUE(proof.effective);
  EXPECT_EQ(proof.detail["changes"], 150);
  EXPECT_EQ(proof.detail["changes_shown"], 32) << "the cap is announced";
  EXPECT_EQ(hit.size(), 150U);
  EXPECT_FALSE(differences(read(data("n1") / "db"), whole).empty()) << "the damage stays";
  EXPECT_TRUE(lab->unexpected_exits().empty());
}

TEST_F(FileCorruption, TheSameSeedIsTheSameDamage) {
  up(1);
  const std::string whole(9000, 'w');
  std::set<std::string> images;
  for (const int seed : {4, 4, 5}) {
    write(data("n1") / "db", whole);
    auto fault = must(inject("file-corruption", {{"live", true}, {"flips", 3}, {"seed", seed}}));
    images.insert(read(data("n1") / "db"));
    EXPECT_TRUE(heal(fault).effective);
  }
  EXPECT_EQ(images.size(), 2U);
  EXPECT_EQ(lab->incarnation("n1"), 1U) << "live: it runs on";
}

TEST_F(FileCorruption, TruncatesOnlyWhatMatches) {
  up(1);
  write(data("n1") / "a.log", std::string(100, 'a'));
  write(data("n1") / "b", std::string(100, 'b'));
  auto fault = must(inject("file-corruption",
                           {{"style", "truncate"}, {"glob", "*.log"}, {"bytes", 30}}));
  EXPECT_EQ(fs::file_size(data("n1") / "a.log"), 70U);
  EXPECT_EQ(fs::file_size(data("n1") / "b"), 100U);
  EXPECT_TRUE(heal(fault).effective);
  fault = must(inject("file-corruption", {{"style", "truncate"}, {"glob", "*.none"}}));
  EXPECT_FALSE(heal(fault).effective) << "nothing matches";
}

TEST_F(FileCorruption, RollsBackToTheImageOfTheInjection) {
  up(1);
  write(data("n1") / "db", "old");
  auto fault = must(inject("file-corruption", {{"style", "rollback"}}));
  write(data("n1") / "db", "new and longer");
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_EQ(read(data("n1") / "db"), "old");
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  EXPECT_EQ(lab->incarnation("n1"), 2U);
  fault = must(inject("file-corruption", {{"style", "rollback"}, {"after_ms", 50}}));
  write(data("n1") / "db", "newer");
  EXPECT_TRUE(eventually([&] { return read(data("n1") / "db") == "old"; }));
  EXPECT_TRUE(heal(fault).effective);
  fault.reset();
  for (const auto& entry : fs::directory_iterator(lab->directory("n1")))
    EXPECT_EQ(entry.path().filename().string().find("image"), std::string::npos) << entry.path();
  fault = must(inject("file-corruption", {{"style", "rollback"}}));
  EXPECT_FALSE(heal(fault).effective) << "nothing has changed since";
}

TEST_F(FileCorruption, ARefusalToStartIsToldAndIsNoError) {
  up(2);
  write(data("n1") / "db", "precious");
  must(lab->kill("n1"));
  auto strict = testing::server_spec();
  strict.argv = {"sh", "-c", "grep -q precious db && exec sleep 1000; echo db is damaged; exit 3"};
  must(lab->start("n1", strict));
  auto fault = must(inject("file-corruption", {{"order", {"n1"}}, {"flips", 8}, {"modulus", 1}}));
  const Proof proof = heal(fault);
  EXPECT_NE(proof.summary.find("refuses to run: n1 exited with code 3 (db is damaged)"),
            std::string::npos) << proof.summary;
  EXPECT_FALSE(lab->alive("n1"));
  EXPECT_TRUE(answers("n2"));
}

TEST_F(FileCorruption, ANodeThatAnotherFaultKilledIsHitAndLeftToIt) {
  up(1);
  write(data("n1") / "db", std::string(100, 'x'));
  auto kill = must(inject("kill", {{"order", {"n1"}}}));
  auto fault = must(inject("file-corruption", {{"flips", 2}}));
  EXPECT_FALSE(lab->alive("n1"));
  EXPECT_TRUE(heal(fault).effective);
  EXPECT_FALSE(lab->alive("n1"));
  EXPECT_TRUE(heal(kill).effective);
  EXPECT_TRUE(testing::wait_until_ready(*lab));
}

}  // namespace
}  // namespace gameday::nemesis

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
