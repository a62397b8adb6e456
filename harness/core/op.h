// One event of a history: an operation's invocation or its completion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/core/json.h"

namespace gameday {

// ok happened, fail did not happen, info may have happened (at any time from its invocation to the
// end of the history). After an info the process never invokes again: its thread goes on under a
// new process number.
enum class OpType : std::uint8_t { invoke, ok, fail, info };

std::string_view to_string(OpType type);
std::optional<OpType> parse_op_type(std::string_view text);

// A logical process of the test. Clients count from 0; the nemesis, which makes the faults, is one
// of its own ("nemesis" on disk) and its ops are always of type info.
using Process = std::int32_t;
inline constexpr Process kNemesis = -1;
inline constexpr Process kAnyProcess = -2;  // only between a generator and the interpreter

inline constexpr std::int64_t kMaxTime = 4'000'000'000'000'000'000;  // ns: 126 years, inside 64 bits

struct Op {
  std::int64_t index = -1;  // position in the history
  std::int64_t time = -1;   // ns since the start of the run, monotonic
  Process process = kAnyProcess;
  OpType type = OpType::invoke;
  std::string f;      // the function: "read", "write", "append", ...
  Json value;         // argument of an invocation, result of a completion
  std::string node;   // the node the client talks to; empty: not known
  std::string error;  // why a completion is fail or info; empty for ok

  bool operator==(const Op&) const = default;
};

// One JSON object, as a line of history.jsonl holds it:
// {"index":0,"time":1200345,"process":3,"type":"invoke","f":"write","value":["r1",4],"node":"n2"}
Json to_json(const Op& op);

// For people: "process 3: write [\"r1\",4] -> ok on n2".
std::string describe(const Op& op);

}  // namespace gameday
