// Checkers: pure functions from a recorded run to a verdict. They need core only, so a stored
// history can be checked anywhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/fault.h"
#include "harness/core/history.h"
#include "harness/core/json.h"
#include "harness/core/verdict.h"

namespace gameday {

// A contradiction between the history and what was promised.
struct Anomaly {
  std::string type;       // the field's name for it: "lost-write", "nonlinearizable", "G-single"
  std::string invariant;  // "I3" of the search cluster's list; empty where there is none
  std::string summary;    // one sentence that a person understands without the other fields
  std::vector<std::string> explanation;  // further sentences: why these ops contradict each other
  std::vector<std::int64_t> ops;         // indices in the history, the smallest set that shows it
  Json detail = Json::object();
};

struct CheckResult {
  std::string checker;
  Verdict verdict = Verdict::unknown;
  std::string summary;             // one line: what was checked, or why the verdict is UNKNOWN
  std::vector<Anomaly> anomalies;  // at most kAnomalyLimit; `anomaly_count` has all
  std::size_t anomaly_count = 0;
  std::vector<std::string> anomaly_types;  // of all, each once; filled from `anomalies` if empty
  // Of transactions: the weakest consistency models that this history rules out, and the stronger
  // ones that fall with them, by Elle's names (Kingsbury and Alvaro, VLDB 2020).
  std::vector<std::string> not_models, also_not;
  Json stats = Json::object();
  double seconds = 0;
};
inline constexpr std::size_t kAnomalyLimit = 16;

Json to_json(const Anomaly& anomaly);
Json to_json(const CheckResult& result);

// What a checker may use before it must answer UNKNOWN.
struct Budget {
  std::size_t memory_bytes = std::size_t{2} << 30;
  std::chrono::milliseconds time{60'000};
};

struct CheckInput {
  const History& history;
  Json test;                        // test.json; may be empty for a bare history
  std::vector<FaultRecord> faults;  // may be empty
  std::vector<std::string> nodes;   // names, in order; may be empty
  Budget budget;
};

class Checker {
 public:
  virtual ~Checker() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view summary() const = 0;  // one line for `gameday list checkers`
  // Whether the history has the ops that this checker judges.
  virtual bool fits(const CheckInput& input) const = 0;
  virtual CheckResult check(const CheckInput& input) const = 0;
  // Whether a history that is INVALID stays so however it goes on: then a run may be judged before
  // its end (`--fail-fast`).
  virtual bool early() const { return false; }
};

// Runs a checker, times it, and turns an exception (also std::bad_alloc) into UNKNOWN with the
// reason: Jepsen's check-safe.
CheckResult check_safely(const Checker& checker, const CheckInput& input);

}  // namespace gameday
