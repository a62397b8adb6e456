#include "harness/run/watcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace gameday::run {
namespace {

Op event(Process process, OpType type) {
  Op op;
  op.process = process;
  op.type = type;
  op.f = "read";
  return op;
}

TEST(Watcher, JudgesTheHistoryAsItGrowsAndReportsOnce) {
  std::promise<std::string> told;
  std::atomic<int> calls = 0;
  Watcher watcher(
      [](const History& h) -> std::optional<std::string> {
        if (h.size() < 40) return std::nullopt;
        return "seen " + std::to_string(h.op(39).process);
      },
      [&](const std::string& found) {
        if (++calls == 1) told.set_value(found);
      });
  for (Process p = 0; p < 20; ++p) {
    watcher.record(event(p, OpType::invoke));
    watcher.record(event(p, OpType::ok));
  }
  EXPECT_EQ(told.get_future().get(), "seen 19");
  for (Process p = 20; p < 40; ++p) watcher.record(event(p, OpType::invoke));
  EXPECT_EQ(calls, 1);
}

TEST(Watcher, EndsWhileThereIsNothingToReport) {
  bool found = false;
  {
    Watcher watcher([](const History&) { return std::optional<std::string>(); },
                    [&](const std::string&) { found = true; });
    watcher.record(event(0, OpType::invoke));
  }
  EXPECT_FALSE(found);
}

}  // namespace
}  // namespace gameday::run
