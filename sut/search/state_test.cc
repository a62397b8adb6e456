#include "sut/search/state.h"

#include <gtest/gtest.h>

namespace gameday::search {
namespace {

Job put_job(const std::string& object, const std::string& body, const std::string& key = {}) {
  return {.action = Action::put,
          .index = "i",
          .object = object,
          .body = body,
          .key = key,
          .condition = {}};
}

Job change(const std::string& object, const std::string& body, const std::string& key = {}) {
  Job job = put_job(object, body, key);
  job.action = Action::partial;
  return job;
}

Job on_index(Action action, const std::string& index, const std::string& destination = {}) {
  return {.action = action,
          .index = index,
          .object = destination,
          .body = {},
          .key = {},
          .condition = {}};
}

Json document(const State& state, const std::string& object) {
  const Json* found = state.find("i", object);
  return found == nullptr ? Json() : *found;
}

TEST(State, PutsMergesAndDeletes) {
  State state;
  state.apply(1, put_job("a", R"({"x":1,"y":"z"})"));
  EXPECT_EQ(document(state, "a"), Json::parse(R"({"x":1,"y":"z","objectID":"a"})"));
  state.apply(2, change("a", R"({"x":5,"list":{"_operation":"Append","value":"p"}})"));
  state.apply(3, change("a", R"({"x":{"_operation":"Increment","value":-2}})"));
  state.apply(4, change("a", R"({"list":{"_operation":"Append","value":"q"}})"));
  EXPECT_EQ(document(state, "a"),
            Json::parse(R"({"x":3,"y":"z","objectID":"a","list":["p","q"]})"));
  state.apply(5, change("new", R"({"n":{"_operation":"Increment","value":4}})"));
  EXPECT_EQ(document(state, "new")["n"], 4);
  Job remove = put_job("a", "");
  remove.action = Action::remove;
  state.apply(6, remove);
  EXPECT_TRUE(document(state, "a").is_null());
  state.apply(7, remove);  // of nothing
  EXPECT_EQ(state.last_job(), 7u);
}

TEST(State, IncrementWrapsAround) {
  State state;
  state.apply(1, put_job("a", R"({"n":9223372036854775807})"));
  state.apply(2, change("a", R"({"n":{"_operation":"Increment","value":1}})"));
  EXPECT_EQ(document(state, "a")["n"].get<std::int64_t>(), INT64_MIN);
}

TEST(State, IncrementStopsAtTheLargestDouble) {
  for (const std::string sign : {"", "-"}) {
    State state;
    const std::string largest = sign + "1.7976931348623157e308";
    state.apply(1, put_job("a", R"({"n":)" + sign + "1.7e308}"));
    state.apply(2, change("a", R"({"n":{"_operation":"Increment","value":)" + sign + "1e308}}"));
    EXPECT_EQ(document(state, "a")["n"], Json::parse(largest));
    // What a reader sees is what a condition compares with.
    const std::string shown = document(state, "a")["n"].dump();
    Job conditional = put_job("a", R"({"n":0.5})");
    conditional.condition = {.attribute = "n", .equals = "null"};
    state.apply(3, conditional);
    EXPECT_FALSE(state.job(3)->condition_met);
    conditional.condition->equals = shown;
    state.apply(4, conditional);
    EXPECT_TRUE(state.job(4)->condition_met) << shown;
  }
}

TEST(State, MovesCopiesAndClears) {
  State state;
  state.apply(1, put_job("a", R"({"v":1})"));
  state.apply(2, put_job("b", R"({"v":2})"));
  state.apply(3, on_index(Action::copy, "i", "copy"));
  state.apply(4, on_index(Action::move, "i", "moved"));
  EXPECT_EQ(state.documents("i"), nullptr);
  EXPECT_EQ(state.documents("copy")->size(), 2u);
  State::Touched touched;
  state.apply(5, on_index(Action::move, "copy", "moved"), &touched);
  EXPECT_EQ(touched.size(), 4u);
  EXPECT_EQ(state.documents("moved")->size(), 2u);
  state.apply(6, on_index(Action::clear, "moved"));
  EXPECT_TRUE(state.documents("moved")->empty());
  state.apply(7, on_index(Action::move, "moved", "moved"));  // onto itself: nothing
}

TEST(State, AppliesAKeyOnce) {
  State state;
  state.apply(1, change("a", R"({"n":{"_operation":"Increment","value":1}})", "k"));
  state.apply(2, change("a", R"({"n":{"_operation":"Increment","value":1}})", "k"));
  EXPECT_EQ(document(state, "a")["n"], 1);
  EXPECT_EQ(state.job_of_key("k"), JobId{1});
  EXPECT_EQ(state.job(1)->key, "k");
  EXPECT_EQ(state.job(2)->key, "");  // the key belongs to job 1

  Bugs bugs;
  bugs.retry_applied_twice = true;
  State twice(bugs);
  twice.apply(1, change("a", R"({"n":{"_operation":"Increment","value":1}})", "k"));
  twice.apply(2, change("a", R"({"n":{"_operation":"Increment","value":1}})", "k"));
  EXPECT_EQ(document(twice, "a")["n"], 2);
}

TEST(State, AWriteThatCameTooLateDoesNothingWhateverTheClockHereSays) {
  State state;
  Job late = put_job("a", R"({"v":1})", "k");
  late.placed_ms = 1001;  // ages ago, here
  late.expires_ms = 1000;
  state.apply(1, late);
  EXPECT_FALSE(state.job(1)->condition_met);
  EXPECT_TRUE(document(state, "a").is_null());
  Job in_time = put_job("b", R"({"v":2})");
  in_time.placed_ms = in_time.expires_ms = 1000;
  state.apply(2, in_time);
  EXPECT_EQ(document(state, "b")["v"], 2);
  late.placed_ms = 1;  // a retry shares the fate of the first
  state.apply(3, late);
  EXPECT_FALSE(state.job(3)->condition_met);

  Bugs bugs;
  bugs.apply_depends_on_local_clock = true;
  State other(bugs);
  other.apply(1, in_time);
  EXPECT_FALSE(other.job(1)->condition_met);
  in_time.placed_ms = 5000;
  in_time.expires_ms = wall_clock_ms() + 60'000;
  other.apply(2, in_time);
  EXPECT_TRUE(other.job(2)->condition_met);
}

TEST(State, WritesOnlyWhereTheConditionHolds) {
  State state;
  Job job = put_job("a", R"({"v":1})");
  job.condition = {.attribute = "v", .equals = "null"};
  state.apply(1, job);
  EXPECT_TRUE(state.job(1)->condition_met);
  state.apply(2, job);
  EXPECT_FALSE(state.job(2)->condition_met);
  job.condition->equals = "1";
  job.body = R"({"v":2})";
  state.apply(3, job);
  EXPECT_TRUE(state.job(3)->condition_met);
  state.apply(4, job);
  EXPECT_FALSE(state.job(4)->condition_met);
  EXPECT_EQ(document(state, "a")["v"], 2);
}

TEST(State, HashFollowsFromTheSequenceOfJobsAlone) {
  const auto run = [](int n, const std::string& last) {
    State state;
    State::Touched touched;
    for (int i = 1; i <= n; ++i) {
      const std::string object = "o" + std::to_string(i % 5);
      const std::string value = std::to_string(i);
      // Whether somebody collects what was touched, and how often, makes no difference.
      state.apply(static_cast<JobId>(i),
                  change(object, R"({"l":{"_operation":"Append","value":)" + value + "}}"),
                  i % 3 == 0 ? &touched : nullptr);
    }
    state.apply(static_cast<JobId>(n) + 1, put_job("x", last));
    return state.hash();
  };
  EXPECT_EQ(run(50, "{}"), run(50, "{}"));
  EXPECT_NE(run(50, "{}"), run(49, "{}"));
  EXPECT_NE(run(50, "{}"), run(50, R"({"a":1})"));
}

TEST(State, HashTellsOrdersApart) {
  State one;
  one.apply(1, put_job("a", R"({"v":1})"));
  one.apply(2, put_job("b", R"({"v":2})"));
  State other;
  other.apply(1, put_job("b", R"({"v":2})"));
  other.apply(2, put_job("a", R"({"v":1})"));
  EXPECT_EQ(*one.documents("i"), *other.documents("i"));
  EXPECT_NE(one.hash(), other.hash());
}

TEST(State, FindsJobsWhoseIdsAreReused) {
  State state;
  state.apply(1, put_job("a", "{}", "k1"));
  state.apply(2, put_job("a", "{}", "k2"));
  state.apply(2, put_job("a", "{}", "k3"));
  EXPECT_EQ(state.job(2)->key, "k2");
  EXPECT_EQ(state.jobs().size(), 3u);
  EXPECT_EQ(state.job(3), nullptr);
}

}  // namespace
}  // namespace gameday::search
