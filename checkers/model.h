// Models: what `gameday check --model` judges a history by. A model is a function of a history; one
// file and one line in models.cc make a new one.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkers/events/events.h"
#include "harness/core/checker.h"

namespace gameday {

// What a check may use. A check looks at expired() at least every few milliseconds of work and, when
// it is, returns UNKNOWN with expired()'s reason and what it has established until then.
struct Limits {
  std::size_t memory_bytes = std::size_t{2} << 30;  // of what the check itself allocates
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
  const std::atomic<bool>* stop = nullptr;  // Ctrl-C
  unsigned threads = 1;                     // how many it may use, itself included

  // nullptr: go on. Reads the clock: not for the innermost loop.
  const char* expired() const {
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) return "interrupted";
    if (std::chrono::steady_clock::now() >= deadline) return "the time limit is reached";
    return nullptr;
  }
};

// All options of all models, as the command line has them; each model reads its own.
struct ModelOptions {
  // Transactions.
  std::vector<std::string> consistency = {"strict-serializable"};
  std::vector<std::string> anomalies;  // also to be looked for, by Elle's names
  bool linearizable_keys = false, sequential_keys = false, wfr_keys = false;
  // Linearizability: the state to begin with, in EDN; empty: the model's own.
  std::string initial;
  // Values: how many holders a semaphore has, how many processes a group has, ...
  std::optional<std::int64_t> permits, group_size, key_count;
  // Bank.
  bool negative_balances = false;
  std::optional<std::int64_t> total_amount, max_transfer;
  // Staleness, latency and availability objectives.
  std::optional<double> max_staleness_ms;
  std::optional<std::int64_t> max_staleness_versions;
  std::optional<double> max_latency_ms, min_availability;
  double latency_quantile = 0.99;
  // Log-file patterns: a regular expression, and the files to look for it in.
  std::string pattern;
  std::vector<std::string> log_files;
  bool set_linearizable = false;  // set-full: a stale read is an anomaly
};

struct ModelInput {
  const Events& events;
  const ModelOptions& options;
  const Limits& limits;
};

struct Model {
  std::string_view name;
  std::string_view aliases;  // between spaces: names that other tools use
  std::string_view summary;  // one line for `gameday list models`
  // May throw; a throw is UNKNOWN with its reason (check_model).
  CheckResult (*check)(const ModelInput&);
  // Whether a history that is INVALID stays so however it goes on: it may judge a run that is still
  // going on.
  bool early = false;
  // Whether it reads the pairs [k v] of independent keys itself: --independent would take the k away.
  bool keyed = false;
};

// The tables of the families; models.cc joins them.
std::span<const Model> linear_models();       // checkers/linear/
std::span<const Model> transaction_models();  // checkers/txn/
std::span<const Model> workload_models();     // checkers/workload/

std::span<const Model* const> models();
const Model* find_model(std::string_view name);  // also by alias; nullptr: there is none

// Runs it, times it, and turns an exception, std::bad_alloc included, into UNKNOWN.
CheckResult check_model(const Model& model, const ModelInput& input);

}  // namespace gameday
