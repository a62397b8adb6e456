// What is wrong with a history of transactions: anomalies by Elle's names, and the search for those
// that are cycles.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checkers/txn/graph.h"

namespace gameday::txn {

// Anomalies found so far, by type: all counted, the first few of each type worded.
class Anomalies {
 public:
  static constexpr std::size_t kWorded = kAnomalyLimit;  // of a type

  // `word` is called only if this anomaly will be kept; it need not set `type`.
  void add(std::string_view type, const std::function<Anomaly()>& word);
  // Something that keeps the verdict from VALID, as a sentence. The same sentence counts once.
  // Where Elle lists it among the types of anomalies, `type` is its name.
  void unknown(std::string reason, std::string type = {});
  // Appends what another part of the history has shown.
  void merge(Anomalies&& later);

  struct Type {
    std::size_t count = 0;
    std::vector<Anomaly> worded;
  };
  const std::map<std::string, Type, std::less<>>& types() const { return types_; }
  std::map<std::string, Type, std::less<>>& types() { return types_; }
  bool has(std::string_view type) const { return types_.find(type) != types_.end(); }
  const std::vector<std::string>& unknowns() const { return unknowns_; }
  const std::vector<std::string>& unknown_types() const { return unknown_types_; }

 private:
  std::map<std::string, Type, std::less<>> types_;
  std::vector<std::string> unknowns_, unknown_types_;
};

// Why one node comes before another: a sentence without a full stop that calls them by the names
// given ("T2 appended 3 to :x after T1 appended 2"), and the same as data ({"key": ..., ...}, as
// Elle's steps have it: key, value, value').
struct Reason {
  std::string text;
  Json data = Json::object();
};
// Asked for edges of the graph only (those through joints included), with one of the relations that
// join the two.
using Explain = std::function<Reason(Node from, Node to, Relations one,
                                     const std::string& from_name, const std::string& to_name)>;

// Finds cycles: G0, G1c, G-single, G-nonadjacent, G2 and their -item, -process and -realtime kinds,
// in each strongly connected component the shortest one of each kind that no other kind found there
// implies. When the limits are reached, says so in `anomalies` and returns with what is known.
void find_cycles(const Transactions& transactions, const Graph& graph, Order order,
                 const Explain& explain, const Limits& limits, Anomalies& anomalies);

}  // namespace gameday::txn
