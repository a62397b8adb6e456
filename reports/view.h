// A run as all reports see it: results.json and test.json read leniently (a killed controller
// leaves parts out), anomalies in one list, ops put together from their two events. All text is
// still as the run recorded it: who writes it out escapes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/core/run_record.h"

namespace gameday {

// The first thing that anybody reads of a run, in all reports: "INVALID: 3 acknowledged writes
// were lost. The first: append 41 to list 7 ... is on no node at the end."
std::string verdict_sentence(const RunRecord& run);

namespace report {

struct Sentence {
  std::string word;  // "INVALID", or "NOT CHECKED YET" without results
  std::string head;  // what was found
  std::string rest;  // its first instance and further findings; may be empty
};

struct AnomalyView {
  std::string checker, type, invariant, summary;
  std::vector<std::string> explanation;
  std::vector<std::size_t> ops;  // indices that exist in the history
  std::size_t unknown_ops = 0;   // indices that do not: the history was cut
  Json detail;
};

struct CheckerView {
  std::string name;
  Verdict verdict = Verdict::unknown;
  std::string summary;
  double seconds = -1;  // -1: not known
  std::int64_t anomaly_count = 0;
  Json stats;
};

struct OpFigures {
  std::int64_t invoked = 0, ok = 0, fail = 0, info = 0;
  std::int64_t open() const { return invoked - ok - fail - info; }
};

// One line of the table of what was run: "seed", "7".
struct Fact {
  std::string name, value;
};

struct RunView {
  std::optional<Verdict> verdict;  // empty: not checked yet
  Sentence sentence;
  std::string title, system, workload, seed, command, started;
  std::vector<Fact> facts;
  std::vector<std::string> nodes;
  std::vector<CheckerView> checkers;
  std::vector<AnomalyView> anomalies;  // the INVALID checkers' first
  std::int64_t anomaly_count = 0;      // as the checkers counted; more than they describe
  OpFigures ops;
  std::int64_t duration = 0;  // ns
};

RunView make_view(const RunRecord& run);

// An invocation with its completion: the row of a table, the bar of a timeline.
struct OpRow {
  std::size_t index = 0;        // of the invocation, or of an event that has none
  std::int64_t completed = -1;  // index of the completion
  std::int64_t begin = -1, end = -1;
  std::string process;               // "3" or "nemesis"
  std::string node, f, type, error;  // type "open": it never completed
  Json value, result;                // the result is null where it is the value
};

OpRow op_row(const History& history, std::size_t index);
// The ops that such events belong to, each once, in order of invocation.
std::vector<OpRow> op_rows(const History& history, const std::vector<std::size_t>& indices);

enum class FaultState { effective, vacuous, failed, unhealed, never, missed };
FaultState state_of(const FaultRecord& fault);
std::string_view to_string(FaultState state);  // "effective", "VACUOUS", ...
// What the state means, for a person who has not read the manual; empty for effective.
std::string_view meaning_of(FaultState state);

}  // namespace report
}  // namespace gameday
