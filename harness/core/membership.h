// Changes of who is a member of a cluster, as a state machine without I/O (after Jepsen's membership
// nemesis). Nodes are polled for their views; the views are merged into one; a change that was asked
// for is pending until the merged view shows it, the cluster has refused it, or patience ends. What
// the cluster answers counts for little: an answer may be lost, and a node may lag behind or lie.
//
// Every function is pure: it takes a state and returns another.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/op.h"
#include "harness/core/rng.h"

namespace gameday {

// Whom a node takes for the members. `version` grows with every change; 0 where a system has none.
struct MemberView {
  std::int64_t version = 0;
  std::set<std::string> members;
  auto operator<=>(const MemberView&) const = default;
};
Json to_json(const MemberView& view);

// Who is to leave and who is to come; one of them may be empty: an add or a remove. Both: a replace.
struct MemberChange {
  std::string out, in;
  bool operator==(const MemberChange&) const = default;
};
std::string describe(const MemberChange& change);  // "replace n1 by n4"
// Whether the members are what the change makes of them.
bool shows(const MemberView& view, const MemberChange& change);
// Two changes that name a node in common must not be pending together.
bool conflict(const MemberChange& a, const MemberChange& b);

namespace membership {

struct Pending {
  int id = 0;
  MemberChange change;
  std::int64_t since = 0;  // ns
  bool refused = false;    // the cluster says that it did not happen and will not
};

enum class Outcome : std::uint8_t { done, refused, given_up };
std::string_view to_string(Outcome outcome);

struct Resolved {
  Pending pending;
  Outcome outcome = Outcome::done;
};

struct State {
  std::vector<std::string> nodes;           // that are or may become members
  std::map<std::string, MemberView> views;  // the last that each node has told
  std::optional<MemberView> merged;         // nullopt: nothing is established yet
  std::vector<Pending> pending;             // never two in conflict
  // A name for each change that was given up and may still make a node leave.
  std::multiset<std::string> may_leave;
  int next_id = 1;
};
State start(std::vector<std::string> nodes);

// A node has told its view. The merged view becomes the newest that a majority of its own members
// tell, and at least half of those members of the merged view before who are not about to leave: so
// neither one node that lies nor a minority that was left behind can say who the members are (of
// three or more). It never goes back to an older version. The first needs a majority of the nodes
// that tell anything, and a majority of all to do so. A node that does not answer is not observed:
// what it said last goes on counting, because a view that was once told has existed.
State observe(State state, const std::string& node, MemberView view);

// Asks for a change. An Error where it changes nothing, conflicts with one that is pending, or could
// leave fewer members than `floor`, if all that may leave do and nobody comes.
Result<State> begin(State state, const MemberChange& change, std::size_t floor, std::int64_t now);

// The cluster has answered: `fail` is taken at its word, `ok` and `info` leave it to the views.
State answer(State state, int id, OpType type);

// Takes out of the pending ones what can be told: done, because the merged view shows it, whatever
// was answered; refused; given up after `patience` ns. Each is told once.
struct Resolution {
  State state;
  std::vector<Resolved> resolved;
};
Resolution resolve(State state, std::int64_t now, std::int64_t patience);

// Every change that begin() would take.
std::vector<MemberChange> possible(const State& state, std::size_t floor);

}  // namespace membership
}  // namespace gameday
