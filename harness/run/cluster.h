// The system under test, running in a lab.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "harness/core/duration.h"
#include "harness/core/error.h"
#include "harness/core/system.h"
#include "harness/lab/lab.h"
#include "harness/run/log.h"

namespace gameday::run {


struct ClusterOptions {
  int nodes = 3;
  std::filesystem::path folder;  // nodes/<n>/ go here
  lab::Preparation prepare;
};

class Cluster {
 public:
  // Builds the lab and starts every node.
  static Result<std::unique_ptr<Cluster>> start(System& system, const ClusterOptions& options,
                                                Log log);
  ~Cluster() { stop(); }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  // Waits until the system accepts writes: ms since start() began. The Error quotes the last lines
  // of the servers' logs.
  Result<double> wait_ready(Deadline deadline, std::stop_token stop);
  // Waits until all nodes that run have applied the same.
  bool settle(Deadline deadline, std::stop_token stop);
  void stop();

  // What has ended without a fault's doing since the last call.
  std::vector<lab::Exit> new_exits();
  // Starts again what does not run.
  void revive();
  std::vector<std::string> not_running() const;

  // Highest term first, as the nodes say of themselves.
  std::vector<std::string> primaries() const;
  std::optional<std::int64_t> wall_clock(const std::string& node) const;

  lab::Lab& lab() { return *lab_; }
  const std::vector<Node>& nodes() const { return lab_->nodes(); }
  double lab_ms() const { return ms(lab_->build_time()); }

 private:
  Cluster(System& system, std::unique_ptr<lab::Lab> lab, Log log,
          std::chrono::steady_clock::time_point begin)
      : system_(system), lab_(std::move(lab)), log_(std::move(log)), begin_(begin) {}

  System& system_;
  std::unique_ptr<lab::Lab> lab_;
  Log log_;
  std::chrono::steady_clock::time_point begin_;
  std::size_t exits_seen_ = 0;
};

}  // namespace gameday::run
