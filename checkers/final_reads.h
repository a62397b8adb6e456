// The end of a run: what every node shows after all faults are healed, and how far each node is
// known to have applied when it was asked. A node that lags has lost nothing, so a missing write
// counts as lost only where the node is known to have applied past its job.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "checkers/calls.h"
#include "harness/core/checker.h"

namespace gameday {

// The nodes of the run; those that the history names when the input does not say.
std::vector<std::string> nodes_of(const CheckInput& input);

// Those of which something can be asked at the end: not those that were not running any more after a
// fault had taken from them what they held durably. To refuse to start is then right, and whatever a
// majority confirmed is still on one of the others, as long as these are a majority; if they are not,
// it is all nodes.
std::vector<std::string> surviving_nodes(const CheckInput& input);

// The index from which on everything is healed: after heal-all, else after the last fault event.
std::size_t settled_from(const CheckInput& input);

// The index of the note that the cluster had come to rest: every node had applied its whole log, and
// all the same. nullopt when it had not, or when the history does not say.
std::optional<std::size_t> settled_at(const CheckInput& input);

// For each node its last successful call of f that began after everything was healed.
std::map<std::string, Call> final_reads(const CheckInput& input, std::string_view f);

// The surviving nodes without such a call.
std::vector<std::string> without_final(const CheckInput& input,
                                       const std::map<std::string, Call>& finals);

// Job ids count from 1 (workloads/OPS.md). What is below, or beyond what a cluster can reach, is
// malformed rather than an anomaly: it breaks the format, and no promise about jobs can be judged by
// it. nullopt then, and for anything that is no integer.
std::optional<std::int64_t> job_id(const Json& value);

struct JobRow {
  std::int64_t id = 0;
  std::string hash, key;
};
// Whether this is the value of a `read-set` answer, a list of values; of a `lists` answer, an object
// of such lists. Anything else cannot be judged.
bool is_value_list(const Json& value);
bool is_lists(const Json& value);

// The value of a `jobs` answer; nullopt when it is not a list of [job, hash, key].
std::optional<std::vector<JobRow>> parse_jobs(const Json& value);

// The value and job of an acknowledged append ([k, v, job]) or add ([v, job]).
struct Ack {
  Call call;
  std::string value;
  std::string list;  // the document of an append; empty for an add
  std::string key;   // its idempotency key
  std::int64_t job = 0;
};
struct Acks {
  std::vector<Ack> all;                // in the order of invocation
  std::vector<std::string> malformed;  // ok answers without a job id, or to another call, in words
};
Acks acknowledged(const History& history);

// How far nodes had applied, as told by status, final-status and jobs after everything was healed
// (before that a restart may take a node back: its state is rebuilt by replay).
class AppliedProgress {
 public:
  explicit AppliedProgress(const CheckInput& input);

  bool known() const { return known_; }  // the history has such ops at all
  // A lower bound for what the node had applied when the call began: the latest observation that
  // had completed by then.
  std::optional<std::int64_t> before(const std::string& node, const Call& call) const;
  // The exact applied id during the call: the observations before and after it agree.
  std::optional<std::int64_t> during(const std::string& node, const Call& call) const;
  // Every surviving node says at the end that its whole log is committed and applied up to the same job.
  // Then (Raft's leader completeness, Ongaro and Ousterhout 2014, §5.4.3) no job after it was ever
  // committed. Only observations that began after `index` count.
  std::optional<std::int64_t> quiet_at(std::size_t index) const;

 private:
  struct Seen {
    std::size_t invoke, done;
    std::int64_t applied;
    bool whole_log = false;  // last == commit == applied
  };
  std::map<std::string, std::vector<Seen>> seen_;  // by node, in the order of completion
  std::vector<std::string> nodes_;
  bool known_ = false;
};

}  // namespace gameday
