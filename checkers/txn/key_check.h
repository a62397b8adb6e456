// What one key of a list-append history shows: dependencies between transactions, and anomalies
// that need no cycle.
#pragma once

#include <atomic>

#include "checkers/txn/key_order.h"

namespace gameday::txn {

class KeyCheck {
 public:
  KeyCheck(const MopsByKey& all, const Transactions& transactions, std::vector<RawEdge>& edges,
           std::atomic<Node>& joints, Anomalies& anomalies)
      : events_(all.events()),
        transactions_(transactions),
        edges_(edges),
        joints_(joints),
        anomalies_(anomalies),
        order_(all) {}

  void run(std::size_t key);

 private:
  struct Seen {  // of a prefix of the longest read
    std::uint32_t aborted = 0;
    bool repeated = false;
  };
  void learn_positions();
  void writes();
  void read(std::size_t mop);
  void read_contents(const Mop& mop, std::span<const Value> list, bool prefix);
  void intermediate(const Mop& mop, std::int32_t appender);
  void unobserved();
  void join(const std::vector<Node>& readers, const std::vector<Node>& writers);
  void own_mops();
  void own_transaction(std::size_t first, std::size_t last);
  void dirty_updates();
  void lost_updates();
  void incompatible(const Mop& mop);
  void never_written(const Mop& mop, Value element);
  void own_order(std::size_t first, std::size_t last);
  void future_read(std::size_t first, std::size_t last);

  void edge(Node from, Node to, Relations relation) {
    if (from != kNone && to != kNone && from != to) edges_.push_back({from, to, relation});
  }
  Node node(std::int32_t mop) const {
    return mop == kNobody
               ? kNone
               : transactions_.of_pair(order_.mops()[static_cast<std::size_t>(mop)].pair);
  }
  OpType outcome(const Mop& mop) const { return order_.pair(mop).outcome; }
  std::size_t row(const Mop& mop) const {
    const Pair& pair = order_.pair(mop);
    return pair.done >= 0 ? static_cast<std::size_t>(pair.done) : pair.invoke;
  }
  std::string text(Value v) const;
  Anomaly word(std::string summary, std::initializer_list<const Mop*> mops) const;

  const Events& events_;
  const Transactions& transactions_;
  std::vector<RawEdge>& edges_;
  std::atomic<Node>& joints_;  // the next free one
  Anomalies& anomalies_;
  KeyOrder order_;
  std::vector<Seen> seen_;             // by length of a prefix
  std::vector<Node> readers_of_last_;  // of the last state that is known
  std::vector<bool> intermediate_;     // by mop: an append that its transaction went over
  bool told_incompatible_ = false;
};

}  // namespace gameday::txn
