// Calls: a client's invocation together with its completion, and the words that name one. A checker
// that reports through these names an op the same way as every other: by process, value, node and
// time in seconds.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/history.h"

namespace gameday {

struct Call {
  std::size_t invoke = 0;
  std::int64_t done = -1;         // index of the completion; -1: it never completed
  OpType outcome = OpType::info;  // ok, fail or info; never completed counts as info

  bool ok() const { return outcome == OpType::ok; }
  // Whether this call had completed before the event at `index` was recorded. The recorder writes
  // an invocation before it is sent and a completion after it is received, so index order between
  // a completion and a later invocation is real-time order.
  bool done_before(std::size_t index) const {
    return done >= 0 && static_cast<std::size_t>(done) < index;
  }
  std::vector<std::int64_t> indices() const;
};

// The calls of these functions, in the order of their invocations.
std::vector<Call> calls_of(const History& history, std::initializer_list<std::string_view> fs);

const std::string& f_of(const History& history, const Call& call);
// The node that was asked, from the completion where it says so; empty when not known.
const std::string& node_of(const History& history, const Call& call);
const Json& argument(const History& history, const Call& call);
// The completion's value; null for a call without one.
const Json& answer(const History& history, const Call& call);

// How an ok answer contradicts its call, in words: it is about another key or value than was asked
// (workloads/OPS.md). Empty when it does not. What happened then is not known.
std::string contradiction(const History& history, const Call& call);

// The time of an event, for arithmetic: a damaged file may hold any number, and 30 years are
// enough.
std::int64_t time_ns(const History& history, std::size_t index);

inline bool is_pair(const Json& value) { return value.is_array() && value.size() == 2; }
std::string text(const Json& value);        // a string without quotes, anything else as JSON
std::string seconds(std::int64_t time_ns);  // "12.304 s"
std::string time_of(const History& history, std::int64_t index);

// "append [3,17] by process 4 on n2"
std::string name_call(const History& history, const Call& call);
// the same and "(12.304 s to 12.310 s, acknowledged)"
std::string tell_call(const History& history, const Call& call);

// "n1", "n1 and n2", "n1, n2 and n3"
std::string join_names(const std::vector<std::string>& names);

// An integer field of a status or an ack; nullopt when it is missing, is something else, or does not
// fit into 64 bits with a sign.
std::optional<std::int64_t> integer(const Json& value);
std::optional<std::int64_t> integer(const Json& object, std::string_view field);

}  // namespace gameday
