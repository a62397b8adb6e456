// For tests: a history told call by call, 10 ms an event.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "harness/core/checker.h"

namespace gameday {

class Story {
 public:
  Story& event(Process process, OpType type, const std::string& f, Json value,
               const std::string& node = "n1", const std::string& error = "") {
    Op op;
    op.time = (now_ += 10'000'000);
    op.process = process;
    op.type = type;
    op.f = f;
    op.value = std::move(value);
    op.node = process >= 0 ? node : "";
    op.error = error;
    const auto added = history_.append(op);
    EXPECT_TRUE(added) << added.error().message;
    return *this;
  }

  // An invocation and its completion, with nothing in between. A null result is the argument.
  Story& call(Process process, const std::string& f, Json argument, OpType type = OpType::ok,
              Json result = nullptr, const std::string& node = "n1") {
    event(process, OpType::invoke, f, argument, node);
    return event(process, type, f, result.is_null() ? argument : std::move(result), node);
  }

  const History& history() const { return history_; }
  CheckInput input() const { return {history_, Json::object(), {}, {}, {}}; }

 private:
  History history_;
  std::int64_t now_ = 0;
};

}  // namespace gameday
