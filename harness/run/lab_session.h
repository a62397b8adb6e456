// A cluster to play with: no clients, no schedule; faults are applied by hand, by the same driver and
// into the same journal as in a run.
//
// It is spoken to in JSON objects, from the prompt of `gameday lab` and through its socket
// (lab_socket.h). Every answer has "ok", and "text" for people or "error"; "bad" in an answer: the
// request was wrong, and nothing was tried.
//   {"do":"inject","fault":F,"parameters":{...},"for":S}   without parameters they are drawn; "id"
//   {"do":"heal","id":N} or {"do":"heal","id":"all"}       "healed": [{"id","fault","effective","text"}]
//   {"do":"wait","id":N}                                   answers as heal does, when it is healed
//   {"do":"faults"}                                        "faults": what is in force
//   {"do":"status"}                                        "nodes", "faults"
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "harness/core/system.h"
#include "harness/run/cluster.h"
#include "harness/run/nemesis_driver.h"
#include "harness/run/schedule.h"

namespace gameday::run {

struct LabPlan {
  std::filesystem::path folder;
  System* system = nullptr;
  int nodes = 3;
  std::vector<FaultKind> faults;
  lab::Preparation prepare;
  std::uint64_t seed = 0;  // of parameters that are drawn
  // Whether a fault's parameters are what it understands.
  std::function<Status(const std::string& fault, const Json& parameters)> check;
  // What happened by itself: a fault whose time was up, a server that died. From any thread.
  std::function<void(const std::string&)> notice;
};

class LabSession {
 public:
  // Starts the cluster and waits until it accepts writes.
  static Result<std::unique_ptr<LabSession>> start(LabPlan plan, std::stop_token stop);
  ~LabSession();
  LabSession(const LabSession&) = delete;
  LabSession& operator=(const LabSession&) = delete;

  Json perform(const Json& request);  // any thread
  // Heals everything, sees that it is healed, and ends the servers. Answers those who wait.
  Status close();

  lab::Lab& lab() { return cluster_->lab(); }
  const std::vector<Node>& nodes() const { return cluster_->nodes(); }
  std::string endpoint(const Node& node) const { return plan_.system->endpoint(node); }

 private:
  LabSession(LabPlan plan, std::unique_ptr<Cluster> cluster, Log log, Journal journal);
  Json inject(const Json& request);
  Json heal(const Json& request);
  Json heal_now(int id);  // with the mutex held
  Json wait(const Json& request);
  Json status();
  Json faults_in_force() const;  // with the mutex held
  Json node_status(const Node& node);
  void keep_time(const std::stop_token& stop);
  void notice_exits();
  std::int64_t now() const;

  LabPlan plan_;
  std::unique_ptr<Cluster> cluster_;
  Log log_;
  Journal journal_;
  Rng rng_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::mutex mutex_;  // for all below
  std::condition_variable_any changed_;
  std::unique_ptr<NemesisDriver> driver_;  // null: closed
  std::map<int, std::chrono::steady_clock::time_point> due_;
  std::map<int, Json> healed_;  // by fault: how
  int next_id_ = 1;
  std::size_t exits_seen_ = 0;
  std::jthread timekeeper_;
};

}  // namespace gameday::run
