#include "harness/lab/disk.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/loop.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <numeric>
#include <thread>

#include "harness/lab/disk_backend.h"
#include "harness/lab/disk_workload.h"
#include "harness/lab/fd.h"
#include "harness/lab/test_server.h"
#include "harness/lab/universe.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
using testing::TempFolder;
using Names = std::vector<std::string>;
using testing::content;
using testing::must;

void write(const fs::path& file, const std::string& text, int flags = O_TRUNC) {
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644));
  ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

void sync(const fs::path& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::fsync(fd.get()), 0) << path;
}

// Longer than the 5 s after which ext4 makes everything durable unless told otherwise.
constexpr std::chrono::seconds kPatience(6);

// Disks with something unsynced, made before all tests for the one that waits.
class Aged : public ::testing::Environment {
 public:
  struct One {
    TempFolder folder;
    std::unique_ptr<Disk> disk;
  };
  static inline std::map<std::string, One> disks;
  static inline std::chrono::steady_clock::time_point since;

  void SetUp() override {
    for (const std::string backend : {"ext4", "fuse"}) {
      const bool fuse = backend == "fuse";
      if (!(fuse ? fuse_available() : ext4_available())) continue;
      auto& [folder, disk] = disks[backend];
      disk = must(Disk::create({.directory = folder.path(), .bytes = 64 << 20, .force_fuse = fuse}));
      write(folder.path() / "file", "synced");
      sync(folder.path() / "file");
      write(folder.path() / "file", ", not synced", O_APPEND);
      write(folder.path() / "new", "not synced");
      fs::create_directory(folder.path() / "folder");
      fs::rename(folder.path() / "file", folder.path() / "renamed");
    }
    since = std::chrono::steady_clock::now();
  }
  void TearDown() override { disks.clear(); }
};

class DiskTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const bool fuse = GetParam() == "fuse";
    if (const auto available = fuse ? fuse_available() : ext4_available(); !available)
      GTEST_SKIP() << available.error().message;
    disk = must(Disk::create({.directory = folder.path(), .bytes = 64 << 20, .force_fuse = fuse}));
    ASSERT_EQ(disk->backend(), GetParam());
  }
  fs::path at(const std::string& name) const { return folder.path() / name; }

  TempFolder folder;
  std::unique_ptr<Disk> disk;
};
INSTANTIATE_TEST_SUITE_P(, DiskTest, ::testing::Values("ext4", "fuse"),
                         [](const auto& backend) { return backend.param; });

TEST_P(DiskTest, WhatWasNotSyncedVanishes) {
  write(at("early"), "no content");
  write(at("synced"), "first");
  sync(at("synced"));
  write(at("synced"), " second", O_APPEND);
  write(at("late"), "gone");
  fs::create_directory(at("folder"));
  write(at("folder/inside"), "gone");
  const Loss loss = must(disk->power_loss());
  EXPECT_EQ(content(at("synced")), "first");
  EXPECT_FALSE(fs::exists(at("late")));
  EXPECT_FALSE(fs::exists(at("folder")));
  EXPECT_TRUE(fs::exists(at("early")));  // its name was older than the last sync, its content unsynced
  EXPECT_EQ(content(at("early")), "");
  EXPECT_EQ(loss.vanished, (Names{"folder", "folder/inside", "late"}));
  EXPECT_EQ(loss.changed, (Names{"early", "synced"}));
  EXPECT_GT(loss.bytes, 0U);
  fmt::print("  {}\n", describe(loss));
  EXPECT_TRUE(must(disk->power_loss()).nothing());
}

TEST_P(DiskTest, WhatWasSyncedStays) {
  const std::string large(3'000'000, 'x');
  write(at("large"), large);
  sync(at("large"));
  fs::create_directories(at("a/b"));
  write(at("a/b/c"), "deep");
  sync(at("a/b/c"));  // its name and those of its folders, too
  fs::create_directory(at("empty"));
  sync(folder.path());
  EXPECT_TRUE(must(disk->power_loss()).nothing());
  EXPECT_EQ(content(at("large")), large);
  EXPECT_EQ(content(at("a/b/c")), "deep");
  EXPECT_TRUE(fs::is_directory(at("empty")));
}

TEST_P(DiskTest, ARenameIsThereOrIsNot) {
  write(at("file"), "old");
  sync(at("file"));
  write(at("new"), "new");
  sync(at("new"));
  fs::rename(at("new"), at("file"));
  const Loss loss = must(disk->power_loss());
  EXPECT_EQ(content(at("file")), "old");
  EXPECT_EQ(content(at("new")), "new");
  EXPECT_EQ(loss.returned, Names{"new"});
  fs::rename(at("new"), at("file"));
  sync(folder.path());
  EXPECT_TRUE(must(disk->power_loss()).nothing());
  EXPECT_EQ(content(at("file")), "new");
  EXPECT_FALSE(fs::exists(at("new")));
}

TEST_P(DiskTest, UnsyncedRemovalsAreUndone) {
  fs::create_directory(at("folder"));
  write(at("file"), "content");
  write(at("short"), std::string(20'000, 's'));
  sync(at("file"));
  sync(at("short"));
  fs::remove(at("file"));
  fs::remove(at("folder"));
  ASSERT_EQ(::truncate(at("short").c_str(), 100), 0);
  const Loss loss = must(disk->power_loss());
  EXPECT_EQ(loss.returned, (Names{"file", "folder"}));
  EXPECT_EQ(content(at("file")), "content");
  EXPECT_EQ(content(at("short")), std::string(20'000, 's'));
  fs::remove(at("file"));
  ASSERT_EQ(::truncate(at("short").c_str(), 100), 0);
  sync(folder.path());
  must(disk->power_loss());
  EXPECT_FALSE(fs::exists(at("file")));
  EXPECT_EQ(content(at("short")), std::string(100, 's'));
}

TEST_P(DiskTest, MappedFilesAreSyncedByMsync) {
  write(at("file"), std::string(8192, 'a'));
  sync(at("file"));
  const auto put = [&](char c, bool synced) {
    const Fd fd(::open(at("file").c_str(), O_RDWR | O_CLOEXEC));
    void* map = ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    ASSERT_NE(map, MAP_FAILED);
    static_cast<char*>(map)[5000] = c;
    EXPECT_EQ(content(at("file"))[5000], c);
    if (synced) {
      EXPECT_EQ(::msync(map, 8192, MS_SYNC), 0);
    }
    ::munmap(map, 8192);
  };
  put('b', true);
  put('c', false);
  must(disk->power_loss());
  EXPECT_EQ(content(at("file"))[5000], 'b');
}

TEST_P(DiskTest, ServersFindAFileSystem) {
  const std::string file = at("file").string(), other = at("other").string();
  write(file, "0123456789");
  // Links, exchanges, attributes.
  ASSERT_EQ(::link(file.c_str(), other.c_str()), 0);
  EXPECT_EQ(fs::hard_link_count(file), 2U);
  fs::remove(other);
  EXPECT_EQ(fs::hard_link_count(file), 1U);
  write(other, "other");
  EXPECT_NE(::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, other.c_str(), RENAME_NOREPLACE), 0);
  EXPECT_EQ(::renameat2(AT_FDCWD, file.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE), 0);
  EXPECT_EQ(content(file), "other");
  fs::create_symlink("other", at("symbolic"));
  EXPECT_EQ(content(at("symbolic")), "0123456789");
  ASSERT_EQ(::setxattr(file.c_str(), "user.key", "value", 5, 0), 0);
  char value[16];
  EXPECT_EQ(::getxattr(file.c_str(), "user.key", value, sizeof value), 5);
  EXPECT_EQ(::getxattr(file.c_str(), "user.none", value, sizeof value), -1);
  ASSERT_EQ(::chmod(file.c_str(), 06755), 0);
  ASSERT_EQ(::chown(file.c_str(), ::getuid(), ::getgid()), 0);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0755));
  fs::permissions(file, fs::perms::owner_read);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read);
  // Direct I/O, space, locks.
  const Fd fd(::open(other.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  ASSERT_TRUE(fd);
  alignas(4096) static char block[4096];
  std::fill(std::begin(block), std::end(block), 'd');
  EXPECT_EQ(::pwrite(fd.get(), block, sizeof block, 4096), 4096);
  EXPECT_EQ(content(other), "0123456789" + std::string(4086, '\0') + std::string(4096, 'd'));
  EXPECT_EQ(::fallocate(fd.get(), 0, 0, 100'000), 0);
  EXPECT_EQ(fs::file_size(other), 100'000U);
  EXPECT_EQ(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
  EXPECT_EQ(content(other)[5000], '\0');
  EXPECT_EQ(::flock(fd.get(), LOCK_EX | LOCK_NB), 0);
  const Fd second(::open(other.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_NE(::flock(second.get(), LOCK_EX | LOCK_NB), 0);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  EXPECT_EQ(::fcntl(second.get(), F_SETLK, &lock), 0);
  struct statvfs space {};
  ASSERT_EQ(::statvfs(folder.path().c_str(), &space), 0);
  EXPECT_NEAR(static_cast<double>(space.f_blocks * space.f_frsize), 64 << 20, 24 << 20);
  // A file that is open has no need of a name; a folder of many files can be emptied while it is read.
  fs::remove(other);
  EXPECT_EQ(::pread(fd.get(), block, sizeof block, 0), 4096);
  for (int i = 0; i < 1000; ++i) write(at(fmt::format("many{}", i)), "");
  for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove_all(entry.path());
  EXPECT_TRUE(fs::is_empty(folder.path()));
  // It fills up, and is empty again.
  const std::string mebibyte(1 << 20, 'm');
  const Fd filler(::open(at("filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  int written = 0;
  while (written < 100 && ::write(filler.get(), mebibyte.data(), mebibyte.size()) > 0 &&
         ::fsync(filler.get()) == 0)
    ++written;
  EXPECT_GT(written, 30);
  EXPECT_LT(written, 65);
  fs::remove(at("filler"));
}

TEST_P(DiskTest, DataIsLeftBehind) {
  fs::create_directories(at("a/b"));
  write(at("a/b/c"), "kept");
  write(at("large"), std::string(2 << 20, 'l'));
  fs::create_symlink("a/b/c", at("symbolic"));
  EXPECT_EQ(must(disk->leave_behind(1 << 20)), "1 file of 2 MiB left out: more than 1 MiB");
  EXPECT_TRUE(fs::exists(at("large")));
  disk.reset();
  EXPECT_EQ(content(at("symbolic")), "kept");
  EXPECT_FALSE(fs::exists(at("large")));
}

TEST_P(DiskTest, RandomWorkloadsFindWhatTheySynced) {
  int operations = 0, losses = 0, lost = 0;
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::uint64_t> seeds(60);
  std::iota(seeds.begin(), seeds.end(), 1);
  // With overwrites in the same tick as the change before, of which an fsync has nothing to commit.
  seeds.insert(seeds.end(), {66, 208, 213});
  for (const std::uint64_t seed : seeds) {
    const auto result = testing::run_workload(*disk, seed, false);
    ASSERT_EQ(result.wrong, "") << "seed " << seed;
    operations += result.operations;
    losses += result.losses;
    lost += result.lost_something;
  }
  fmt::print("  {} operations, {} power losses of which {} lost something, {:.1f} s\n", operations,
             losses, lost, ms(std::chrono::steady_clock::now() - begin) / 1e3);
  EXPECT_GT(lost, losses / 2);
}

TEST_P(DiskTest, TornWritesHarmNothingSynced) {
  if (GetParam() != "fuse") {
    EXPECT_FALSE(disk->power_loss(Tear{1, 512}));
    return;
  }
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    ASSERT_EQ(testing::run_workload(*disk, seed, true).wrong, "") << "seed " << seed;
}

TEST_P(DiskTest, TornWritesAreTornBySeed) {
  if (GetParam() != "fuse") return;
  const auto torn = [&](std::uint64_t seed, unsigned sector) {
    write(at("log"), std::string(64 << 10, 'o'));
    sync(at("log"));
    write(at("log"), std::string(64 << 10, 'n'), 0);
    const Loss loss = must(disk->power_loss(Tear{seed, sector}));
    EXPECT_GT(loss.torn["sectors"], 0);
    return content(at("log"));
  };
  const std::string first = torn(1, 512);
  EXPECT_EQ(torn(1, 512), first);
  EXPECT_NE(torn(2, 512), first);
  int edges = 0;
  for (std::size_t i = 1; i < first.size(); ++i)
    if (first[i] != first[i - 1]) {
      ++edges;
      EXPECT_EQ(i % 512, 0U);
    }
  EXPECT_GT(edges, 0);
  const std::string large = torn(3, 4096);
  for (std::size_t i = 1; i < large.size(); ++i)
    if (large[i] != large[i - 1]) {
      EXPECT_EQ(i % 4096, 0U);
    }
}

// Every way to write, by a process that is killed: the kernel has handed over all of it when the power
// goes, or it could not be torn.
TEST_P(DiskTest, WhatKilledProcessesWroteCanBeTorn) {
  if (GetParam() != "fuse") return;
  const std::string zeroes(std::size_t{16} << 10, '\0');
  for (const char* name : {"written", "appended", "mapped", "direct", "renamed", "replaced", "cut"})
    write(at(name), zeroes);
  sync(folder.path());
  for (const auto& entry : fs::directory_iterator(folder.path())) sync(entry.path());
  const pid_t pid = ::fork();
  if (pid == 0) {
    static const std::string data(10'000, 'w');
    const auto open = [&](const char* name, int flags) {
      return ::open(at(name).c_str(), O_RDWR | flags);
    };
    const auto put = [&](int fd, off_t offset) {
      if (::pwrite(fd, data.data(), data.size(), offset) < 0) ::_exit(1);
    };
    put(open("written", 0), 100);
    put(open("appended", O_APPEND), 0);
    auto* map = static_cast<char*>(
        ::mmap(nullptr, zeroes.size(), PROT_READ | PROT_WRITE, MAP_SHARED, open("mapped", 0), 0));
    map[0] = map[9000] = 'm';
    alignas(4096) static char block[4096];
    if (::pwrite(open("direct", O_DIRECT), block, sizeof block, 4096) < 0) ::_exit(1);
    const int renamed = open("renamed", 0);
    if (::rename(at("renamed").c_str(), at("replaced").c_str()) != 0) ::_exit(1);
    put(renamed, 0);
    const int cut = open("cut", 0);
    put(cut, 0);
    if (::ftruncate(cut, 5000) != 0) ::_exit(1);
    put(cut, 20'000);  // behind a hole
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  ASSERT_TRUE(WIFSIGNALED(status));
  const Json torn = must(disk->power_loss(Tear{1, 4096})).torn;
  // Pages: of written 3, of appended 3, of mapped 2, of direct 1, of renamed 3, of cut 2 and 4. Those of
  // the file that the rename replaced are not counted, nor is a file without a name: the rename may
  // have stayed or not.
  EXPECT_EQ(torn["sectors"], 18) << torn.dump();
}

TEST_P(DiskTest, SmallWritesAreTheKernelsOwnBusiness) {
  const Fd fd(::open(at("log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  const std::string line(200, 'l');
  rusage before{}, after{};
  ::getrusage(RUSAGE_THREAD, &before);
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(::write(fd.get(), line.data(), line.size()), 200);
  ::getrusage(RUSAGE_THREAD, &after);
  // Somebody else would be waited for at each.
  EXPECT_LT(after.ru_nvcsw - before.ru_nvcsw, 1000);
}

TEST_P(DiskTest, AFullDiskSaysSo) {
  const std::string data(std::size_t{80} << 20, 'f');
  Fd fd(::open(at("filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  // ext4 at once; FUSE when what is in the kernel's cache is handed over.
  const bool at_once = ::write(fd.get(), data.data(), data.size()) < static_cast<ssize_t>(data.size());
  EXPECT_EQ(at_once, GetParam() == "ext4");
  if (!at_once) {
    EXPECT_EQ(::fsync(fd.get()), -1);
    EXPECT_EQ(errno, ENOSPC);
  }
  fd.reset();
  fs::remove(at("filler"));
  must(disk->probe());  // there is room again, though the removal was not synced
}

TEST_P(DiskTest, NothingBecomesDurableByWaiting) {
  if (GetParam() == "ext4") std::this_thread::sleep_until(Aged::since + kPatience);
  auto& [aged_folder, aged_disk] = Aged::disks[GetParam()];
  const Loss loss = must(aged_disk->power_loss());
  EXPECT_EQ(loss.vanished, (Names{"folder", "new", "renamed"}));
  EXPECT_EQ(loss.returned, Names{"file"});
  EXPECT_EQ(content(aged_folder.path() / "file"), "synced");
}

TEST(Disk, SaysWhyThereIsNone) {
  const auto backends = disk_backends();
  if (backends) {
    fmt::print("  {}\n", *backends);
    return;
  }
  EXPECT_NE(backends.error().message.find("sudo"), std::string::npos) << backends.error().message;
}

// The loop devices of the disks under a folder, with the images' inode numbers.
std::vector<std::pair<std::string, std::uint64_t>> loops_under(const fs::path& directory) {
  std::vector<std::pair<std::string, std::uint64_t>> result;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, point, rest; mounts >> device >> point && std::getline(mounts, rest);) {
    loop_info64 info{};
    const Fd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
    if (point.starts_with(directory.string()) && device.starts_with("/dev/loop") &&
        ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) == 0)
      result.emplace_back(device, info.lo_inode);
  }
  return result;
}

// A lab whose nodes lose power again and again; says which loop devices it has.
int run_victim(const fs::path& directory, bool torn) {
  LabOptions options;
  options.nodes = 2;
  options.directory = directory;
  options.prepare.disks = true;
  options.prepare.torn_disks = torn;
  auto lab = must(Lab::create(options));
  for (const auto& node : lab->nodes())
    if (!lab->start(node.name, testing::server_spec(directory.string()))) return 1;
  std::ofstream up(directory / "starting");
  for (const auto& [device, inode] : loops_under(directory)) up << device << " " << inode << std::endl;
  fs::rename(directory / "starting", directory / "up");
  for (;;) {
    (void)must(lab->cut_power({"n1", "n2"}));
    for (const auto& node : lab->nodes()) (void)lab->restore_power(node.name);
  }
}

std::vector<pid_t> processes_with(const std::string& marker) {
  std::vector<pid_t> result;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0 && pid != ::getpid() && content(entry.path() / "cmdline").find(marker) != std::string::npos)
      result.push_back(pid);
  }
  std::sort(result.begin(), result.end());
  return result;
}

TEST(Disk, AKilledControllerLeavesNothing) {
  if (!disk_backends()) GTEST_SKIP() << disk_backends().error().message;
  const auto eventually = [](const auto& condition) {
    for (int i = 0; i < 15'000 && !condition(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return condition();
  };
  for (int round = 0; round < 6; ++round) {
    const bool torn = round % 2 == 1;
    const TempFolder folder;
    const std::string directory = folder.path().string();
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::execl(testing::own_binary().c_str(), "disk_test", "victim", directory.c_str(),
              torn ? "torn" : "", nullptr);
      ::_exit(1);
    }
    ASSERT_TRUE(eventually([&] { return fs::exists(folder.path() / "up"); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(37 * round));
    // The caller of the universe, or the controller in it, which was started after it and its init.
    ::kill(round % 3 == 0 ? pid : processes_with(std::string("victim\0", 7) + directory).at(2), SIGKILL);
    ::waitpid(pid, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return processes_with(directory).empty(); }));
    std::ifstream up(folder.path() / "up");
    std::string device;
    std::uint64_t inode = 0;
    int loops = 0;
    for (; up >> device >> inode; ++loops)
      EXPECT_TRUE(eventually([&] {
        const Fd fd(::open(device.c_str(), O_RDONLY | O_CLOEXEC));
        loop_info64 info{};
        return !fd || ::ioctl(fd.get(), LOOP_GET_STATUS64, &info) != 0 || info.lo_inode != inode;
      })) << device;
    EXPECT_EQ(loops, ext4_available() && !torn ? 2 : 0);
  }
}

}  // namespace

int victim(const char* directory, const char* how) {
  return run_in_universe([&] { return run_victim(directory, how == std::string("torn")); });
}

}  // namespace gameday::lab

int main(int argc, char** argv) {
  gameday::lab::maybe_run_init(argc, argv);
  if (argc >= 4 && argv[1] == std::string("victim"))
    return gameday::lab::victim(argv[2], argv[3]);
  ::testing::AddGlobalTestEnvironment(new gameday::lab::Aged);  // gtest's own from now on
  return gameday::lab::testing::test_main(argc, argv, true);
}
