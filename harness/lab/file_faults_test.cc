// Faults of files on nodes: a test server makes exact calls and says what it got.
#include "harness/lab/file_faults.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <condition_variable>
#include <fstream>
#include <future>
#include <mutex>
#include <thread>

#include "harness/lab/lab.h"
#include "harness/lab/syscall_supervisor.h"
#include "harness/lab/test_server.h"

namespace gameday::lab {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Errors = std::vector<int>;
using testing::must;

constexpr CallClasses kAll =
    kSyncCalls | kWriteCalls | kReadCalls | kOpenCalls | kCreateCalls | kNameCalls;

class FileFaultsTest : public ::testing::Test {
 protected:
  void up(CallClasses classes, int nodes = 1) {
    LabOptions options;
    options.nodes = nodes;
    options.directory = folder.path();
    options.prepare.syscalls = classes;
    lab = must(Lab::create(options));
    for (const auto& node : lab->nodes()) must(lab->start(node.name, testing::server_spec()));
    ASSERT_TRUE(testing::wait_until_ready(*lab));
  }
  FileFaults& files(const std::string& node = "n1") { return *must(lab->files(node)); }

  std::string ask(const std::string& question, int timeout_ms = 5000) {
    return testing::ask(must(lab->node("n1")).address, question, timeout_ms).value_or("no answer");
  }
  // The errno of a call of n1's server.
  int call(const std::string& words) {
    const std::string answer = ask("file " + words);
    return answer[0] >= '0' && answer[0] <= '9' ? std::stoi(answer) : -1;
  }
  Errors calls(const std::string& words, int times) {
    Errors errors;
    for (int i = 0; i < times; ++i) errors.push_back(call(words));
    return errors;
  }
  fs::path data() { return must(lab->node("n1")).data; }

  testing::TempFolder folder;
  std::unique_ptr<Lab> lab;
};

TEST_F(FileFaultsTest, TheNthCallFailsAndNoOther) {
  up(kSyncCalls, 2);
  EXPECT_EQ(calls("fsync log", 2), (Errors{0, 0}));
  auto rule = must(files().add({.match = {.path = "*"}, .nth = 3, .error = EIO}));
  EXPECT_EQ(calls("fsync log", 5), (Errors{0, 0, EIO, 0, 0}));
  EXPECT_FALSE(lab->verify_healed(20ms));
  const auto counters = rule.end();
  EXPECT_EQ(counters.seen, 5U);
  EXPECT_EQ(counters.failed, 1U);
  EXPECT_EQ(counters.by_path.at("log").failed, 1U);
  EXPECT_TRUE(lab->verify_healed(20ms));
  EXPECT_EQ(calls("fsync log", 3), (Errors{0, 0, 0}));
  EXPECT_EQ(rule.counters().seen, 5U);
}

TEST_F(FileFaultsTest, OfEveryKindOfCallTheRightOnesFail) {
  up(kAll);
  const std::vector<std::pair<CallClass, std::vector<std::string>>> kinds{
      {kSyncCalls, {"fsync f", "fdatasync f", "msync f", "sync_file_range f", "syncfs f"}},
      {kWriteCalls,
       {"write f", "pwrite f", "writev f 10", "fallocate f", "ftruncate f", "copy_file_range f"}},
      {kReadCalls, {"read f"}},
      {kOpenCalls, {"open f", "append f"}},
      {kCreateCalls, {"append f", "create g", "mkdir m", "link f l"}},
      {kNameCalls, {"rename f f", "unlink g"}}};
  for (const auto& [fails, unused] : kinds) {
    // The server opens, with O_CREAT, what it makes other calls on.
    if (fails == kOpenCalls || fails == kCreateCalls) continue;
    for (const auto& [kind, words] : kinds)
      for (const auto& each : words) {
        ask("run rm -rf g m l; truncate -s 4096 f");
        auto rule = must(files().add({.match = {.calls = fails}, .error = EDQUOT}));
        const std::string name = std::string(word_of(fails)) + ": " + each;
        const int error = call(each);
        EXPECT_EQ(error == EDQUOT, kind == fails) << name << ": " << error;
        EXPECT_EQ(rule.end().failed, error == EDQUOT ? 1U : 0U) << name;
      }
  }
  auto opens = must(files().add({.match = {.calls = kOpenCalls, .path = "f"}, .error = EMFILE}));
  EXPECT_EQ(call("open f"), EMFILE);
  EXPECT_EQ(call("mkdir g"), 0);
  (void)opens.end();
  auto creates = must(files().add({.match = {.calls = kCreateCalls}, .error = EMFILE}));
  for (const std::string each : {"append new", "create new", "mkdir new", "link f new"})
    EXPECT_EQ(call(each), EMFILE) << each;
  for (const std::string each : {"open f", "rename f r", "unlink r"}) EXPECT_EQ(call(each), 0) << each;
  EXPECT_EQ(creates.end().failed, 4U);
  EXPECT_EQ(call("create new"), 0);
}

TEST_F(FileFaultsTest, PathsAreGlobsRelativeToTheData) {
  up(kSyncCalls);
  ask("run mkdir -p wal db; touch wal/1.log wal/2.snap db/1.log /tmp/outside");
  const auto hit = [&](const std::string& pattern) {
    const auto rule = must(files().add({.match = {.path = pattern}, .error = EIO}));
    std::string result;
    for (const std::string path : {"wal/1.log", "wal/2.snap", "./db/../db/1.log", "wal", "/tmp/outside"})
      result += call("fsync " + path) == EIO ? 'x' : '-';
    return result;
  };
  EXPECT_EQ(hit("*"), "xxxx-");
  EXPECT_EQ(hit("wal/*"), "xx---");
  EXPECT_EQ(hit("*.log"), "x-x--");
  EXPECT_EQ(hit("wal"), "---x-");
  EXPECT_EQ(hit("/tmp/*side"), "----x");
  EXPECT_EQ(hit((data() / "db/*").string()), "--x--");
}

TEST_F(FileFaultsTest, AProbabilityIsThatOfEachCallAndSeeded) {
  up(kSyncCalls);
  const auto draw = [&](std::uint64_t seed) {
    const auto rule = must(files().add({.probability = 0.3, .seed = seed, .error = EIO}));
    return calls("fsync f", 60);
  };
  const Errors one = draw(1);
  const auto failed = std::count(one.begin(), one.end(), EIO);
  EXPECT_GT(failed, 5);
  EXPECT_LT(failed, 35);
  EXPECT_EQ(draw(1), one);
  EXPECT_NE(draw(2), one);
}

TEST_F(FileFaultsTest, ADiskIsFull) {
  up(kWriteCalls | kCreateCalls);
  ask("run echo content > old");
  auto rule = must(files().add({.match = {.calls = kWriteCalls | kCreateCalls, .only_growing = true},
                                .after_bytes = 1000,
                                .error = ENOSPC}));
  EXPECT_EQ(call("write old 600"), 0);
  EXPECT_EQ(call("writev old 300"), 0);
  EXPECT_EQ(call("write old 200"), ENOSPC);
  EXPECT_EQ(call("write old 1"), ENOSPC);
  EXPECT_EQ(call("fallocate old 10"), ENOSPC);
  EXPECT_EQ(call("create new"), ENOSPC);
  EXPECT_EQ(call("mkdir folder"), ENOSPC);
  EXPECT_EQ(call("append old"), 0);      // creates nothing
  EXPECT_EQ(call("ftruncate old 7"), 0);  // needs no room
  EXPECT_EQ(call("unlink other"), ENOENT);
  EXPECT_EQ(ask("run cat old"), "xxxxxxx");
  EXPECT_EQ(ask("run echo more >> old || echo failed"), "failed\n");  // through a descriptor 1
  EXPECT_EQ(ask("run echo stdout is no file"), "stdout is no file\n");
  EXPECT_FALSE(fs::exists(data() / "new"));
  const auto counters = rule.end();
  EXPECT_EQ(counters.by_path.at("new").failed, 1U);
  EXPECT_EQ(call("create new"), 0);
  EXPECT_EQ(call("write old 5000"), 0);
}

TEST_F(FileFaultsTest, SlowCallsHoldNobodyElseAndCanBeLetGo) {
  up(kSyncCalls);
  ask("run touch slow quick");
  auto rule = must(files().add({.match = {.path = "slow"}, .delay = 300ms, .jitter = 20ms}));
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(ask("run (sync slow; echo over > done) > /dev/null 2>&1 &"), "");
  EXPECT_EQ(call("fsync quick"), 0);
  const std::string slow = ask("file fsync slow");
  EXPECT_GE(std::stoi(slow.substr(2)), 300) << slow;
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 300ms);
  const auto counters = rule.end();
  EXPECT_GE(counters.delayed, 2U);
  EXPECT_GE(counters.waited, 600ms);
  EXPECT_FALSE(counters.by_path.contains("quick"));

  // The end of a rule is not the end of its delay.
  auto endless = must(files().add({.match = {.path = "slow"}, .delay = 1h}));
  auto answer = std::async(std::launch::async, [&] { return call("fsync slow"); });
  while (files().delayed_now() == 0) std::this_thread::sleep_for(1ms);
  (void)endless.end();
  EXPECT_EQ(answer.get(), 0);
  EXPECT_EQ(files().delayed_now(), 0U);
}

TEST_F(FileFaultsTest, ANodeWithAHeldCallCanBePausedKilledAndStartedAgain) {
  up(kSyncCalls);
  auto rule = must(files().add({.delay = 1h}));
  const auto held = [&] {
    testing::ask(must(lab->node("n1")).address, "file fsync f", 1);
    while (files().delayed_now() == 0) std::this_thread::sleep_for(1ms);
  };
  held();
  const Pause pause = must(lab->pause("n1"));
  EXPECT_EQ(files().delayed_now(), 0U);
  EXPECT_TRUE(must(lab->resume(pause)));
  held();
  EXPECT_LT(must(lab->kill("n1")), 5s);
  must(lab->restart("n1"));
  ASSERT_TRUE(testing::wait_until_ready(*lab));
  (void)rule.end();
  EXPECT_EQ(call("fsync f"), 0);
}

TEST_F(FileFaultsTest, RulesOverlap) {
  up(kSyncCalls);
  auto first = must(files().add({.match = {.path = "a*"}, .error = EIO}));
  auto second = must(files().add({.match = {.path = "*b"}, .error = EROFS}));
  EXPECT_EQ(call("fsync ab"), EIO);
  EXPECT_EQ(call("fsync cb"), EROFS);
  (void)first.end();
  EXPECT_EQ(call("fsync ab"), EROFS);
  EXPECT_EQ(second.end().seen, 3U);
  EXPECT_EQ(call("fsync ab"), 0);
}

TEST_F(FileFaultsTest, ANodeIsKilledAtItsNthSync) {
  up(kSyncCalls);
  for (const bool after : {false, true}) {
    SCOPED_TRACE(after);
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<FileFaults::Event> event;
    auto watch = must(files().watch({.path = "f"}, 3, false, [&](const FileFaults::Event& e) {
      const std::lock_guard lock(mutex);
      event = e;
      changed.notify_all();
    }));
    EXPECT_EQ(calls("fsync f", 2), (Errors{0, 0}));
    EXPECT_EQ(call("fsync other"), 0);
    const unsigned life = lab->incarnation("n1");
    testing::ask(must(lab->node("n1")).address, "file fsync f", 1);
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, 10s, [&] { return event.has_value(); }));
    EXPECT_EQ(event->count, 3U);
    EXPECT_TRUE(event->call->waits());
    if (after) {
      EXPECT_TRUE(carry_out_sync(*event->call));
    }
    must(lab->kill("n1"));
    EXPECT_FALSE(event->call->go_on());  // nobody is there to do it
    must(lab->restart("n1"));
    ASSERT_TRUE(testing::wait_until_ready(*lab));
    EXPECT_EQ(lab->incarnation("n1"), life + 1);
    EXPECT_EQ(call("fsync f"), 0);
    EXPECT_EQ(watch.seen(), 4U);
  }
}

TEST_F(FileFaultsTest, EveryNthCallIsToldUntilTheWatchEnds) {
  up(kSyncCalls);
  std::vector<std::uint64_t> told;  // by the supervisor's thread, while the server waits for it
  {
    const auto watch = must(files().watch({}, 2, true, [&](const auto& e) { told.push_back(e.count); }));
    EXPECT_EQ(calls("fsync f", 5), (Errors(5, 0)));
  }
  EXPECT_EQ(calls("fsync f", 5), (Errors(5, 0)));
  EXPECT_EQ(told, (std::vector<std::uint64_t>{2, 4}));
}

TEST_F(FileFaultsTest, WhatBypassesCallsIsRefused) {
  up(kSyncCalls);
  EXPECT_EQ(call("io_uring_setup f"), ENOSYS);
}

TEST_F(FileFaultsTest, SaysWhatItIsNotPreparedFor) {
  up(kSyncCalls);
  const auto rule = files().add({.match = {.calls = kSyncCalls | kWriteCalls}, .error = EIO});
  ASSERT_FALSE(rule);
  EXPECT_EQ(rule.error().message, "the lab was made without trapping write calls");
  EXPECT_FALSE(files().watch({.calls = kNameCalls}, 1, false, {}));
  EXPECT_FALSE(files().watch({}, 0, false, {}));
  EXPECT_FALSE(lab->files("n9"));
}

}  // namespace
}  // namespace gameday::lab

int main(int argc, char** argv) { return gameday::lab::testing::test_main(argc, argv, true); }
