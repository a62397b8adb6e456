// Which transactions a reader sees, and what follows for the order of commits: if a reader sees t2,
// which wrote a key, and read that key of t1, then t2 committed before t1 (Biswas and Enea, OOPSLA
// 2019, section 2.2). The levels differ in what is seen.
//
// Moldrup and Pavlogiannis ("AWDIT", PLDI 2025) infer a sufficient set of such edges in optimal time
// and then look for a cycle. Here an order is guessed first, and only the edges that contradict it are
// looked for: a guess that nothing contradicts proves the history valid, and one that is contradicted
// is made anew with the edges found. Nearly all edges agree with the order in which transactions
// completed, so that this is little more than one pass. After a few guesses all edges are asked for,
// within AWDIT's bounds (times a logarithm for causal consistency).
#pragma once

#include <vector>

#include "checkers/txn/parts.h"
#include "checkers/txn/weak/order.h"

namespace gameday::txn::weak {

enum class Level {
  read_committed,  // seen: what the reader read of before that read
  read_atomic,     // seen: what the reader read of, and its session before it
  causal,          // seen: all that happened before it by sessions and reads
};

// What happened before each transaction by sessions and reads, as vector clocks, in blocks of sessions.
// No order of commits changes them: they are kept from one asking to the next where memory allows.
struct Clocks {
  std::vector<Column<std::uint32_t>> blocks;
};

// Edges that contradict the order, or all that are needed whatever the order is. May return some
// early when the limits are reached: `expired` is set.
struct Asked {
  const Accesses& accesses;
  const CommitOrder& order;
  bool all;
  const Limits& limits;
  Clocks& clocks;
  const char* expired = nullptr;
};
std::vector<Inferred> infer(Level level, Asked& asked);

// The three; infer() chooses. One part of so many, each a thread's.
void infer_read_committed(const Asked& asked, std::size_t part, std::size_t parts,
                          std::vector<Inferred>& found);
void infer_read_atomic(const Asked& asked, std::size_t part, std::size_t parts,
                       std::vector<Inferred>& found);
std::vector<Inferred> infer_causal(Asked& asked);

}  // namespace gameday::txn::weak
