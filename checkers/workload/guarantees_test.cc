// Each model of guarantees.cc on small histories: one that it must pass and one that it must not.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
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
  for (const Model& one : guarantee_models())
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
  EXPECT_EQ(check("objectives", "{:process 0 :type :invoke :f :read}{:process 0 :type :ok :f :read}",
                  latency)
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
  EXPECT_EQ(check("convergence", writes + "{:process 7 :type :invoke :f :write :value 3}" + differ).verdict,
            Verdict::unknown);
}

TEST(Convergence, ByKeyAndByNode) {
  const char* history = R"(
    {:process 0 :type :invoke :f :write :value [:x 1]}{:process 0 :type :ok :f :write :value [:x 1]}
    {:process 0 :type :invoke :f :read :value [:x nil]}{:process 0 :type :ok :f :read :value [:x 1] :node "a"}
    {:process 0 :type :invoke :f :read :value [:x nil]}{:process 0 :type :ok :f :read :value [:x 2] :node "b"}
    {:process 1 :type :invoke :f :read :value [:y nil]}{:process 1 :type :ok :f :read :value [:y 3] :node "b"})";
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

}  // namespace
}  // namespace gameday
