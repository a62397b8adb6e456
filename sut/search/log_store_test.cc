#include "sut/search/log_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

namespace gameday::search {
namespace {

using std::filesystem::path;

class LogStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/log_store_test.XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  path file() const { return directory_ / "raft.log"; }
  std::string bytes() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  void write(const std::string& bytes) const {
    std::ofstream(file(), std::ios::binary | std::ios::trunc) << bytes;
  }
  LogStore open(RecoveredLog& recovered) const {
    auto store = LogStore::open(directory_, recovered);
    if (!store) throw std::runtime_error(store.error().message);
    return *std::move(store);
  }
  RecoveredLog recover() const {
    RecoveredLog recovered;
    open(recovered);
    return recovered;
  }

  path directory_;
};

raft::Entry entry(raft::Index index, raft::Term term, const std::string& payload) {
  return {.term = term, .index = index, .first_job = index, .jobs = 1, .payload = payload};
}

void add(LogStore& store, const std::vector<raft::Entry>& entries,
         std::optional<raft::HardState> state = std::nullopt) {
  store.append(state, entries);
  ASSERT_TRUE(store.sync());
}

TEST_F(LogStoreTest, KeepsEntriesAndTheLastHardState) {
  RecoveredLog recovered;
  {
    LogStore store = open(recovered);
    EXPECT_TRUE(recovered.entries.empty());
    add(store, {entry(1, 1, "a"), entry(2, 1, std::string(100'000, 'x'))},
        raft::HardState{.term = 1, .vote = 2, .commit = 0});
    add(store, {}, raft::HardState{.term = 3, .vote = 1, .commit = 2});
  }
  recovered = recover();
  const std::vector<raft::Entry> expected{entry(1, 1, "a"), entry(2, 1, std::string(100'000, 'x'))};
  EXPECT_EQ(recovered.entries, expected);
  EXPECT_EQ(recovered.hard_state, (raft::HardState{.term = 3, .vote = 1, .commit = 2}));
  EXPECT_EQ(recovered.torn_bytes, 0u);
}

TEST_F(LogStoreTest, AnEntryCutsOffWhatItConflictsWith) {
  RecoveredLog recovered;
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, "a"), entry(2, 1, "b"), entry(3, 1, "c")});
    add(store, {entry(2, 2, "B")});
  }
  EXPECT_EQ(recover().entries, (std::vector<raft::Entry>{entry(1, 1, "a"), entry(2, 2, "B")}));
}

TEST_F(LogStoreTest, CutsATornTailAtEveryByte) {
  RecoveredLog recovered;
  std::vector<std::size_t> ends;  // file sizes at which one more entry is whole
  {
    LogStore store = open(recovered);
    for (raft::Index i = 1; i <= 4; ++i) {
      add(store, {entry(i, 1, "payload " + std::to_string(i))});
      ends.push_back(bytes().size());
    }
  }
  const std::string whole = bytes();
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    write(whole.substr(0, size));
    const auto complete =
        std::count_if(ends.begin(), ends.end(), [size](std::size_t end) { return end <= size; });
    {
      LogStore store = open(recovered);
      ASSERT_EQ(recovered.entries.size(), static_cast<std::size_t>(complete)) << size;
      add(store, {entry(recovered.entries.size() + 1, 7, "after")});
    }
    recovered = recover();
    ASSERT_EQ(recovered.entries.size(), static_cast<std::size_t>(complete) + 1) << size;
    ASSERT_EQ(recovered.entries.back().term, 7u);
    ASSERT_EQ(recovered.torn_bytes, 0u);
  }
}

TEST_F(LogStoreTest, RefusesDamageBeforeDurableData) {
  RecoveredLog recovered;
  std::size_t last_batch = 0;
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, "first"), entry(2, 1, "second")});
    last_batch = bytes().size();
    add(store, {entry(3, 1, "third")});
  }
  const std::string whole = bytes();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    write(damaged);
    const auto store = LogStore::open(directory_, recovered);
    if (at < last_batch) {
      ASSERT_FALSE(store) << at;
      if (at > 16) {
        EXPECT_NE(store.error().message.find("is damaged"), std::string::npos);
      }
    } else {  // may have been written when the node died
      ASSERT_TRUE(store) << at;
      EXPECT_EQ(recovered.entries.size(), 2u);
    }
  }
}

TEST_F(LogStoreTest, RefusesAGapAndAForeignFile) {
  RecoveredLog recovered;
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, "a"), entry(3, 1, "c")});
  }
  EXPECT_FALSE(LogStore::open(directory_, recovered));
  write("something else altogether");
  EXPECT_FALSE(LogStore::open(directory_, recovered));
}

// The child confirms an entry on a pipe after sync(); whatever it confirmed survives its kill.
TEST_F(LogStoreTest, KeepsWhatItConfirmedWhenKilled) {
  for (int round = 0; round < 3; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      RecoveredLog log;
      auto store = LogStore::open(directory_, log);
      for (raft::Index i = log.entries.size() + 1; store; ++i) {
        store->append(std::nullopt, std::vector<raft::Entry>{entry(i, 1, std::string(700, 'k'))});
        if (!store->sync() || ::write(ends[1], &i, sizeof(i)) < 0) break;
      }
      ::_exit(1);
    }
    ::close(ends[1]);
    raft::Index confirmed = 0;
    for (int n = 0; n < 40; ++n) {
      ASSERT_EQ(::read(ends[0], &confirmed, sizeof(confirmed)), ssize_t{sizeof(confirmed)});
    }
    ::kill(child, SIGKILL);
    raft::Index more = 0;
    while (::read(ends[0], &more, sizeof(more)) == ssize_t{sizeof(more)}) confirmed = more;
    ::waitpid(child, nullptr, 0);
    ::close(ends[0]);
    const RecoveredLog log = recover();
    ASSERT_GE(log.entries.size(), confirmed);
    EXPECT_EQ(log.entries.back().payload.size(), 700u);
  }
}

}  // namespace
}  // namespace gameday::search
