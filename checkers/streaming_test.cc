// A run may be judged while it is going on (`gameday run --fail-fast`): a model says INVALID from
// the completion on that no history with this beginning can be without, not before and for ever
// after.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>

#include "checkers/catalog.h"
#include "checkers/model.h"

namespace gameday {
namespace {

// A store that is right: what a call does to it at its moment of effect, and its answer.
struct Store {
  std::map<int, Json> registers;
  Json list = Json::array();  // of a set or a log
  std::int64_t sum = 0;
  std::map<int, Json> lists;
};

Json apply(Store& store, const std::string& f, const Json& value, bool counts) {
  if (f == "write") store.registers[0] = value;
  if (f == "append" || (f == "add" && !counts)) store.list.push_back(value);
  if (f == "add" && counts) store.sum += value.get<std::int64_t>();
  if (f != "txn") return value;
  Json done = value;
  for (Json& mop : done) {
    Json& of = store.lists.try_emplace(mop[1].get<int>(), Json::array()).first->second;
    if (mop[0] == "append")
      of.push_back(mop[2]);
    else
      mop[2] = of;
  }
  return done;
}

struct Subject {
  const char* model;
  std::function<Op(std::mt19937_64&, int)> call;  // f and value; the number is a fresh value
  std::function<Json(const Store&)> read;         // what a :read answers; nullptr: f is txn
  std::vector<std::pair<std::string, Json>>
      violation;  // calls one after another; the last is wrong
  Json wrong;     // its answer
  bool counts = false;
};

Op op_of(std::string f, Json value) {
  Op op;
  op.f = std::move(f);
  op.value = std::move(value);
  return op;
}

Op write_or_read(const char* f, std::mt19937_64& random, int fresh) {
  return random() % 2 == 0 ? op_of(f, fresh) : op_of("read", nullptr);
}

Op transaction(std::mt19937_64& random, int fresh) {
  Json mops = Json::array();
  const auto count = 1 + random() % 3;
  for (std::size_t i = 0; i < count; ++i) {
    const auto key = static_cast<int>(random() % 3);
    mops.push_back(random() % 2 == 0 ? Json{"append", key, fresh + static_cast<int>(i)}
                                     : Json{"r", key, nullptr});
  }
  return op_of("txn", std::move(mops));
}

std::vector<Subject> subjects() {
  const auto registers = [](auto& random, int fresh) {
    return write_or_read("write", random, fresh);
  };
  const auto adds = [](auto& random, int fresh) { return write_or_read("add", random, fresh); };
  const auto value = [](const Store& s) {
    return s.registers.empty() ? Json() : s.registers.at(0);
  };
  const auto all = [](const Store& s) { return s.list; };
  const Json write = Json::array({Json::array({"append", 9, 1})});
  const Json read = Json::array({Json::array({"r", 9, nullptr})});
  return {
      {"register", registers, value, {{"write", -1}, {"write", -2}, {"read", nullptr}}, -1},
      {"session", registers, value, {{"write", -1}, {"write", -2}, {"read", nullptr}}, -1},
      {"linearizable-set", adds, all, {{"add", -1}, {"read", nullptr}}, Json::array()},
      {"append-log",
       [](auto& random, int fresh) { return write_or_read("append", random, fresh); },
       all,
       {{"append", -1}, {"read", nullptr}},
       Json::array()},
      {"counter",
       adds,
       [](const Store& s) { return Json(s.sum); },
       {{"add", 1}, {"read", nullptr}},
       0,
       true},
      {"list-append",
       transaction,
       nullptr,
       {{"txn", write}, {"txn", read}, {"txn", read}},
       Json::array({Json::array({"r", 9, Json::array()})})},
  };
}

// Events of a valid run by four clients, some with unknown outcomes, into which the violation is
// put at a moment when no client is busy.
class Trial {
 public:
  Trial(const Subject& subject, std::uint64_t seed) : subject_(subject), random_(seed) {
    work(60);
    settle();
    for (std::size_t i = 0; i < subject.violation.size(); ++i) {
      Op op = op_of(subject.violation[i].first, subject.violation[i].second);
      op.process = 0;
      begin(op);
      if (i + 1 == subject.violation.size()) {
        answers_[0] = subject.wrong;
        violation = events.size();
      }
      end(0, OpType::ok);
    }
    work(60);
  }

  std::vector<Op> events;
  std::size_t violation = 0;  // the index of the event that completes it

 private:
  struct Client {
    Op op;
    bool busy = false, effective = false;
  };

  void begin(Op op) {
    Client& client = clients_[static_cast<std::size_t>(op.process % 4)];
    client = {op, true, false};
    op.type = OpType::invoke;
    push(std::move(op));
  }

  void take_effect(std::size_t c) {
    Client& client = clients_[c];
    client.effective = true;
    answers_[c] = apply(store_, client.op.f, client.op.value, subject_.counts);
    if (client.op.f == "read") answers_[c] = subject_.read(store_);
  }

  void end(std::size_t c, OpType type) {
    Client& client = clients_[c];
    if (!client.effective && type == OpType::ok) {
      const Json wrong = answers_[c];
      take_effect(c);
      if (events.size() == violation) answers_[c] = wrong;
    }
    Op op = client.op;
    op.type = type;
    if (type == OpType::ok) op.value = answers_[c];
    push(std::move(op));
    client.busy = false;
    if (type == OpType::info) processes_[c] += 4;
  }

  void work(int steps) {
    for (int i = 0; i < steps; ++i) {
      const std::size_t c = 1 + random_() % 3;  // process 0 is the violation's
      if (!clients_[c].busy) {
        Op op = subject_.call(random_, fresh_ += 4);
        op.process = processes_[c];
        begin(std::move(op));
      } else if (!clients_[c].effective && random_() % 8 != 0) {
        take_effect(c);
      } else {
        end(c, clients_[c].effective && random_() % 8 != 0 ? OpType::ok : OpType::info);
      }
    }
  }

  void settle() {
    for (std::size_t c = 0; c < 4; ++c)
      if (clients_[c].busy) end(c, OpType::ok);
  }

  void push(Op op) {
    op.time = static_cast<std::int64_t>(events.size()) * 1'000'000;
    events.push_back(std::move(op));
  }

  const Subject& subject_;
  std::mt19937_64 random_;
  Store store_;
  Client clients_[4];
  Process processes_[4] = {0, 1, 2, 3};
  Json answers_[4];
  int fresh_ = 0;
};

TEST(Streaming, InvalidFromTheViolationOnAndForEver) {
  for (const Subject& subject : subjects()) {
    const Checker* checker = find_checker(subject.model);
    ASSERT_NE(checker, nullptr) << subject.model;
    EXPECT_TRUE(checker->early()) << subject.model;
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const Trial run(subject, seed);
      History history;
      for (std::size_t i = 0; i < run.events.size(); ++i) {
        ASSERT_TRUE(history.append(run.events[i]));
        const CheckResult result = checker->check({history, {}, {}, {}, {}});
        ASSERT_EQ(result.verdict == Verdict::invalid, i >= run.violation)
            << subject.model << ' ' << seed << ' ' << i << ": " << result.summary;
      }
    }
  }
}

// One that looks at the end only must not judge before it.
TEST(Streaming, WhatMayBeMadeGoodIsNotEarly) {
  for (const char* name : {"set", "set-full", "total-queue", "kafka", "convergence", "stats",
                           "objectives", "staleness"})
    EXPECT_FALSE(find_model(name)->early) << name;
}

}  // namespace
}  // namespace gameday
