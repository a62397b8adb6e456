// Faults. A nemesis knows one kind of fault; injecting it returns the fault in force, which heals
// when told to or, as a backstop, when it is destroyed. Every fault proves what it did.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/json.h"
#include "harness/core/rng.h"

namespace gameday {

// What a fault did, measured from outside it: packets dropped, an offset read back, a process seen
// dead. A fault that was not effective is vacuous; a run whose faults were all vacuous is UNKNOWN.
struct Proof {
  bool effective = false;
  std::string summary;  // "dropped 312 packets between n1 and n2,n3"
  Json detail = Json::object();
};

// A fault in force. The implementation's destructor must heal as well.
class ActiveFault {
 public:
  virtual ~ActiveFault() = default;
  // What was done to what, with targets resolved (a role such as "leader" is a node by now).
  virtual Json description() const = 0;
  // Undoes the fault, checks that it is undone, and says what the fault had done. Called once.
  virtual Result<Proof> heal() = 0;
};

// A kind of fault. One object a run; inject and heal are called from one thread.
class Nemesis {
 public:
  virtual ~Nemesis() = default;
  virtual std::string_view name() const = 0;  // "partition"
  // Draws the parameters of one fault. Pure: the same rng and nodes give the same plan, so that a
  // schedule is a value. A target may be a role ("leader"), resolved at injection.
  virtual Json plan(Rng& rng, const std::vector<std::string>& nodes) const = 0;
  // One sentence for people about such parameters: "cut n1 from n2, n3 in both directions".
  virtual std::string describe(const Json& parameters) const = 0;
  virtual Result<std::unique_ptr<ActiveFault>> inject(const Json& parameters) = 0;
};

// When a planned fault begins or ends. In JSON: a number of seconds since the clients began, or one of
//   {"ops": N, "after": S}             S seconds after N client operations were completed
//   {"event": "new-leader", "nth": K, "after": S}   ... a node was seen to lead in a newer term
//   {"event": "fsync", "nth": K, "node": N, "after": S}  ... a node synced a file for the K-th time
//   {"after": S}                       ... the fault came into force; only an end
// Without "nth" it is the first since the clients began (of an end: since the fault came into force),
// without "after" at once, without "node" the node that leads when the clients begin.
struct Moment {
  enum class Kind : std::uint8_t { time, ops, event, after };
  Moment(double at = 0) : seconds(at) {}  // NOLINT: a time is the most common moment
  Kind kind = Kind::time;
  double seconds = 0;  // since the clients began, or after what is waited for
  std::int64_t count = 1;   // of ops, or which event
  std::string event, node;

  bool operator==(const Moment&) const = default;
};
inline constexpr std::string_view kNewLeader = "new-leader";
inline constexpr std::string_view kFsync = "fsync";

Json to_json(const Moment& moment);
std::string describe(const Moment& moment);  // "at 3.5 s", "when the 2nd new leader is seen"

// One entry of a schedule: the fault is in force from `when` until `until`. Schedules are values,
// stored in test.json and faults.jsonl, and replayed by --schedule.
struct PlannedFault {
  Moment when, until;
  std::string fault;
  Json parameters = Json::object();
};

Json to_json(const PlannedFault& planned);
// An entry may say "targets" beside its parameters, which is where they end up, and "at" for "when".
Result<PlannedFault> parse_planned_fault(const Json& json);

// What is known of one fault of a run, put together from the lines of faults.jsonl. Times are ns
// since the start of the run, -1 where it did not happen.
struct FaultRecord {
  int id = 0;
  std::string fault;
  std::string summary;  // the nemesis' sentence about it
  Json parameters = Json::object();
  Json description = Json::object();
  std::int64_t requested = -1, in_force = -1, heal_requested = -1, healed = -1;
  Proof proof;
  std::string error;  // why it could not be injected or healed, or that its moment never came
};

}  // namespace gameday
