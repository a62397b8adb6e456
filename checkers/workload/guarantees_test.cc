// Each model of guarantees/ on small histories: one that it must pass and one that it must not.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>

#include "checkers/events/read.h"
#include "checkers/model.h"

namespace gameday {
namespace {

CheckResult check(std::string_view model, std::string_view edn, const ModelOptions& options = {}) {
  const auto events = parse_events(edn);
  EXPECT_TRUE(events) << (events ? "" : events.error().message);
  if (!events) return {};
  const Limits limits;
  for (const Model& one : workload_models())
    if (one.name == model) return one.check({*events, options, limits});
  ADD_FAILURE() << "no model " << model;
  return {};
}

std::set<std::string> types(const CheckResult& result) {
  std::set<std::string> all(result.anomaly_types.begin(), result.anomaly_types.end());
  for (const Anomaly& anomaly : result.anomalies) all.insert(anomaly.type);
  return all;
}

using Types = std::set<std::string>;

TEST(Objectives, AreJudgedOnlyWhereTheyAreAskedFor) {
  const char* history = R"(
    {:process 0 :type :invoke :f :read :time 0}
    {:process 0 :type :ok :f :read :value 1 :time 5000000}
    {:process 0 :type :invoke :f :read :time 6000000}
    {:process 0 :type :ok :f :read :value 1 :time 7000000}
    {:process 1 :type :invoke :f :write :value 2 :time 8000000}
    {:process 1 :type :fail :f :write :value 2 :time 9000000})";
  EXPECT_EQ(check("objectives", history).verdict, Verdict::valid);
  EXPECT_EQ(check("objectives", history).stats["by-f"]["read"]["latency-ms"]["1"], 5.0);
  ModelOptions options;
  options.min_availability = 0.6;
  const CheckResult missed = check("objectives", history, options);
  EXPECT_EQ(missed.verdict, Verdict::invalid);
  EXPECT_EQ(types(missed), Types{"availability-missed"});
  EXPECT_EQ(missed.anomaly_count, 1u);  // of write; 2 of 3 of all is enough
  ModelOptions latency;
  latency.max_latency_ms = 4;
  EXPECT_EQ(types(check("objectives", history, latency)), Types{"latency-missed"});
  latency.latency_quantile = 0.5;
  EXPECT_EQ(check("objectives", history, latency).verdict, Verdict::valid);
  EXPECT_EQ(check("objectives",
                  "{:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read}", latency)
                .verdict,
            Verdict::unknown);
}

TEST(Convergence, FinalReadsMustAgree) {
  const std::string writes = R"(
    {:process 0 :type :invoke :f :write :value 1}
    {:process 2 :type :invoke :f :read}
    {:process 2 :type :ok :f :read :value 0}
    {:process 0 :type :ok :f :write :value 1})";
  const std::string agree = R"(
    {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value 0}
    {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value 1}
    {:process 1 :type :invoke :f :read}{:process 1 :type :ok :f :read :value 1})";
  const std::string differ = R"(
    {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value 0}
    {:process 1 :type :invoke :f :read}{:process 1 :type :ok :f :read :value 1})";
  EXPECT_EQ(check("convergence", writes + agree).verdict, Verdict::valid);
  const CheckResult diverged = check("convergence", writes + differ);
  EXPECT_EQ(diverged.verdict, Verdict::invalid);
  EXPECT_EQ(types(diverged), Types{"diverged"});
  EXPECT_EQ(diverged.anomalies[0].detail["says"]["1"], 1);
  EXPECT_EQ(check("convergence", writes).verdict, Verdict::unknown);
  EXPECT_EQ(check("convergence", writes + "{:process 7 :type :invoke :f :write :value 3}" + differ)
                .verdict,
            Verdict::unknown);
}

TEST(Convergence, ByKeyAndByNode) {
  const char* history = R"(
    {:process 0 :type :invoke :f :write :value [:x 1]}{:process 0 :type :ok :f :write :value [:x 1]}
    {:process 0 :type :invoke :f :read :value [:x nil]}{:process 0 :type :ok :f :read :value [:x 1] :node "a"}
    {:process 0 :type :invoke :f :read :value [:x nil]}{:process 0 :type :ok :f :read :value [:x 2] :node "b"}
    {:process 1 :type :invoke :f :read :value [:y nil]}
    {:process 1 :type :ok :f :read :value [:y 3] :node "b"})";
  const CheckResult diverged = check("convergence", history);
  EXPECT_EQ(diverged.verdict, Verdict::invalid);
  EXPECT_EQ(diverged.anomalies[0].detail["key"], "x");
}

TEST(LogFilePattern, FindsLines) {
  const auto file = std::filesystem::path(::testing::TempDir()) / "guarantees_test.log";
  std::ofstream(file) << "started\n" << std::string(10000, 'x') << "panic: disk\nstopped";
  ModelOptions options;
  EXPECT_EQ(check("log-file-pattern", "", options).verdict, Verdict::unknown);
  options.pattern = "panic: (\\w+)";
  options.log_files = {file.string()};
  const CheckResult found = check("log-file-pattern", "", options);
  EXPECT_EQ(found.verdict, Verdict::invalid);
  ASSERT_EQ(found.anomalies.size(), 1u);
  EXPECT_EQ(found.anomalies[0].detail["line"], 2);
  EXPECT_EQ(found.anomalies[0].detail["text"], "panic: disk");
  options.pattern = "no such";
  EXPECT_EQ(check("log-file-pattern", "", options).verdict, Verdict::valid);
  options.log_files.push_back(file.string() + ".missing");
  EXPECT_EQ(check("log-file-pattern", "", options).verdict, Verdict::unknown);
  options.pattern = "(";
  EXPECT_EQ(check("log-file-pattern", "", options).verdict, Verdict::unknown);
  std::filesystem::remove(file);
}

TEST(UnhandledExceptions, AreCountedByClass) {
  const char* history = R"(
    {:process 0 :type :invoke :f :read}
    {:process 0 :type :info :f :read :exception {:via [{:type java.io.IOException}] :cause "x"}}
    {:process 1 :type :invoke :f :read}
    {:process 1 :type :info :f :read :exception {:via [{:type java.io.IOException}]}}
    {:process 2 :type :invoke :f :read}
    {:process 2 :type :info :f :read :error [:timeout 5]})";
  const CheckResult result = check("unhandled-exceptions", history);
  EXPECT_EQ(result.verdict, Verdict::valid);
  EXPECT_EQ(result.stats["exceptions"][0]["class"], "java.io.IOException");
  EXPECT_EQ(result.stats["exceptions"][0]["count"], 2);
  EXPECT_EQ(result.stats["exceptions"][1]["class"], ":timeout");
  EXPECT_EQ(check("unhandled-exceptions", "").stats["count"], 0);
}

// A register history: "0w1 1r1 0r-" is process 0 writing 1, process 1 reading 1, process 0 reading
// nil; keys are the letters a and b: "0wa1".
std::string registers(std::string_view words) {
  std::string edn;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const char process = words[i], f = words[i + 1], key = words[i + 2], value = words[i + 3];
    const std::string v = value == '-' ? "nil" : std::string(1, value);
    const std::string name = f == 'w' ? "write" : "read";
    edn += fmt::format("{{:process {} :type :invoke :f :{} :value [:{} {}]}}\n", process, name, key,
                       f == 'w' ? v : "nil");
    edn += fmt::format("{{:process {} :type :ok :f :{} :value [:{} {}]}}\n", process, name, key, v);
    i += 4;
  }
  return edn;
}

TEST(Session, EachGuaranteeHasItsViolation) {
  EXPECT_EQ(check("session", registers("0wa1 1ra1 1wa2 0ra2 1ra2 2ra-")).verdict, Verdict::valid);
  const auto judge = [](std::string_view model, std::string_view words) {
    return check(model, registers(words)).verdict;
  };
  // Own write not seen; an older own write seen.
  for (const auto* words : {"0wa1 0ra-", "0wa1 0wa2 0ra1"}) {
    EXPECT_EQ(types(check("session", registers(words))), Types{"read-your-writes"}) << words;
    EXPECT_EQ(judge("read-your-writes", words), Verdict::invalid);
    EXPECT_EQ(judge("monotonic-reads", words), Verdict::valid);
  }
  for (const auto* words : {"0wa1 1ra1 1ra-", "0wa1 0wa2 1ra2 1ra1"}) {
    EXPECT_EQ(types(check("session", registers(words))), Types{"monotonic-reads"}) << words;
    EXPECT_EQ(judge("monotonic-reads", words), Verdict::invalid);
    EXPECT_EQ(judge("read-your-writes", words), Verdict::valid);
  }
  EXPECT_EQ(judge("monotonic-writes", "0wa1 0wa2 1ra2 1ra1"), Verdict::invalid);
  EXPECT_EQ(judge("writes-follow-reads", "0wa1 0wa2 1ra2 1ra1"), Verdict::valid);
  // 1 wrote 2 after it had read 1, which another session sees the other way round.
  EXPECT_EQ(judge("writes-follow-reads", "0wa1 1ra1 1wa2 2ra2 2ra1"), Verdict::invalid);
  EXPECT_EQ(judge("monotonic-writes", "0wa1 1ra1 1wa2 2ra2 2ra1"), Verdict::valid);
  // Two sessions that each read what the other wrote only later; other keys have other orders.
  EXPECT_EQ(types(check("session", registers("0ra2 1ra1 0wa1 1wa2"))),
            Types{"writes-follow-reads"});
  EXPECT_EQ(judge("session", "0wa1 0wb1 1rb1 1ra-"), Verdict::valid);
}

TEST(Session, ReadsAllFormsOfRegisters) {
  const char* plain =
      R"({:process 0 :type :invoke :f :write :value 1}{:process 0 :type :ok :f :write :value 1}
    {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value 0})";
  EXPECT_EQ(types(check("session", plain)), Types{"read-your-writes"});  // 0 is the initial value
  const char* txn = R"(
    {:process 0 :type :invoke :f :txn :value [[:w :x 1] [:w :x 2]]}
    {:process 0 :type :ok :f :txn :value [[:w :x 1] [:w :x 2]]}
    {:process 1 :type :invoke :f :txn :value [[:r :x nil] [:r :x nil]]}
    {:process 1 :type :ok :f :txn :value [[:r :x 2] [:r :x 1]]})";
  EXPECT_EQ(types(check("session", txn)), Types{"monotonic-reads"});
  EXPECT_EQ(check("session", registers("0wa1 1wa1 0ra1")).verdict, Verdict::unknown);
  // What was read before its write began did not come from there.
  EXPECT_EQ(check("session", registers("0ra1 1wa1")).verdict, Verdict::unknown);
  // Two values that nobody wrote: at most one was there from the beginning.
  EXPECT_EQ(check("session", registers("0ra1 0ra2")).verdict, Verdict::unknown);
  EXPECT_EQ(types(check("session", registers("0ra1 0ra2 0ra1"))), Types{"monotonic-reads"});
  // Of unknown outcome: it may come later than the read.
  EXPECT_EQ(check("session", R"({:process 0 :type :invoke :f :write :value 1}
    {:process 0 :type :info :f :write :value 1}
    {:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read :value nil})")
                .verdict,
            Verdict::valid);
}

// Small random histories of one key against the definitions, without any short cut: all relations
// of all pairs of operations, their transitive closure, and every order of the versions.
class BruteForce {
 public:
  struct Step {
    int process = 0;
    bool write = false;
    int version = 0;
  };

  explicit BruteForce(const std::vector<Step>& steps) {
    for (std::size_t j = 0; j < steps.size(); ++j)
      for (std::size_t i = 0; i < j; ++i) {
        const Step &a = steps[i], &b = steps[j];
        if (a.process != b.process || (a.version == b.version && !b.write) || a.version == 0)
          continue;
        const int g = a.write ? (b.write ? 3 : 0) : (b.write ? 2 : 1);
        relations_.push_back({a.version, b.version, g});
      }
  }

  bool holds_in_some_order() const {
    std::vector<int> order = {1, 2, 3, 4};
    do {
      int at[5] = {};
      for (int i = 0; i < 4; ++i) at[order[static_cast<std::size_t>(i)]] = i + 1;
      if (std::all_of(relations_.begin(), relations_.end(),
                      [&](const auto& r) { return at[r[0]] < at[r[1]]; }))
        return true;
    } while (std::next_permutation(order.begin(), order.end()));
    return false;
  }

  // A relation of this guarantee is part of a cycle, or leads back to the initial version.
  bool blames(int guarantee) const {
    bool reach[5][5] = {};
    for (const auto& r : relations_)
      if (r[1] != 0) reach[r[0]][r[1]] = true;
    for (int k = 0; k < 5; ++k)
      for (int i = 0; i < 5; ++i)
        for (int j = 0; j < 5; ++j) reach[i][j] = reach[i][j] || (reach[i][k] && reach[k][j]);
    return std::any_of(relations_.begin(), relations_.end(), [&](const auto& r) {
      return r[2] == guarantee && (r[1] == 0 || reach[r[1]][r[0]]);
    });
  }

 private:
  std::vector<std::array<int, 3>> relations_;  // from, to, guarantee
};

TEST(Session, AgreesWithBruteForce) {
  std::mt19937 random(7);
  int invalid = 0;
  for (int round = 0; round < 1000; ++round) {
    std::vector<BruteForce::Step> steps;
    std::string words;
    bool written[5] = {}, read[5] = {};
    const auto length = 3 + random() % 6;
    for (unsigned i = 0; i < length; ++i) {
      const auto version = static_cast<int>(random() % 5);
      const bool write =
          version > 0 && !written[version] && !read[version] && random() % 2 == 0;
      const auto process = static_cast<int>(random() % 3);
      (write ? written : read)[version] = true;
      steps.push_back({process, write, version});
    }
    for (int v = 1; v < 5; ++v)  // by sessions of their own
      if (!written[v]) steps.insert(steps.begin(), {3 + v, true, v});
    for (const auto& s : steps)
      words += fmt::format("{}{}a{} ", s.process, s.write ? 'w' : 'r',
                           s.version == 0 ? "-" : std::to_string(s.version));
    const std::string edn = registers(words);
    const BruteForce truth(steps);
    const auto verdict = [](bool holds) { return holds ? Verdict::valid : Verdict::invalid; };
    ASSERT_EQ(check("session", edn).verdict, verdict(truth.holds_in_some_order())) << words;
    const char* names[] = {"read-your-writes", "monotonic-reads", "writes-follow-reads",
                           "monotonic-writes"};
    for (int g = 0; g < 4; ++g)
      ASSERT_EQ(check(names[g], edn).verdict, verdict(!truth.blames(g))) << words;
    invalid += truth.holds_in_some_order() ? 0 : 1;
  }
  EXPECT_GT(invalid, 100);
  EXPECT_LT(invalid, 950);
}

TEST(Staleness, CountsWritesThatAreCertainlyBetween) {
  std::string history;
  std::int64_t time = 0;
  const auto add = [&](const char* f, const char* value) {
    history += fmt::format("{{:process 0 :type :invoke :f :{} :value {} :time {}}}", f,
                           std::string_view(f) == "read" ? "nil" : value, time += 1000000);
    history += fmt::format("{{:process 0 :type :ok :f :{} :value {} :time {}}}", f, value,
                           time += 1000000);
  };
  for (const char* v : {"1", "2", "3"}) add("write", v);  // acknowledged at 2, 4 and 6 ms
  add("read", "3");
  EXPECT_EQ(check("staleness", history).stats["staleness-versions"]["max"], 0);
  add("read", "1");  // begins at 9 ms: 5 ms after 1 was overwritten
  const CheckResult figures = check("staleness", history);
  EXPECT_EQ(figures.verdict, Verdict::valid);
  EXPECT_EQ(figures.stats["staleness-versions"]["max"], 2);
  EXPECT_EQ(figures.stats["staleness-ms"]["max"], 5.0);
  EXPECT_EQ(figures.stats["stale-reads"], 1);
  ModelOptions options;
  options.max_staleness_versions = 2;
  options.max_staleness_ms = 5;
  EXPECT_EQ(check("staleness", history, options).verdict, Verdict::valid);
  options.max_staleness_versions = 1;
  EXPECT_EQ(types(check("staleness", history, options)), Types{"stale-read"});
  options.max_staleness_versions = 2;
  options.max_staleness_ms = 4.9;
  EXPECT_EQ(check("staleness", history, options).verdict, Verdict::invalid);
  EXPECT_EQ(check("staleness", registers("0wa1 0ra1"), options).verdict,
            Verdict::unknown);  // no times
}

TEST(Staleness, AConcurrentWriteProvesNothing) {
  ModelOptions options;
  options.max_staleness_versions = 0;
  const std::string write =
      "{:process 1 :type :invoke :f :write :value 1}{:process 2 :type :invoke :f :write :value 2}"
      "{:process 2 :type :ok :f :write :value 2}{:process 1 :type :ok :f :write :value 1}";
  const std::string read =
      "{:process 3 :type :invoke :f :read}{:process 3 :type :ok :f :read :value 1}";
  EXPECT_EQ(check("staleness", write + read, options).verdict, Verdict::valid);
  EXPECT_EQ(check("staleness",
                  "{:process 1 :type :invoke :f :write :value 1}" + read +
                      "{:process 2 :type :invoke :f :write :value 2}"
                      "{:process 2 :type :ok :f :write :value 2}" +
                      read,
                  options)
                .verdict,
            Verdict::invalid);  // 1 was there before 2 began, though its write never ended
}

TEST(KAtomicity, CountsHowManyWritesAReadMayMiss) {
  const auto k = [](std::string_view words) {
    return check("k-atomicity", registers(words)).stats["k"];
  };
  EXPECT_EQ(k("0wa1 0ra1 0wa2 1ra2"), 1);
  EXPECT_EQ(k("0wa1 0wa2 1ra1"), 2);
  EXPECT_EQ(k("0wa1 0wa2 0wa3 1ra1 1ra- 0wb4 1rb4"), 4);
  ModelOptions options;
  options.max_staleness_versions = 1;
  EXPECT_EQ(check("k-atomicity", registers("0wa1 0wa2 1ra1"), options).verdict, Verdict::valid);
  const CheckResult worse = check("k-atomicity", registers("0wa1 0wa2 0wa3 1ra1"), options);
  EXPECT_EQ(types(worse), Types{"not-k-atomic"});
  EXPECT_EQ(worse.verdict, Verdict::invalid);
  EXPECT_EQ(types(check("k-atomicity", registers("0ra1 0wa1"))), Types{"future-read"});
}

// A random history of one register, many calls at once.
std::string overlapping(std::mt19937& random, int writes, int reads) {
  struct Call {
    bool write;
    int value, begin, end;
    bool lost;
  };
  std::vector<Call> calls;
  for (int v = 1; v <= writes; ++v) {
    const int begin = static_cast<int>(random() % 40);
    calls.push_back(
        {true, v, begin, begin + 1 + static_cast<int>(random() % 20), random() % 8 == 0});
  }
  for (int i = 0; i < reads; ++i) {
    const Call of = calls[random() % static_cast<unsigned>(writes)];
    const int begin = std::max(0, of.begin - 8 + static_cast<int>(random() % 33));
    calls.push_back({false, of.value, begin, begin + 1 + static_cast<int>(random() % 15), false});
  }
  std::vector<std::pair<int, std::string>> rows;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const Call& c = calls[i];
    const char* f = c.write ? "write" : "read";
    rows.emplace_back(c.begin, fmt::format("{{:process {} :type :invoke :f :{} :value {}}}", i, f,
                                           c.write ? std::to_string(c.value) : "nil"));
    if (!c.lost)
      rows.emplace_back(c.end,
                        fmt::format("{{:process {} :type :ok :f :{} :value {}}}", i, f, c.value));
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string edn;
  for (const auto& [time, row] : rows) edn += row;
  return edn;
}

// The smallest k over every order of all calls that real time allows; 0: there is none.
class EveryOrder {
 public:
  explicit EveryOrder(const Events& events) : events_(events) {}
  int smallest_k() {
    place(0, {}, 0);
    return best_ == kNone ? 0 : best_;
  }

 private:
  static constexpr int kNone = 1000;

  void place(unsigned done, std::vector<std::int64_t> written, int k) {
    if (k >= best_) return;
    bool all = true;
    for (std::size_t i = 0; i < events_.pairs().size(); ++i) {
      const Pair& p = events_.pairs()[i];
      if ((done >> i & 1) != 0) continue;
      all = all && p.outcome != OpType::ok;
      if (!may_be_next(done, p)) continue;
      if (events_.name_text(events_.f(p.invoke)) == "write") {
        auto longer = written;
        longer.push_back(events_.value(p.invoke).as_integer());
        place(done | 1U << i, std::move(longer), std::max(k, 1));
      } else {
        const auto at = std::find(written.begin(), written.end(), events_.result(p).as_integer());
        if (at != written.end())
          place(done | 1U << i, written, std::max(k, static_cast<int>(written.end() - at)));
      }
    }
    if (all) best_ = std::min(best_, std::max(k, 1));
  }

  bool may_be_next(unsigned done, const Pair& p) const {
    for (std::size_t j = 0; j < events_.pairs().size(); ++j) {
      const Pair& q = events_.pairs()[j];
      if ((done >> j & 1) == 0 && q.outcome == OpType::ok &&
          static_cast<std::uint32_t>(q.done) < p.invoke)
        return false;
    }
    return true;
  }

  const Events& events_;
  int best_ = kNone;
};

TEST(KAtomicity, AgreesWithEveryOrder) {
  std::mt19937 random(11);
  std::array<int, 8> seen{};
  for (int round = 0; round < 1000; ++round) {
    const std::string edn =
        overlapping(random, 2 + static_cast<int>(random() % 4), 1 + static_cast<int>(random() % 4));
    const auto events = parse_events(edn);
    ASSERT_TRUE(events);
    const int truth = EveryOrder(*events).smallest_k();
    const CheckResult result = check("k-atomicity", edn);
    if (truth == 0) {
      ASSERT_EQ(types(result), Types{"future-read"}) << edn;
    } else {
      ASSERT_EQ(result.verdict, Verdict::valid) << edn << result.summary;
      ASSERT_EQ(result.stats["k"], truth) << edn;
    }
    ++seen[static_cast<std::size_t>(truth)];
  }
  for (const std::size_t k : {0, 1, 2, 3}) EXPECT_GT(seen[k], 5) << k;
}

// Completed ops of a log, each with its invocation: process, type, f, value of the completion.
struct LogOp {
  int process;
  const char *type, *f, *value;
};
CheckResult check_log(const std::vector<LogOp>& ops) {
  std::string edn;
  for (const LogOp& op : ops)
    edn += fmt::format(
        "{{:process {0} :type :invoke :f :{2} :value {3}}}{{:process {0} :type :{1} :f :{2} :value "
        "{3}}}",
        op.process, op.type, op.f, op.value);
  return check("kafka", edn);
}

TEST(Kafka, LogsThatAreInOrder) {
  const CheckResult good = check_log({{0, "ok", "assign", "[:x]"},
                                      {0, "ok", "send", "[[:send :x [0 :a]]]"},
                                      {0, "ok", "txn", "[[:send :x [1 :b]] [:send :x [3 :c]]]"},
                                      {1, "ok", "poll", "[[:poll {:x [[0 :a] [1 :b]]}]]"},
                                      {1, "ok", "poll", "[[:poll {:x [[3 :c]]}] [:poll {}]]"}});
  EXPECT_EQ(good.verdict, Verdict::valid) << good.summary;
  // Nobody polled b: lost, or not yet read.
  const CheckResult unseen = check_log({{0, "ok", "send", "[[:send 0 [0 :a]]]"},
                                        {0, "ok", "send", "[[:send 0 [1 :b]]]"},
                                        {1, "ok", "poll", "[[:poll {0 [[0 :a]]}]]"}});
  EXPECT_EQ(unseen.verdict, Verdict::invalid);
  EXPECT_EQ(types(unseen), Types{"unseen"});
  EXPECT_EQ(unseen.stats["unseen"], 1);
}

TEST(Kafka, EachAnomalyIsFound) {
  const auto found = [](const std::vector<LogOp>& ops) {
    const CheckResult result = check_log(ops);
    EXPECT_EQ(result.verdict, Verdict::invalid) << result.summary;
    Types all(result.anomaly_types.begin(), result.anomaly_types.end());
    all.erase("unseen");  // these logs are not polled to their ends
    return all;
  };
  const LogOp a{0, "ok", "send", "[[:send 0 [0 :a]]]"}, b{0, "ok", "send", "[[:send 0 [1 :b]]]"},
      c{0, "ok", "send", "[[:send 0 [2 :c]]]"},
      all{8, "ok", "poll", "[[:poll {0 [[0 :a] [1 :b] [2 :c]]}]]"};
  EXPECT_EQ(found({a, b, {1, "ok", "poll", "[[:poll {0 [[1 :b]]}]]"}}), Types{"lost-write"});
  // Of unknown outcome, but a part of the transaction was seen.
  EXPECT_EQ(found({{0, "info", "txn", "[[:send 0 [0 :a]] [:send 0 [1 :b]]]"},
                   {1, "ok", "poll", "[[:poll {0 [[1 :b]]}]]"}}),
            Types{"lost-write"});
  EXPECT_EQ(found({{0, "ok", "send", "[[:send 0 [0 :a]]]"},
                   {1, "ok", "poll", "[[:poll {0 [[0 :a] [1 :a]]}]]"}})
                .count("duplicate"),
            1u);
  EXPECT_EQ(found({a,
                   {0, "ok", "send", "[[:send 0 [0 :b]]]"},
                   {1, "ok", "poll", "[[:poll {0 [[0 :a]]}]]"},
                   {2, "ok", "poll", "[[:poll {0 [[0 :b]]}]]"}}),
            Types{"inconsistent-offsets"});
  EXPECT_EQ(
      found({{0, "fail", "send", "[[:send 0 :a]]"}, {1, "ok", "poll", "[[:poll {0 [[0 :a]]}]]"}}),
      Types{"G1a"});
  EXPECT_EQ(found({{1, "ok", "poll", "[[:poll {0 [[0 :a]]}]]"}}), Types{"never-written"});
  EXPECT_EQ(found({{0, "ok", "txn", "[[:send 0 [0 :a]] [:poll {0 [[0 :a]]}]]"}}),
            Types{"precommitted-read"});
  EXPECT_EQ(found({a, b, c, all, {1, "ok", "poll", "[[:poll {0 [[0 :a] [2 :c]]}]]"}}),
            Types{"int-poll-skip"});
  EXPECT_EQ(found({a, b, c, all, {1, "ok", "poll", "[[:poll {0 [[1 :b] [0 :a]]}]]"}}),
            Types{"int-nonmonotonic-poll"});
  const LogOp first{1, "ok", "poll", "[[:poll {0 [[0 :a]]}]]"},
      second{1, "ok", "poll", "[[:poll {0 [[1 :b]]}]]"},
      third{1, "ok", "poll", "[[:poll {0 [[2 :c]]}]]"};
  EXPECT_EQ(found({a, b, c, all, first, third}), Types{"poll-skip"});
  EXPECT_EQ(found({a, b, c, all, second, first}), Types{"nonmonotonic-poll"});
  EXPECT_EQ(check_log({a, b, c, all, second, {1, "ok", "assign", "[1]"}, first}).verdict,
            Verdict::valid);
  EXPECT_EQ(check_log({a, b, c, all, {9, "ok", "subscribe", "[0]"}, first, third}).verdict,
            Verdict::valid);
  EXPECT_EQ(found({b, a, c, all}), Types{"nonmonotonic-send"});
  EXPECT_EQ(found({{0, "ok", "txn", "[[:send 0 [1 :b]] [:send 0 [0 :a]]]"}, c, all}),
            Types{"int-nonmonotonic-send"});
  const CheckResult skip =
      check_log({b, {2, "ok", "txn", "[[:send 0 [0 :a]] [:send 0 [2 :c]]]"}, all});
  EXPECT_EQ(skip.verdict, Verdict::valid);
  EXPECT_EQ(skip.stats["counts"]["int-send-skip"], 1);
}

TEST(Kafka, OfJson) {
  const CheckResult lost =
      check("kafka", R"([{"process":0,"type":"invoke","f":"send","value":[["send",3,"a"]]},
    {"process":0,"type":"ok","f":"send","value":[["send",3,[0,"a"]]]},
    {"process":0,"type":"invoke","f":"send","value":[["send",3,"b"]]},
    {"process":0,"type":"ok","f":"send","value":[["send",3,[1,"b"]]]},
    {"process":1,"type":"invoke","f":"poll","value":[["poll"]]},
    {"process":1,"type":"ok","f":"poll","value":[["poll",{"3":[[1,"b"]]}]]}])");
  EXPECT_EQ(types(lost), (Types{"lost-write", "unseen"}));
}

}  // namespace
}  // namespace gameday
