// Which faults were in force when, and what they left connected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/checker.h"

namespace gameday {

// The faults of the run: the records, or what the nemesis ops of a bare history tell of them.
std::vector<FaultRecord> faults_of(const CheckInput& input);

// "while partition (cut n1 from n2 and n3) was in force" or "while no fault was in force".
std::string faults_at(const std::vector<FaultRecord>& faults, std::int64_t time);

// Whether this is the kind `kind` or a variant of it ("partition", "partition-ring").
bool is_kind(const FaultRecord& fault, std::string_view kind);

// A fault after which a node may have forgotten what it once held durably.
bool destroys_disk(const FaultRecord& fault);

// Whether this node was one of its targets, or its record does not say whom it hit.
bool hits(const FaultRecord& fault, const std::string& node);

// Whether the fault is a reason for a server to end by itself at this time: a disk that fails a write,
// or has lost what was durable, leaves it no other answer; without memory it gets none.
bool may_end_server(const FaultRecord& fault, const std::string& node, std::int64_t time);

// A stretch of time with the same faults.
struct Window {
  std::int64_t from = 0, until = 0;  // ns
  std::vector<std::string> healthy;  // nodes that certainly are untouched and see each other
  std::vector<std::string> hit;      // nodes that a kill, pause or partition may touch
  bool disturbed = false;            // another kind of fault, or one that is not understood
  std::string faults;                // in words
};

// Cuts [0, end) into windows where nothing changes, from every fault's request to its end: what is
// called healthy there certainly is.
std::vector<Window> healthy_windows(const std::vector<FaultRecord>& faults,
                                    const std::vector<std::string>& nodes, std::int64_t end);

// A stretch in which for certain no majority of live nodes can exchange messages.
struct MinorityWindow {
  std::int64_t from = 0, until = 0;
  std::vector<std::string> live;  // nodes that run, neither killed nor paused
  bool clients_cut = false;       // searches may fail for another reason
  std::string faults;
};

// From a fault's in_force to its heal_requested only. Nodes count as connected unless both
// directions between them are dropped, and a majority may talk over several hops: Raft needs less
// luck than that, so no run in which a majority might have talked is in a window.
std::vector<MinorityWindow> minority_windows(const std::vector<FaultRecord>& faults,
                                             const std::vector<std::string>& nodes,
                                             std::int64_t end);

// A stretch in which for certain nothing that another node sends reaches this one.
struct DeafWindow {
  std::int64_t from = 0, until = 0;
  std::string node;
};
std::vector<DeafWindow> deaf_windows(const std::vector<FaultRecord>& faults,
                                     const std::vector<std::string>& nodes);

}  // namespace gameday
