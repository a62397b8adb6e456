// Who is in the cluster, as the membership faults of a run see and change it together: the state
// machine of harness/core/membership.h, fed by asking the nodes of a lab.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "nemesis/catalog.h"

namespace gameday::nemesis {

class Roster {
 public:
  // What becomes of the server of a node that has left, until it comes back.
  enum class Leaver : std::uint8_t { stays, stops, wiped };

  explicit Roster(const NemesisContext& context);

  // Asks every node that can answer for its view, and takes out of the pending changes what can be
  // told by now.
  void poll();
  // Until somebody knows who the members are. Those that are at the first time are all there shall be
  // in the end.
  Status learn(std::chrono::milliseconds limit);

  std::optional<MemberView> merged() const;
  // Of the changes that are possible now and keep `floor` members.
  std::vector<MemberChange> possible(std::size_t floor) const;
  // Asks the cluster. The number of the change.
  Result<int> begin(const MemberChange& change, std::size_t floor);
  std::optional<membership::Outcome> outcome(int id) const;  // nullopt: still pending
  Json answers(int id) const;                                // what the cluster said

  // The node has left: its server, if it runs, is ended or not.
  Status let_go(const std::string& node, Leaver leaver);
  // The node shall be a member again: tries until it is, and no change of it is pending. false: not
  // by then, it is owed.
  Result<bool> bring_back(const std::string& node, std::chrono::milliseconds limit);
  // Brings back whom is owed, and checks that the members are all that there shall be.
  Status settle(std::chrono::milliseconds limit);

 private:
  bool is_back(const std::string& node) const;
  Status start_again(const std::string& node);

  const NemesisContext context_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  mutable std::recursive_mutex mutex_;  // for all below; not held while the cluster is asked
  membership::State state_;
  std::set<std::string> all_;   // the members at first
  std::set<std::string> owed_;  // whom a heal could not bring back
  std::map<std::string, Leaver> stopped_;
  std::map<int, membership::Outcome> outcomes_;
  std::map<int, Json> answers_;
};

}  // namespace gameday::nemesis
