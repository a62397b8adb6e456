#include "checkers/catalog.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "checkers/model.h"
#include "checkers/story.h"

namespace gameday {
namespace {

TEST(Catalog, NamesAreUniqueAndDescribed) {
  std::set<std::string_view> names;
  for (const Checker* checker : checkers()) {
    EXPECT_TRUE(names.insert(checker->name()).second) << checker->name();
    EXPECT_FALSE(checker->summary().empty());
    EXPECT_LE(checker->summary().size(), 90U) << checker->name();
    EXPECT_EQ(find_checker(checker->name()), checker);
  }
  EXPECT_EQ(names.size(), 12U);
  EXPECT_EQ(find_checker("nonsense"), nullptr);
}

// Else the first of a table would hide the others.
TEST(Catalog, NoTwoModelsShareANameOrAnAlias) {
  std::set<std::string> names;
  for (const Model* model : models()) {
    EXPECT_TRUE(names.emplace(model->name).second) << model->name;
    std::istringstream aliases{std::string(model->aliases)};
    for (std::string alias; aliases >> alias;)
      EXPECT_TRUE(names.insert(alias).second) << model->name << ": " << alias;
    EXPECT_EQ(find_model(model->name), model);
  }
}

TEST(Catalog, EmptyHistoryIsUnknown) {
  const History history;
  const auto results = check_all({history, {}, {}, {}, {}});
  EXPECT_EQ(merged(results), Verdict::unknown);
  EXPECT_EQ(merged({}), Verdict::unknown);
  for (const Checker* checker : checkers())
    EXPECT_NE(check_safely(*checker, {history, {}, {}, {}, {}}).verdict, Verdict::invalid)
        << checker->name();
}

TEST(Catalog, RunsWhatFitsAndSaysWhatDoesNot) {
  Story story;
  story.call(0, "write", {1, 5}).call(1, "read", {1, nullptr}, OpType::ok, {1, 5});
  const CheckInput input = story.input();
  std::set<std::string> ran;
  for (const auto& result : check_all(input)) {
    ran.insert(result.checker);
    EXPECT_EQ(result.verdict, Verdict::valid) << result.checker << ": " << result.summary;
  }
  EXPECT_EQ(ran, (std::set<std::string>{"availability", "dirty-read", "linearizable", "stats"}));
  const auto asked = check_all(input, {"linearizable", "set-full", "no-such"});
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_EQ(asked[0].verdict, Verdict::valid);
  EXPECT_EQ(asked[1].verdict, Verdict::unknown);
  EXPECT_NE(asked[2].summary.find("no checker no-such"), std::string::npos);
  EXPECT_EQ(merged(asked), Verdict::unknown);
}

// Why nothing succeeded, and who fell over meanwhile, is in the first thing that is read.
TEST(Catalog, StatsSayWhatWentWrong) {
  Story story;
  for (const char* error : {"refused", "cannot connect", "cannot connect"})
    story.event(0, OpType::invoke, "read", {1, nullptr})
        .event(0, OpType::fail, "read", {1, nullptr}, "n1", error);
  story.event(kNemesis, OpType::info, "node-exit",
              {{"node", "n2"}, {"what", "n2 exited with code 5"}, {"time", 1}});
  const auto result = check_all(story.input(), {"stats"}).at(0);
  EXPECT_EQ(result.verdict, Verdict::unknown);
  EXPECT_NE(result.summary.find("(2 times: cannot connect)"), std::string::npos) << result.summary;
  EXPECT_EQ(result.stats["node-exits"], Json({"n2 exited with code 5"}));
  story.call(1, "read", {1, nullptr});
  const auto ended = check_all(story.input(), {"stats"}).at(0);
  EXPECT_NE(ended.summary.find("by themselves: n2 exited"), std::string::npos) << ended.summary;
}

// A run says who judges it; then nobody else does, but for those that judge every run.
TEST(Catalog, WhoJudgesIsWrittenDown) {
  Story story;
  story.call(0, "add", 1).call(0, "add", 2).call(1, "read", nullptr, OpType::ok, {1});
  CheckInput input = story.input();
  input.test["judges"] = Json::parse(R"([{"model": "set-full"}])");
  auto results = check_all(input);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].checker, "set-full");
  EXPECT_EQ(results[0].verdict, Verdict::invalid) << "2 is lost";
  EXPECT_EQ(results[1].checker, "stats");
}

// What is missing at the end is lost only if the cluster had come to rest.
TEST(Catalog, WhatMayStillComeIsNotLost) {
  for (const auto& [final_reads, settled, verdict] :
       {std::tuple{false, false, Verdict::invalid}, {true, true, Verdict::invalid},
        {true, false, Verdict::unknown}}) {
    Story story;
    story.call(0, "add", 1).call(0, "add", 2);
    story.event(kNemesis, OpType::info, "settled", {{"ok", settled}});
    story.call(1, "read", nullptr, OpType::ok, {1});
    CheckInput input = story.input();
    input.test["judges"] = Json::parse(R"([{"model": "set-full"}])");
    input.test["final-reads"] = final_reads;
    const auto results = check_all(input);
    ASSERT_FALSE(results.empty());
    EXPECT_EQ(results[0].verdict, verdict) << final_reads << settled << results[0].summary;
  }
}

// A transaction's history is judged by the consistency model that the run was about.
TEST(Catalog, TheConsistencyThatWasAskedForDecides) {
  for (const auto& [model, verdict] :
       {std::pair{"serializable", Verdict::invalid}, {"read-committed", Verdict::valid}}) {
    Story story;  // write skew: both read what the other was about to append to
    story.event(0, OpType::invoke, "txn", Json::parse(R"([["r",1,null],["append",2,1]])"));
    story.event(1, OpType::invoke, "txn", Json::parse(R"([["r",2,null],["append",1,1]])"));
    story.event(0, OpType::ok, "txn", Json::parse(R"([["r",1,null],["append",2,1]])"));
    story.event(1, OpType::ok, "txn", Json::parse(R"([["r",2,null],["append",1,1]])"));
    story.call(2, "txn", Json::parse(R"([["r",1,null],["r",2,null]])"), OpType::ok,
               Json::parse(R"([["r",1,[1]],["r",2,[1]]])"));
    CheckInput input = story.input();
    input.test["judges"] = Json::array({{{"model", "list-append"}, {"consistency", {model}}}});
    const auto results = check_all(input);
    ASSERT_FALSE(results.empty());
    EXPECT_EQ(results[0].verdict, verdict) << model << ": " << results[0].summary;
  }
}

// Whatever the values hold, a checker answers; it never throws out or calls it a bug.
TEST(Catalog, ValuesOfAnyShapeAreNotInvalid) {
  const std::vector<Json> shapes = {nullptr,
                                    1,
                                    "x",
                                    Json::array(),
                                    Json::array({1}),
                                    Json::array({1, 2, 3, 4}),
                                    Json::object(),
                                    true,
                                    Json::array({Json::array(), Json::object()})};
  for (const Json& shape : shapes)
    for (const char* f : {"read", "write", "cas", "append", "add", "jobs", "lists", "read-set",
                          "search", "get", "status", "final-status"}) {
      Story story;
      story.call(0, "write", {1, 1}).call(0, "append", {1, 1}, OpType::ok, {1, 1, 1});
      story.call(1, f, shape, OpType::ok, shape).call(2, f, shape, OpType::info, nullptr);
      for (const auto& result : check_all(story.input())) {
        EXPECT_EQ(result.summary.find("the checker failed"), std::string::npos)
            << result.checker << " on " << f << " " << shape.dump() << ": " << result.summary;
        // A read of {} or of 1 element is a contradiction only where it parses as an answer.
        if (result.verdict == Verdict::invalid) {
          EXPECT_FALSE(result.anomalies.empty());
        }
      }
    }
}

TEST(Catalog, AnomaliesAreCappedAndCounted) {
  Story story;
  for (int i = 0; i < 100; ++i) {
    story.call(0, "write", {1, i});
    story.call(1, "get", {1, nullptr}, OpType::ok, {1, 1000 + i});
  }
  const auto results = check_all(story.input(), {"dirty-read"});
  EXPECT_EQ(results[0].verdict, Verdict::invalid);
  EXPECT_EQ(results[0].anomalies.size(), kAnomalyLimit);
  EXPECT_EQ(results[0].anomaly_count, 100U);
  EXPECT_TRUE(results[0].summary.starts_with("100 anomalies")) << results[0].summary;
}

}  // namespace
}  // namespace gameday
