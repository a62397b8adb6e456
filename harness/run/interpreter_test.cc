#include "harness/run/interpreter.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "harness/core/history.h"

namespace gameday::run {
namespace {

using namespace std::chrono_literals;

class Memory final : public Recorder {
 public:
  Status record(Op& op) override {
    op.index = static_cast<std::int64_t>(ops.size());
    ops.push_back(op);
    if (full && ops.size() > 10) return fail("disk full");
    return {};
  }
  std::vector<Op> ops;
  bool full = false;
};

class Function final : public Worker {
 public:
  explicit Function(std::function<Completion(const Op&, Deadline)> f) : f_(std::move(f)) {}
  Completion invoke(const Op& op, Deadline d) override { return f_(op, d); }

 private:
  std::function<Completion(const Op&, Deadline)> f_;
};

WorkerFactory all(std::function<Completion(const Op&, Deadline)> f) {
  return [f](int) { return std::make_unique<Function>(f); };
}

Gen writes(std::int64_t count) {
  return gen::clients(gen::limit(count, gen::stream(1, [](Rng&, std::int64_t n) {
                                   Op op;
                                   op.f = "write";
                                   op.value = n;
                                   return op;
                                 })));
}

InterpreterOptions clients(int count) {
  InterpreterOptions options;
  options.clients = count;
  options.nodes = {"n1", "n2", "n3"};
  return options;
}

History history_of(const std::vector<Op>& ops) {
  History h;
  for (const auto& op : ops) {
    const auto added = h.append(op);
    EXPECT_TRUE(added) << added.error().message;
  }
  return h;
}

TEST(Interpreter, RecordsEveryOpAndItsCompletion) {
  Memory memory;
  std::atomic<int> calls = 0;
  {
    Interpreter i(clients(8), all([&](const Op&, Deadline) {
                    ++calls;
                    return Completion{OpType::ok, nullptr, ""};
                  }),
                  memory, Interpreter::Clock::now());
    ASSERT_TRUE(i.run(writes(5'000), 1s, {}));
  }
  EXPECT_EQ(calls, 5'000);
  EXPECT_EQ(memory.ops.size(), 10'000u);
  const History h = history_of(memory.ops);
  std::int64_t last = 0;
  for (std::size_t n = 0; n < h.size(); ++n) {
    EXPECT_GE(h.pair(n), 0);
    EXPECT_GE(h.time(n), last);
    last = h.time(n);
    EXPECT_FALSE(h.name(h.node(n)).empty());
  }
}

TEST(Interpreter, AnInfoRenewsTheProcessAndNotItsNode) {
  Memory memory;
  {
    Interpreter i(clients(3), all([](const Op&, Deadline) {
                    return Completion{OpType::info, nullptr, "who knows"};
                  }),
                  memory, Interpreter::Clock::now());
    ASSERT_TRUE(i.run(writes(60), 1s, {}));
  }
  std::set<Process> processes;
  for (const auto& op : memory.ops) {
    if (op.type == OpType::invoke) {
      EXPECT_TRUE(processes.insert(op.process).second);
    }
    EXPECT_EQ(op.node, "n" + std::to_string(op.process % 3 + 1));
  }
  EXPECT_EQ(processes.size(), 60u);
}

TEST(Interpreter, AnExceptionIsInfo) {
  Memory memory;
  Interpreter i(clients(1),
                all([](const Op&, Deadline) -> Completion { throw std::runtime_error("oops"); }),
                memory, Interpreter::Clock::now());
  ASSERT_TRUE(i.run(writes(1), 1s, {}));
  ASSERT_EQ(memory.ops.size(), 2u);
  EXPECT_EQ(memory.ops[1].type, OpType::info);
  EXPECT_EQ(memory.ops[1].error, "oops");
}

TEST(Interpreter, AClientThatIgnoresItsDeadlineIsGivenUp) {
  Memory memory;
  const auto release = std::make_shared<std::atomic<bool>>(false);
  const auto returned = std::make_shared<std::atomic<bool>>(false);
  {
    InterpreterOptions options = clients(1);
    options.grace = 50ms;
    Interpreter i(options, all([release, returned](const Op& op, Deadline) {
                    if (op.value == 0) {
                      while (!*release) std::this_thread::sleep_for(1ms);
                      *returned = true;
                    }
                    return Completion{OpType::ok, nullptr, ""};
                  }),
                  memory, Interpreter::Clock::now());
    ASSERT_TRUE(i.run(writes(3), 50ms, {}));
  }
  ASSERT_EQ(memory.ops.size(), 6u);
  EXPECT_EQ(memory.ops[1].type, OpType::info);
  EXPECT_NE(memory.ops[2].process, memory.ops[0].process);
  EXPECT_EQ(memory.ops[5].type, OpType::ok);
  *release = true;  // its late answer goes nowhere, and touches nothing that is gone
  while (!*returned) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(5ms);
}

TEST(Interpreter, AStopEndsTheRunAndWaitsForWhatIsInFlight) {
  Memory memory;
  std::stop_source stop;
  std::atomic<int> calls = 0;
  Interpreter i(clients(4), all([&](const Op&, Deadline) {
                  if (++calls == 20) stop.request_stop();
                  std::this_thread::sleep_for(2ms);
                  return Completion{OpType::ok, nullptr, ""};
                }),
                memory, Interpreter::Clock::now());
  ASSERT_TRUE(i.run(writes(1'000'000), 1s, stop.get_token()));
  EXPECT_LT(memory.ops.size(), 200u);
  const History h = history_of(memory.ops);
  for (std::size_t n = 0; n < h.size(); ++n) EXPECT_GE(h.pair(n), 0);
}

TEST(Interpreter, TheNemesisRunsBesideTheClients) {
  Memory memory;
  std::atomic<int> on_nemesis = 0;
  Interpreter i(clients(2),
                [&](int thread) {
                  return std::make_unique<Function>([&, thread](const Op& op, Deadline) {
                    EXPECT_EQ(op.process == kNemesis, thread == kNemesisThread);
                    on_nemesis += thread == kNemesisThread;
                    return Completion{OpType::ok, {{"done", true}}, ""};
                  });
                },
                memory, Interpreter::Clock::now());
  Op inject;
  inject.process = kNemesis;
  inject.f = "inject";
  inject.time = i.now() + 5'000'000;
  ASSERT_TRUE(i.run(gen::any({gen::nemesis(gen::schedule({inject})), writes(50)}), 1s, {}));
  EXPECT_EQ(on_nemesis, 1);
  int nemesis_events = 0;
  for (const auto& op : memory.ops)
    if (op.process == kNemesis) {
      ++nemesis_events;
      EXPECT_EQ(op.type, OpType::info);
      EXPECT_TRUE(op.node.empty());
    }
  EXPECT_EQ(nemesis_events, 2);
}

TEST(Interpreter, AnEventFromOutsideIsRecordedAndSeenByTheGenerator) {
  // Does one op once it has seen the event.
  class Waiting final : public Generator {
   public:
    explicit Waiting(bool seen) : seen_(seen) {}
    Step step(const Context& c) const override {
      if (!seen_) return {Step::Kind::pending, {}, shared_from_this()};
      Op op;
      op.f = "after";
      return gen::emit(std::move(op), c, nullptr);
    }
    Gen update(const Context&, const Op& event) const override {
      return std::make_shared<Waiting>(seen_ || event.f == "event");
    }

   private:
    bool seen_;
  };
  Memory memory;
  Interpreter i(clients(1), all([](const Op&, Deadline) { return Completion{OpType::ok, nullptr, ""}; }),
                memory, Interpreter::Clock::now());
  std::thread outside([&] {
    std::this_thread::sleep_for(20ms);
    i.post("event", {{"nth", 3}});
  });
  ASSERT_TRUE(i.run(gen::any({std::make_shared<Waiting>(false)}), 1s, {}));
  outside.join();
  ASSERT_EQ(memory.ops.size(), 3u);
  EXPECT_EQ(memory.ops[0].process, kNemesis);
  EXPECT_EQ(memory.ops[0].value.at("nth"), 3);
  EXPECT_EQ(memory.ops[1].f, "after");
}

TEST(Interpreter, ARecorderThatFailsEndsTheRun) {
  Memory memory;
  memory.full = true;
  Interpreter i(clients(2), all([](const Op&, Deadline) {
                  return Completion{OpType::ok, nullptr, ""};
                }),
                memory, Interpreter::Clock::now());
  const auto ran = i.run(writes(1'000), 1s, {});
  ASSERT_FALSE(ran);
  EXPECT_EQ(ran.error().message, "disk full");
}

TEST(Interpreter, RunsOneGeneratorAfterAnother) {
  Memory memory;
  Interpreter i(clients(2), all([](const Op&, Deadline) {
                  return Completion{OpType::info, nullptr, ""};
                }),
                memory, Interpreter::Clock::now());
  ASSERT_TRUE(i.run(writes(4), 1s, {}));
  ASSERT_TRUE(i.run(writes(4), 1s, {}));
  (void)history_of(memory.ops);
  EXPECT_EQ(memory.ops.size(), 16u);
}

}  // namespace
}  // namespace gameday::run
