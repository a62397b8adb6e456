// The four session guarantees of Terry et al. ("Session Guarantees for Weakly Consistent Replicated
// Data", PDIS 1994), judged by values alone: nothing is known of servers, but written values are
// unique for each key, so a read tells which version of its key it saw. A session is a process; in
// a transaction the micro-operations follow each other.
//
// Terry et al. have servers apply the writes of a key in one order (their "write order"). In terms
// of versions of one key, with v < w for "v is before w in that order", the guarantees say of two
// operations of one session, the first before the second:
//
//   read-your-writes:     it wrote v and then read w:  v <= w
//   monotonic-reads:      it read v and then read w:   v <= w
//   monotonic-writes:     it wrote v and then wrote w: v < w
//   writes-follow-reads:  it read v and then wrote w:  v < w
//
// and what a key held before any write is before all of its versions. Writes of unknown outcome
// bind nobody later: they may not have happened by then. No use is made of real time.
//
// All four hold if and only if every key has an order of its versions with all these relations: if
// and only if the relations of no key have a cycle. A cycle needs all of its guarantees to be true
// at once, so a guarantee on its own (`read-your-writes`, ...) is INVALID when a cycle goes through
// one of its relations: it cannot hold while the others do. A session that reads the initial value
// after it saw or wrote a version violates that guarantee whatever the others are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "checkers/workload/guarantees/registers.h"

namespace gameday::guarantees {

enum class Guarantee : std::uint8_t {
  read_your_writes,
  monotonic_reads,
  writes_follow_reads,
  monotonic_writes
};
inline constexpr std::size_t kGuarantees = 4;
std::string_view to_string(Guarantee guarantee);

// from <= to, because of two operations of a session.
struct Relation {
  std::int32_t from = 0, to = 0;        // versions
  std::uint32_t first = 0, second = 0;  // accesses
  Guarantee guarantee = Guarantee::read_your_writes;
};

// What implies all others: of each operation, with the latest read and the latest acknowledged
// write of its key before it. Relations of a version with itself are there only where they
// contradict.
std::vector<Relation> session_relations(const Registers& registers);

// Which relations are part of a cycle; those to a version before any write are one on their own.
// Returns an id of its strongly connected component for each relation, -1: it is part of none.
std::vector<std::int32_t> cyclic(const Registers& registers,
                                 const std::vector<Relation>& relations);

}  // namespace gameday::guarantees
