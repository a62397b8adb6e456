#include "checkers/events/value.h"

#include <gtest/gtest.h>

#include "checkers/events/events.h"

namespace gameday {
namespace {

using Kind = Value::Kind;

TEST(Value, EqualsByContentAsClojureDoes) {
  Values values;
  auto& w = values.writer();
  const Value one = Value::integer(1), two = Value::integer(2);
  EXPECT_TRUE(values.equal(w.vector({one, two}), w.collection(Kind::list, std::vector{one, two})));
  EXPECT_FALSE(values.equal(w.vector({one, two}), w.vector({two, one})));
  const Value a = w.collection(Kind::set, std::vector{one, two});
  const Value b = w.collection(Kind::set, std::vector{two, one});
  EXPECT_TRUE(values.equal(a, b));
  EXPECT_EQ(values.hash(a), values.hash(b));
  EXPECT_FALSE(values.equal(one, w.real(1.0)));
  EXPECT_TRUE(values.equal(w.real(1.5), w.real(1.5)));
  EXPECT_EQ(w.keyword("a"), w.keyword("a"));
  EXPECT_FALSE(values.equal(w.keyword("a"), w.string("a")));
}

TEST(Value, KeepsWhatDoesNotFitIntoAWord) {
  Values values;
  auto& w = values.writer();
  const std::int64_t big = std::int64_t{1} << 61;
  EXPECT_EQ(values.edn(w.integer(big)), "2305843009213693952");
  EXPECT_EQ(values.json(w.integer(big)), big);
  EXPECT_EQ(values.edn(w.integer(-5)), "-5");
  EXPECT_EQ(values.edn(w.real(0.1)), "0.1");
  EXPECT_EQ(values.edn(w.from_json(Json::parse(R"({"x":[1,null,"y\n",true,2.0]})"))),
            R"({"x" [1 nil "y\n" true 2.0]})");
}

TEST(Dense, NumbersByContent) {
  Values values;
  auto& w = values.writer();
  Dense ids(values);
  std::vector<Value> all;
  for (int i = 0; i < 5000; ++i) {
    all.push_back(Value::integer(i * 7919 % 5003));
    all.push_back(w.string(std::to_string(i)));
    all.push_back(w.vector({Value::integer(i), Value()}));
    all.push_back(Value::integer(std::int64_t{1} << 40 | i));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(ids.find(all[i]), -1);
    EXPECT_EQ(ids.id(all[i]), static_cast<std::int32_t>(i));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(ids.id(all[i]), static_cast<std::int32_t>(i));
    EXPECT_EQ(ids.find(all[i]), static_cast<std::int32_t>(i));
  }
  EXPECT_EQ(ids.id(w.vector({Value::integer(3), Value()})), 14);
}

TEST(Events, PairsAsJepsenDoes) {
  Events e;
  const auto read = e.name("read");
  e.append({OpType::invoke, 0, read, {}, -1, -1, {}});
  e.append({OpType::info, e.named_process("nemesis"), e.name("start"), {}, -1, -1, {}});
  e.append({OpType::invoke, 7, read, {}, -1, -1, {}});
  e.append({OpType::ok, 0, read, Value::integer(3), -1, -1, {}});
  ASSERT_TRUE(e.pair_up());
  ASSERT_EQ(e.pairs().size(), 2u);
  EXPECT_EQ(e.pairs()[0].done, 3);
  EXPECT_EQ(e.pairs()[0].outcome, OpType::ok);
  EXPECT_EQ(e.pairs()[1].done, -1);
  EXPECT_EQ(e.pairs()[1].outcome, OpType::info);
  EXPECT_EQ(e.other(3), 0);
  EXPECT_EQ(e.other(1), -1);
  e.append({OpType::ok, 0, read, {}, -1, -1, {}});
  const auto again = e.pair_up();
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("without an invocation"), std::string::npos);
}

}  // namespace
}  // namespace gameday
