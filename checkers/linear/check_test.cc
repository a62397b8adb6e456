#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>

#include "checkers/events/read.h"
#include "checkers/model.h"

namespace gameday {
namespace {

CheckResult judged(std::string_view model, std::string_view edn, ModelOptions options = {}) {
  const auto events = parse_events(edn);
  if (!events) throw std::invalid_argument(events.error().message);
  const Limits limits;
  for (const Model& m : linear_models())
    if (m.name == model) return m.check({*events, options, limits});
  throw std::invalid_argument("no such model");
}

constexpr std::string_view kStale =
    "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n"
    "{:process 0, :type :invoke, :f :write, :value 1}\n{:process 0, :type :ok, :f :write, :value 1}\n"
    "{:process 0, :type :invoke, :f :write, :value 2}\n{:process 0, :type :ok, :f :write, :value 2}\n"
    "{:process 1, :type :invoke, :f :read, :value nil}\n{:process 1, :type :ok, :f :read, :value 1}\n";

TEST(LinearCheck, TellsWhereEveryOrderFailsAndKeepsTheSources) {
  const auto result = judged("cas-register", kStale);
  ASSERT_EQ(result.verdict, Verdict::invalid);
  ASSERT_EQ(result.anomalies.size(), 1u);
  const auto& anomaly = result.anomalies[0];
  EXPECT_EQ(anomaly.type, "nonlinearizable");
  EXPECT_EQ(anomaly.detail["op"], 7);
  EXPECT_EQ(anomaly.detail["prefix-length"], 3);
  EXPECT_FALSE(anomaly.detail["alternatives"].empty());
  EXPECT_TRUE(std::find(anomaly.ops.begin(), anomaly.ops.end(), 7) != anomaly.ops.end());
}

// Writes of 1 and 2 in turn, and a read of 1 after a write of 2: what was hidden long ago is left out.
TEST(LinearCheck, TheSmallestHistoryLeavesOutHiddenSources) {
  std::string text;
  const auto call = [&](std::string_view f, int given, int answered) {
    text += fmt::format("{{:process 0, :type :invoke, :f :{}, :value {}}}\n", f,
                        given > 0 ? std::to_string(given) : "nil");
    text += fmt::format("{{:process 0, :type :ok, :f :{}, :value {}}}\n", f, answered);
  };
  for (int i = 0; i < 1000; ++i) call("write", 1 + i % 2, 1 + i % 2);
  call("read", 0, 1);
  const auto result = judged("register", text);
  ASSERT_EQ(result.verdict, Verdict::invalid);
  EXPECT_EQ(result.anomalies[0].detail["minimal"].size(), 3u);
  const auto& words = result.anomalies[0].explanation;
  const auto says = [](const std::string& line) {
    return line.find("needs the register to be 1, but it is 2") != std::string::npos;
  };
  EXPECT_TRUE(std::any_of(words.begin(), words.end(), says));
}

TEST(LinearCheck, ACompletionOfAnotherFunctionIsUnknown) {
  const auto result = judged("register",
                             "{:process 0, :type :invoke, :f :write, :value 1}\n"
                             "{:process 0, :type :ok, :f :read, :value 1}\n");
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("completed as another function"), std::string::npos) << result.summary;
}

// Where a search has more orders to try than it ever could.
TEST(LinearCheck, AnImpossibleValueNeedsNoSearch) {
  const auto infos = [](std::string_view f, bool same) {
    std::string text;
    for (int p = 1; p <= 20; ++p)
      text += fmt::format("{{:process {}, :type :invoke, :f :{}, :value {}}}\n", p, f, same ? p % 3 : p);
    return text;
  };
  const auto answer = [](std::string_view f, int value) {
    return fmt::format("{{:process 0, :type :invoke, :f :{0}}}\n"
                       "{{:process 0, :type :ok, :f :{0}, :value {1}}}\n",
                       f, value);
  };
  const auto decided = [](std::string_view model, const std::string& text) {
    const auto result = judged(model, text);
    return result.verdict == Verdict::invalid && result.stats["decided-by"] == "impossible value";
  };
  for (const auto model : {"fifo-queue", "unordered-queue"})
    EXPECT_TRUE(decided(model, infos("enqueue", true) + answer("dequeue", 99)));
  EXPECT_TRUE(decided("stack", infos("push", true) + answer("pop", 99)));
  EXPECT_TRUE(decided("linearizable-counter", infos("add", false) + answer("read", -1)));
  EXPECT_TRUE(decided("linearizable-counter", infos("add", false) + answer("read", 211)));
}

TEST(LinearCheck, TakesAnInitialState) {
  constexpr std::string_view kRead =
      "{:process 0, :type :invoke, :f :read, :value nil}\n{:process 0, :type :ok, :f :read, :value 5}\n";
  ModelOptions options;
  EXPECT_EQ(judged("register", kRead, options).verdict, Verdict::invalid);
  options.initial = "5";
  EXPECT_EQ(judged("register", kRead, options).verdict, Verdict::valid);
  options.initial = "6";
  EXPECT_EQ(judged("register", kRead, options).verdict, Verdict::invalid);
}

TEST(LinearCheck, AForeignFunctionIsUnknown) {
  const auto result = judged("mutex", "{:process 0, :type :invoke, :f :frobnicate, :value 1}\n");
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("frobnicate"), std::string::npos) << result.summary;
}

// The only order: write 1, write 0, cas [0 2]; the write of 0 changes nothing but hides that of 1.
TEST(LinearCheck, AWriteOfWhatIsThereHidesAnother) {
  EXPECT_EQ(judged("cas-register",
                   "{:process 1, :type :invoke, :f :write, :value 0}\n"
                   "{:process 1, :type :ok, :f :write, :value 0}\n"
                   "{:process 0, :type :invoke, :f :write, :value 1}\n"
                   "{:process 1, :type :invoke, :f :write, :value 0}\n"
                   "{:process 2, :type :invoke, :f :cas, :value [0 2]}\n"
                   "{:process 2, :type :ok, :f :cas, :value [0 2]}\n"
                   "{:process 1, :type :ok, :f :write, :value 0}\n"
                   "{:process 0, :type :ok, :f :write, :value 1}\n"
                   "{:process 2, :type :invoke, :f :read}\n"
                   "{:process 2, :type :ok, :f :read, :value 2}\n")
                .verdict,
            Verdict::valid);
}

// A register with 80 writes open at once: more than fit into one word.
TEST(LinearCheck, TakesMoreOpenCallsThanBitsInAWord) {
  std::string text;
  for (int p = 0; p < 80; ++p)
    text += fmt::format("{{:process {}, :type :invoke, :f :write, :value {}}}\n", p, p % 5);
  for (int p = 0; p < 80; ++p)
    text += fmt::format("{{:process {}, :type :ok, :f :write, :value {}}}\n", p, p % 5);
  text += "{:process 0, :type :invoke, :f :read}\n{:process 0, :type :ok, :f :read, :value 3}\n";
  EXPECT_EQ(judged("cas-register", text).verdict, Verdict::valid);
  text += "{:process 0, :type :invoke, :f :read}\n{:process 0, :type :ok, :f :read, :value 4}\n";
  EXPECT_EQ(judged("cas-register", text).verdict, Verdict::invalid);
}

// A wrong read late in a long history with info calls that pile up: refuted without counting them.
TEST(LinearCheck, InfoCallsThatPileUpDoNotHideAWrongRead) {
  std::string text;
  for (int i = 0; i < 300; ++i) {
    text += fmt::format("{{:process {}, :type :invoke, :f :cas, :value [{} {}]}}\n", 10 + i, i % 5, i % 4);
    text += fmt::format("{{:process {}, :type :info, :f :cas, :value [{} {}]}}\n", 10 + i, i % 5, i % 4);
    text += fmt::format("{{:process 0, :type :invoke, :f :write, :value {}}}\n", i % 5);
    text += fmt::format("{{:process 1, :type :invoke, :f :read}}\n"
                        "{{:process 1, :type :ok, :f :read, :value {}}}\n", i % 5);
    text += fmt::format("{{:process 0, :type :ok, :f :write, :value {}}}\n", i % 5);
  }
  EXPECT_EQ(judged("cas-register", text).verdict, Verdict::valid);
  text += "{:process 0, :type :invoke, :f :read}\n{:process 0, :type :ok, :f :read, :value 7}\n";
  const auto result = judged("cas-register", text);
  ASSERT_EQ(result.verdict, Verdict::invalid);
  EXPECT_EQ(result.anomalies[0].detail["minimal"].size(), 1u);
  EXPECT_EQ(result.anomalies[0].detail["prefix-length"], 600);
}

// Two violations: the conflict that is found first need not be the one that comes first.
TEST(LinearCheck, TellsTheLongestLegalPrefixOfDistinctValues) {
  std::string text;
  const auto call = [&](std::string_view f, int value) {
    text += fmt::format("{{:process 0, :type :invoke, :f :{}, :value {}}}\n", f,
                        f == "read" ? std::string("nil") : std::to_string(value));
    text += fmt::format("{{:process 0, :type :ok, :f :{}, :value {}}}\n", f, value);
  };
  for (int i = 1; i < 40; ++i) {
    call("write", i);
    call("read", i == 20 || i == 30 ? i - 1 : i);
  }
  call("read", 77);
  const auto result = judged("register", text);
  ASSERT_EQ(result.verdict, Verdict::invalid);
  EXPECT_EQ(result.anomalies[0].detail["prefix-length"], 39);
  EXPECT_EQ(result.anomalies[0].detail["minimal"].size(), 3u);
}

}  // namespace
}  // namespace gameday
