// Which nodes a fault hits. In parameters: "order", names of nodes of which the first few are hit;
// "leader" is the node that leads at injection, "follower" all that do not. How many: "count", or
// "targets" with a word for a number of nodes. "targets" may also be the names themselves, or
// "primaries": all that claim to lead at injection.
#pragma once

#include <string>
#include <vector>

#include "harness/core/json.h"
#include "harness/core/rng.h"
#include "nemesis/catalog.h"

namespace gameday::nemesis {

inline constexpr const char* kLeader = "leader";
inline constexpr const char* kFollower = "follower";

// All nodes, shuffled, the leader in front about half of the time: most of what a fault can break
// it breaks through the leader.
Json draw_order(Rng& rng, const std::vector<std::string>& nodes);

// How many nodes: one, a minority, a majority or all, weighted by these (they need not add up).
struct CountWeights {
  double one = 0, minority = 0, majority = 0, all = 0;
};
std::size_t draw_count(Rng& rng, std::size_t nodes, const CountWeights& weights);

// The order with names for its roles (nobody, where nobody leads), completed by the nodes that
// it does not mention. Pure. An Error for a name that is no node.
Result<std::vector<std::string>> resolve_order(const Json& parameters, const std::string& leader,
                                               const std::vector<std::string>& nodes);
// The same, asking the context who leads if the order has a role in it.
Result<std::vector<std::string>> resolve_order(const Json& parameters,
                                               const NemesisContext& context);
// How many nodes a word of kTargetWords means: a minority is the largest one, a majority the
// smallest, minority-third fewer than a third (Byzantine systems bear that; at least one node).
std::size_t count_of(std::string_view word, std::size_t nodes);
// The nodes that "targets" says or, without it, the first parameters["count"] (default: 1) of that.
Result<std::vector<std::string>> resolve_targets(const Json& parameters,
                                                 const NemesisContext& context);

std::vector<std::string> node_names(const lab::Lab& lab);

// "the leader and n2", of the first `count` of the order.
std::string describe_first(const Json& parameters, std::size_t count);
std::string describe_targets(const Json& parameters);     // count from the parameters
std::string join(const std::vector<std::string>& items);  // "n1, n2 and n3"

// What nodes did on their own while a fault was in force; a fault must not pass for it, or hide it.
class DeathWatch {
 public:
  explicit DeathWatch(const lab::Lab& lab) : lab_(&lab), before_(lab.unexpected_exits().size()) {}
  // Adds "died by itself: ..." to summary and detail, if somebody did.
  void report(Proof& proof) const;

 private:
  const lab::Lab* lab_;
  std::size_t before_;
};

}  // namespace gameday::nemesis
