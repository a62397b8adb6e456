#include "sut/search/log_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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
  path note() const { return directory_ / "raft.synced"; }
  // As after a power loss that came before the last batches were confirmed.
  void keep_note() const { std::filesystem::copy_file(note(), directory_ / "kept"); }
  void restore_note() const {
    std::filesystem::copy_file(directory_ / "kept", note(),
                               std::filesystem::copy_options::overwrite_existing);
  }
  LogStore open(RecoveredLog& recovered, const Bugs& bugs = {}) const {
    auto store = LogStore::open(directory_, recovered, bugs);
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
  open(recovered);
  const std::size_t empty = bytes().size();
  keep_note();
  {
    LogStore store = open(recovered);
    for (raft::Index i = 1; i <= 4; ++i) {
      add(store, {entry(i, 1, "payload " + std::to_string(i))});
      ends.push_back(bytes().size());
    }
  }
  const std::string whole = bytes();
  for (std::size_t size = empty; size <= whole.size(); ++size) {
    write(whole.substr(0, size));
    restore_note();
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

// Whatever happens to a byte that was confirmed, and wherever a confirmed log is cut.
TEST_F(LogStoreTest, RefusesDamageOfWhatWasDurable) {
  RecoveredLog recovered;
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, "first"), entry(2, 1, "second")});
    add(store, {entry(3, 1, "third")});
  }
  const std::string whole = bytes();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    write(damaged);
    const auto flipped = LogStore::open(directory_, recovered);
    ASSERT_FALSE(flipped) << at;
    if (at >= 16) {
      EXPECT_NE(flipped.error().message.find("damaged"), std::string::npos);
    }
    write(whole.substr(0, at));
    ASSERT_FALSE(LogStore::open(directory_, recovered)) << at;
  }
  write(whole + std::string(100, '\0'));  // but a write after it may have been under way
  EXPECT_TRUE(LogStore::open(directory_, recovered));
  EXPECT_EQ(recovered.entries.size(), 3u);
  EXPECT_EQ(recovered.torn_bytes, 100u);
  EXPECT_EQ(bytes(), whole);
}

TEST_F(LogStoreTest, RefusesDamageBeforeALaterBatchWhateverTheNoteSays) {
  RecoveredLog recovered;
  open(recovered);
  keep_note();
  std::size_t last_batch = 0;
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, "first"), entry(2, 1, "second")});
    last_batch = bytes().size();
    add(store, {entry(3, 1, "third")});
  }
  const std::string whole = bytes();
  for (std::size_t at = 16; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    write(damaged);
    restore_note();
    const auto store = LogStore::open(directory_, recovered);
    ASSERT_EQ(store.has_value(), at >= last_batch) << at;
    if (store) {
      EXPECT_EQ(recovered.entries.size(), 2u);
    }
  }
}

TEST_F(LogStoreTest, RefusesToStartWithoutTheNoteOrTheLogThatItSpeaksOf) {
  RecoveredLog recovered;
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, "a")});
  }
  keep_note();
  for (const std::string& content : {std::string(), std::string(16, '\0')}) {
    std::ofstream(note(), std::ios::binary | std::ios::trunc) << content;
    EXPECT_FALSE(LogStore::open(directory_, recovered));
  }
  std::filesystem::remove(note());
  EXPECT_FALSE(LogStore::open(directory_, recovered));
  restore_note();
  EXPECT_EQ(recover().entries.size(), 1u);
  std::filesystem::remove(file());
  EXPECT_FALSE(LogStore::open(directory_, recovered));
}

// After a failed fsync a part of the file may be in the page cache only, and clean there: another
// fsync would not write it.
TEST_F(LogStoreTest, WritesAgainWhatIsNotKnownToBeDurable) {
  RecoveredLog recovered;
  open(recovered);
  keep_note();
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, std::string(300, 'x'))});
  }
  const std::string durable_note = [&] {
    std::ifstream in(note(), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }();
  restore_note();
  EXPECT_EQ(recover().entries.size(), 1u);
  std::ifstream in(note(), std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), durable_note);
}

// An unfinished write whose second half never reached the disk.
TEST_F(LogStoreTest, BugTornTailAccepted) {
  RecoveredLog recovered;
  open(recovered);
  keep_note();
  {
    LogStore store = open(recovered);
    add(store, {entry(1, 1, std::string(300, 'x')), entry(2, 1, "b")});
  }
  std::string torn = bytes();
  std::fill(torn.end() - 200, torn.end(), '\0');
  write(torn);
  restore_note();
  Bugs bugs;
  bugs.torn_tail_accepted = true;
  open(recovered, bugs);
  ASSERT_EQ(recovered.entries.size(), 1u);
  EXPECT_NE(recovered.entries[0].payload, std::string(300, 'x'));
  write(torn);
  restore_note();
  EXPECT_TRUE(recover().entries.empty());
}

// Answers in a child whose fdatasync fails from now on, by a filter of the kernel's.
bool syncs_although_fdatasync_fails(const path& directory, const Bugs& bugs) {
  const pid_t child = ::fork();
  if (child == 0) {
    RecoveredLog recovered;
    auto store = LogStore::open(directory, recovered, bugs);
    sock_filter filter[]{
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const sock_fprog program{.len = 4, .filter = filter};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!store || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(2);
    store->append(std::nullopt, std::vector{entry(1, 1, "a")});
    ::_exit(store->sync() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) < 2) << status;
  return WEXITSTATUS(status) == 1;
}

TEST_F(LogStoreTest, AFailedFsyncIsNoSuccess) {
  EXPECT_FALSE(syncs_although_fdatasync_fails(directory_ / "correct", {}));
  Bugs ignored;
  ignored.fsync_error_ignored = true;
  EXPECT_TRUE(syncs_although_fdatasync_fails(directory_ / "ignored", ignored));
  Bugs none;
  none.no_fsync = true;
  EXPECT_TRUE(syncs_although_fdatasync_fails(directory_ / "none", none));
}

// RLIMIT_FSIZE stands for a disk without room.
TEST_F(LogStoreTest, AnErrorOfTheDiskIsNoSuccess) {
  RecoveredLog recovered;
  LogStore store = open(recovered);
  add(store, {entry(1, 1, "a")});
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{}, tight{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  tight = before;
  tight.rlim_cur = bytes().size() + 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  store.append(std::nullopt, std::vector{entry(2, 1, "b")});
  const auto full = store.sync();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(full);
  EXPECT_EQ(recover().entries.size(), 1u) << "half a record is cut off";
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
