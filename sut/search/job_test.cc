#include "sut/search/job.h"

#include <gtest/gtest.h>

namespace gameday::search {
namespace {

Job job(Action action, const std::string& body) {
  return {.action = action,
          .index = "index",
          .object = "object",
          .body = body,
          .key = "key",
          .condition = {}};
}

TEST(Job, SurvivesEncoding) {
  Job conditional = job(Action::put, R"({"a":1})");
  conditional.condition = {.attribute = "a", .equals = "0"};
  conditional.expires_ms = 12345;
  std::vector<Job> jobs{job(Action::partial, "{}"), conditional, job(Action::clear, "")};
  for (Job& one : jobs) one.placed_ms = 7;
  std::string encoded;
  for (const Job& one : jobs) encode(one, encoded);
  EXPECT_EQ(key_of(encoded), "key");
  const std::string payload = begin_payload(7) + encoded;
  EXPECT_EQ(decode_jobs(payload), jobs);
  EXPECT_EQ(decode_jobs(""), std::vector<Job>{});
  // Anything cut short is refused, but where it ends between two jobs.
  int whole = 0;
  for (std::size_t size = 0; size < payload.size(); ++size) {
    whole += decode_jobs(payload.substr(0, size)) ? 1 : 0;
  }
  EXPECT_EQ(whole, 4);
}

TEST(Job, HashDependsOnEveryPart) {
  const Job one = job(Action::put, "{}");
  Job other = one;
  EXPECT_EQ(hash(one), hash(other));
  other.key = "other";
  EXPECT_NE(hash(one), hash(other));
  other = one;
  other.index = "inde";
  other.object = "xobject";
  EXPECT_NE(hash(one), hash(other));
}

TEST(Job, Validates) {
  EXPECT_TRUE(validate(job(Action::put, R"( {"a":[1,{"b":null}]})")));
  EXPECT_TRUE(validate(job(Action::partial, R"({"a":{"_operation":"Increment","value":1.5}})")));
  for (const char* body :
       {"", "[]", "1", "{", R"({"a":1}x)", "{\"a\":\"\xff\"}", "{\"a\":1e999}"}) {
    EXPECT_FALSE(validate(job(Action::put, body))) << body;
    EXPECT_FALSE(validate(job(Action::partial, body))) << body;
  }
  EXPECT_FALSE(validate(job(Action::partial, R"({"a":{"_operation":"Multiply","value":1}})")));
  EXPECT_FALSE(validate(job(Action::partial, R"({"a":{"_operation":"Increment","value":"1"}})")));
  EXPECT_FALSE(validate(job(Action::partial, R"({"a":{"_operation":"Append"}})")));
  EXPECT_FALSE(validate(job(Action::put, "{\"a\":" + std::string(100'000, '['))));

  Job named = job(Action::put, "{}");
  named.object = std::string(513, 'x');
  EXPECT_FALSE(validate(named));
  named.object = "\xc3\x28";
  EXPECT_FALSE(validate(named));
  named.object = "\xc3\xa9\n";
  EXPECT_TRUE(validate(named));
  named.condition = {.attribute = "a", .equals = "nope"};
  EXPECT_FALSE(validate(named));
}

TEST(Job, ParsesOnlyWhatIsNotTooDeep) {
  EXPECT_TRUE(parse_bounded(R"({"a":"[[[[\"]"})"));
  EXPECT_FALSE(parse_bounded(std::string(1000, '[') + std::string(1000, ']')));
  EXPECT_FALSE(parse_bounded("{"));
}

}  // namespace
}  // namespace gameday::search
