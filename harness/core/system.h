// The system under test, as the harness sees it: how to start a node, whether it is ready, what it
// says of itself, and a client. An implementation is one folder of sut/.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/membership.h"
#include "harness/core/op.h"

namespace gameday {

using Deadline = std::chrono::steady_clock::time_point;

struct Node {
  std::string name;     // "n1"
  std::string address;  // "10.77.0.1"
  std::filesystem::path data;  // its own directory, the only place it may write to
};

// How to start a node's server, inside the node's namespaces with its data directory as cwd.
struct ProcessSpec {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment;  // added to a minimal one
};

// What a node says of itself. Fields a system does not know stay empty.
struct NodeStatus {
  bool primary = false;                      // leader, primary, master
  std::optional<std::int64_t> term;          // epoch of that primacy
  std::optional<std::int64_t> wall_clock_ns;  // the node's CLOCK_REALTIME, read in its process
  Json raw;                                  // the system's own answer
};

struct Completion {
  OpType type = OpType::info;  // ok, fail or info
  Json value;                  // null: keep the invocation's value
  std::string error;
};

// A connection of one logical process to one node. Used by one thread. An implementation answers
// fail only when the op certainly did not happen, and info when it cannot know.
class Client {
 public:
  virtual ~Client() = default;
  // Must return by the deadline. An exception counts as info.
  virtual Completion invoke(const Op& op, Deadline deadline) = 0;
};

// What a system offers whose members can be changed while it runs. Any thread.
class Membership {
 public:
  virtual ~Membership() = default;
  // Whom the node takes for the members; nullopt: no answer by the deadline, or it knows of none.
  virtual std::optional<MemberView> view(const Node& node, Deadline deadline) const = 0;
  // Asks the cluster, through any of `members`, for one change; names are those of `all`. As of a
  // client: fail only if it did not happen and will not, info when in doubt.
  virtual Completion change(const MemberChange& change, const std::set<std::string>& members,
                            const std::vector<Node>& all, Deadline deadline) = 0;
  // How the server of a node is started that is to come to these members, with an empty directory.
  virtual ProcessSpec joining(const Node& node, const std::set<std::string>& members,
                              const std::vector<Node>& all) const = 0;
  // Who was taken out can only come back as a new member, with an empty directory, and is started
  // after it was added.
  virtual bool comes_back_empty() const { return false; }
};

class System {
 public:
  virtual ~System() = default;
  virtual std::string_view name() const = 0;
  virtual ProcessSpec process(const Node& node, const std::vector<Node>& all) const = 0;
  // Asks the node itself; nullopt when it does not answer by the deadline. Any thread.
  virtual std::optional<NodeStatus> status(const Node& node, Deadline deadline) const = 0;
  // The cluster accepts writes: some primary is there and has acknowledged something.
  virtual bool ready(const std::vector<Node>& all, Deadline deadline) const = 0;
  // The cluster has come to rest after everything was healed: every node answers, and all have
  // applied the same. Waits for it until the deadline.
  virtual bool settled(const std::vector<Node>& all, Deadline deadline) const = 0;
  virtual std::unique_ptr<Client> client(const Node& node, const std::vector<Node>& all) const = 0;
  // Where its clients reach a node, as a person would type it.
  virtual std::string endpoint(const Node& node) const { return node.address; }
  // nullptr: who its members are cannot be changed.
  virtual Membership* membership() { return nullptr; }
  // How long it may take to start, and to come to rest after faults.
  virtual std::chrono::seconds patience() const { return std::chrono::seconds{20}; }
  // The consistency model that its transactions are judged by, as it is set up.
  virtual std::string promises() const { return "strict-serializable"; }
};

// Something about a system that a run can choose: `gameday run NAME --set KEY=VALUE`.
struct Setting {
  std::string_view name;
  std::string_view values;   // "a|b|c": one of these; "number": of 0 or more; "text"
  std::string_view initial;  // if the run does not say
  std::string_view meaning;
};
using Settings = std::map<std::string, std::string, std::less<>>;

struct SystemKind;
struct SystemOptions {
  const SystemKind* kind = nullptr;
  Settings settings;                // every setting of the kind
  std::string workload;             // what its clients will be asked for
  std::vector<std::string> bugs;    // of the search cluster
  std::filesystem::path programs;   // where servers of our own stand
};

// A kind of system, before one is made of it.
struct SystemKind {
  std::string_view name;
  std::string_view summary;    // one line for `gameday list systems`
  std::string_view workloads;  // names, between spaces: what its clients can do
  std::string_view programs;   // paths (glob(7)), between spaces: what must be installed; itself first
  std::span<const Setting> settings;
  Result<std::unique_ptr<System>> (*make)(const SystemOptions&);
  // It numbers its writes as jobs and shows them, and promises the invariants of the search cluster.
  bool numbered = false;
};

// Whether a setting may have this value: the Error says what it may be.
Status check(const Setting& setting, const std::string& value);

// All settings of a kind, as given or else as initial. An Error names the setting that there is not, or what
// it may be.
Result<Settings> complete(const SystemKind& kind, const std::vector<std::string>& given);

}  // namespace gameday
