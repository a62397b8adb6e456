// The supervisor and its filter, with processes of our own; through nodes in file_faults_test.cc.
#include "harness/lab/syscall_supervisor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <ctime>
#include <future>
#include <fstream>
#include <mutex>

#include "harness/lab/test_server.h"

namespace gameday::lab {
namespace {

using namespace std::chrono_literals;
using testing::must;

// A child under a table's filter, with a supervisor.
class Supervised {
 public:
  // `body` runs in the child; its value is the exit code.
  Supervised(const SyscallTable& table, const std::function<int()>& body) {
    const auto filter = must(table.filter());
    int ready[2], go[2];
    if (::pipe(ready) != 0 || ::pipe(go) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      auto listener = install_filter(filter);
      const int fd = listener ? listener->get() : -1;
      char byte = 0;
      if (::write(ready[1], &fd, sizeof fd) < 0 || ::read(go[0], &byte, 1) < 0) ::_exit(100);
      listener->reset();
      ::_exit(body());
    }
    int theirs = -1;
    if (::read(ready[0], &theirs, sizeof theirs) < 0 || theirs < 0)
      throw std::runtime_error("no listener");
    const Fd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    Fd listener(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), theirs, 0)));
    if (!listener) throw std::runtime_error("pidfd_getfd");
    supervisor_ = must(SyscallSupervisor::start(std::move(listener), table));
    if (::write(go[1], "x", 1) < 0) throw std::runtime_error("write");
    for (const int fd : {ready[0], ready[1], go[0], go[1]}) ::close(fd);
  }
  ~Supervised() {
    kill();
    (void)wait();
  }
  pid_t pid() const { return pid_; }
  void kill() { ::kill(pid_, SIGKILL); }
  int wait() {
    int status = 0;
    if (waited_ || ::waitpid(pid_, &status, 0) < 0) return -1;
    waited_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  bool waited_ = false;
  std::unique_ptr<SyscallSupervisor> supervisor_;
};

int run(const SyscallTable& table, const std::function<int()>& body) {
  return Supervised(table, body).wait();
}

long raw(long number, unsigned long a = 0, unsigned long b = 0) {
  return ::syscall(number, a, b, 0UL, 0UL, 0UL, 0UL);
}

TEST(SyscallTable, FindsEveryNumberInALargeFilter) {
  // Numbers that no kernel has: ENOSYS unless the filter says otherwise.
  constexpr int kFirst = 1000, kLast = 1400;
  const auto refused = [](int number) { return number % 3 == 0 || number % 7 == 0; };
  SyscallTable table;
  for (int number = kLast; number >= kFirst; --number)
    if (refused(number)) table.refuse(number, 100 + number % 150);
  EXPECT_EQ(run(table,
                [&] {
                  int wrong = 0;
                  for (int number = kFirst - 5; number <= kLast + 5; ++number) {
                    const bool inside = number >= kFirst && number <= kLast && refused(number);
                    if (raw(number) != -1 || errno != (inside ? 100 + number % 150 : ENOSYS)) ++wrong;
                  }
                  return wrong;
                }),
            0);
}

TEST(SyscallTable, TestsArguments) {
  SyscallTable table;
  constexpr int kCall = 1234;
  const auto answer = [](int value) { return [value](HeldCall call) { call.answer(value); }; };
  table.trap(kCall, {{.index = 0, .value = 5}}, answer(1));
  table.trap(kCall, {{.index = 0, .mask = 0xf0, .value = 0x30}, is_not_null(1)}, answer(2));
  table.trap(kCall, {{.index = 0, .value = 7ULL << 40}}, answer(3));
  table.trap(kCall, {{.index = 0, .mask = 0xffff, .value = 9, .equal = false}, {.index = 1, .value = 1}},
             answer(4));
  EXPECT_EQ(run(table,
                [] {
                  if (raw(kCall, 5) != 1) return 1;
                  if (raw(kCall, 5 | (1UL << 33)) != -1) return 2;
                  if (raw(kCall, 0x1034, 1UL << 50) != 2) return 3;
                  if (raw(kCall, 0x1034, 0) != -1 || errno != ENOSYS) return 4;
                  if (raw(kCall, 7UL << 40) != 3) return 5;
                  if (raw(kCall, 7UL << 41) != -1) return 6;
                  if (raw(kCall, 8, 1) != 4) return 7;
                  if (raw(kCall, 9, 1) != -1) return 8;
                  if (raw(kCall, 0x10009, 1) != -1) return 9;
                  return 0;
                }),
            0);
}

TEST(SyscallTable, NothingRegisteredIsNoFilter) { EXPECT_TRUE(must(SyscallTable().filter()).empty()); }

TEST(SyscallSupervisor, IsAvailable) { EXPECT_TRUE(syscalls_available()); }

TEST(SyscallSupervisor, ContinuesFailsAndAnswers) {
  std::atomic<int> seen = 0;
  SyscallTable table;
  table.trap(SYS_getpriority, [&](HeldCall call) {
    ++seen;
    switch (call.int_argument(1)) {
      case 1: call.fail(EXDEV); break;
      case 2: call.answer(3); break;
      case 3: EXPECT_TRUE(call.go_on()); EXPECT_FALSE(call.fail(EIO)); break;
      default: break;  // destroyed: executed
    }
  });
  EXPECT_EQ(run(table,
                [] {
                  if (raw(SYS_getpriority, PRIO_PROCESS, 1) != -1 || errno != EXDEV) return 1;
                  if (raw(SYS_getpriority, PRIO_PROCESS, 2) != 3) return 2;
                  if (raw(SYS_getpriority, 99, 3) != -1 || errno != EINVAL) return 3;
                  return raw(SYS_getpriority, PRIO_PROCESS, 0) == 20 - ::getpriority(PRIO_PROCESS, 0)
                             ? 0
                             : 4;
                }),
            0);
  EXPECT_EQ(seen, 5);
}

TEST(SyscallSupervisor, AHeldCallDoesNotHoldOthers) {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<HeldCall> held;
  SyscallTable table;
  table.trap(SYS_getpriority, [&](HeldCall call) {
    if (call.int_argument(1) != 1) return;
    const std::lock_guard lock(mutex);
    held = std::move(call);
    changed.notify_all();
  });
  Supervised child(table, [] {
    std::atomic<long> slow = 0;
    std::thread thread([&] { slow = raw(SYS_getpriority, PRIO_PROCESS, 1); });
    for (int i = 0; i < 100; ++i) (void)raw(SYS_getpriority, PRIO_PROCESS, 0);
    const bool others_went_on = slow == 0;
    thread.join();
    return others_went_on && slow == 17 ? 0 : 1;
  });
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, 10s, [&] { return held.has_value(); }));
  }
  std::this_thread::sleep_for(50ms);
  EXPECT_TRUE(held->waits());
  EXPECT_TRUE(held->answer(17));  // from another thread
  EXPECT_FALSE(held->waits());
  EXPECT_EQ(child.wait(), 0);
}

TEST(SyscallSupervisor, AKilledThreadCannotBeAnswered) {
  std::promise<HeldCall> promise;
  SyscallTable table;
  table.trap(SYS_getpriority, [&](HeldCall call) { promise.set_value(std::move(call)); });
  Supervised child(table, [] { return static_cast<int>(raw(SYS_getpriority, PRIO_PROCESS, 0)); });
  HeldCall call = promise.get_future().get();
  EXPECT_EQ(call.tid(), child.pid());
  child.kill();
  EXPECT_EQ(child.wait(), 1000 + SIGKILL);
  EXPECT_FALSE(call.waits());
  EXPECT_FALSE(call.read_string(call.argument(0)));
  EXPECT_FALSE(call.fail(EIO));
}

TEST(SyscallSupervisor, ReadsAndWritesMemoryAndPaths) {
  testing::TempFolder folder;
  const std::string base = std::filesystem::canonical(folder.path());
  std::mutex mutex;
  std::vector<std::string> seen;
  SyscallTable table;
  table.trap(SYS_renameat2, [&](HeldCall call) {
    const std::lock_guard lock(mutex);
    seen.push_back(call.path_at(call.int_argument(0), call.argument(1)).value_or("?"));
    seen.push_back(call.path_of(call.int_argument(2)).value_or("?"));
    EXPECT_FALSE(call.read_string(8));
    call.answer(0);
  });
  table.trap(SYS_clock_settime, [&](HeldCall call) {
    auto time = call.read_value<timespec>(call.argument(1));
    ASSERT_TRUE(time);
    time->tv_sec += 5;
    EXPECT_TRUE(call.write(call.argument(1), std::as_bytes(std::span(&*time, 1))));
    call.answer(0);
  });
  static const timespec constant{100, 7};  // in a page that is only read
  EXPECT_EQ(run(table,
                [&] {
                  const int fd = ::open(base.c_str(), O_RDONLY | O_DIRECTORY);
                  const int file = ::openat(fd, "gone", O_CREAT | O_RDWR, 0600);
                  ::unlinkat(fd, "gone", 0);
                  ::mkdirat(fd, "sub", 0700);
                  if (::chdir((base + "/sub").c_str()) != 0) return 1;
                  ::syscall(SYS_renameat2, fd, "a/./b/../c", file, 0, 0);
                  ::syscall(SYS_renameat2, AT_FDCWD, "d", 99, 0, 0);
                  ::syscall(SYS_renameat2, fd, "/x//y", AT_FDCWD, 0, 0);
                  ::syscall(SYS_clock_settime, CLOCK_REALTIME, &constant);
                  const volatile timespec& now = constant;
                  return now.tv_sec == 105 && now.tv_nsec == 7 ? 0 : 2;
                }),
            0);
  EXPECT_EQ(seen, (std::vector<std::string>{base + "/a/c", base + "/gone", base + "/sub/d", "?", "/x/y",
                                            base + "/sub"}));
}

TEST(SyscallSupervisor, ChildrenAndProgramsTheyExecuteAreSupervised) {
  std::atomic<int> executed = 0, synced = 0;
  SyscallTable table;
  table.trap(SYS_execve, [&](HeldCall) { ++executed; });
  table.trap(SYS_fsync, [&](HeldCall call) {
    ++synced;
    call.fail(EIO);
  });
  testing::TempFolder folder;
  const std::string file = folder.path() / "file";
  EXPECT_EQ(run(table,
                [&] {
                  const std::string command = "true >" + file + "; /bin/sync " + file + " 2>>" + file;
                  return WEXITSTATUS(std::system(command.c_str()));
                }),
            1);
  EXPECT_EQ(executed, 2);
  EXPECT_EQ(synced, 1);
  std::ifstream in(file);
  const std::string said{std::istreambuf_iterator<char>(in), {}};
  EXPECT_NE(said.find("Input/output error"), std::string::npos) << said;
}

// A figure for people; nothing is asserted of it.
TEST(SyscallSupervisor, CostsThis) {
  constexpr int kCalls = 20'000;
  const auto cost = [](const SyscallTable& table, long number) {
    int pipe_fds[2];
    if (::pipe(pipe_fds) != 0) return 0L;
    (void)run(table, [&] {
      timespec a{}, b{};
      ::clock_gettime(CLOCK_MONOTONIC, &a);
      for (int i = 0; i < kCalls; ++i) (void)raw(number, PRIO_PROCESS, 0);
      ::clock_gettime(CLOCK_MONOTONIC, &b);
      const long ns = ((b.tv_sec - a.tv_sec) * 1'000'000'000L + b.tv_nsec - a.tv_nsec) / kCalls;
      return ::write(pipe_fds[1], &ns, sizeof ns) < 0;
    });
    long ns = 0;
    if (::read(pipe_fds[0], &ns, sizeof ns) < 0) ns = -1;
    ::close(pipe_fds[0]);
    ::close(pipe_fds[1]);
    return ns;
  };
  SyscallTable table;
  table.trap(SYS_getpriority, [](HeldCall) {});
  fmt::print("  a trapped call costs {} ns, another one {} ns\n", cost(table, SYS_getpriority),
             cost(table, SYS_getppid));
}

}  // namespace
}  // namespace gameday::lab

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
