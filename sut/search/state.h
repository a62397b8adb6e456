// The replicated state: documents by index and objectID, the idempotency keys that were seen, and
// the sequence of applied jobs. Deterministic: equal jobs in equal order give equal states and
// hashes, whatever the batches. No threads, files or clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "harness/core/json.h"
#include "sut/search/bugs.h"
#include "sut/search/job.h"

namespace gameday::search {

// One applied job, as /1/jobs lists it.
struct AppliedJob {
  JobId job = 0;
  std::uint64_t hash = 0;     // of its content
  std::string key;            // empty for a duplicate: its key was applied with another job
  bool condition_met = true;  // false: a conditional write, or one too late, that did nothing
};

class State {
 public:
  using Documents = std::map<std::string, Json>;
  using Touched = std::set<std::pair<std::string, std::string>>;  // (index, objectID)

  explicit State(const Bugs& bugs = {})
      : known_keys_run_again_(bugs.retry_applied_twice || bugs.dedup_table_per_host),
        own_clock_decides_(bugs.apply_depends_on_local_clock) {}

  // Applies the next job. Adds the objects that it wrote or removed to *touched (may be null).
  void apply(JobId id, const Job& job, Touched* touched = nullptr);

  // Documents hold their objectID. nullptr when there is none.
  const Json* find(std::string_view index, std::string_view object) const;
  const Documents* documents(std::string_view index) const;

  JobId last_job() const { return jobs_.empty() ? 0 : jobs_.back().job; }
  std::uint64_t hash() const { return hash_; }  // chained over the effect of every applied job
  const std::vector<AppliedJob>& jobs() const { return jobs_; }  // in the order of application
  const AppliedJob* job(JobId id) const;
  std::optional<JobId> job_of_key(const std::string& key) const;

 private:
  void put(const Job& job, Touched* touched);
  void partial(const Job& job, Touched* touched, Hasher& effect);
  void clear(const std::string& index, Touched* touched);
  void move_or_copy(const Job& job, Touched* touched);
  bool holds(const Job& job) const;
  bool expired(const Job& job) const;

  bool known_keys_run_again_;  // bugs 26 and 27
  bool own_clock_decides_;     // bug 38
  std::map<std::string, Documents, std::less<>> indexes_;
  std::unordered_map<std::string, JobId> keys_;
  std::vector<AppliedJob> jobs_;
  std::uint64_t hash_ = 0;
};

}  // namespace gameday::search
