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

#include <functional>
#include <vector>

#include "checkers/txn/weak/order.h"

namespace gameday::txn::weak {

enum class Level {
  read_committed,  // seen: what the reader read of before that read
  read_atomic,     // seen: what the reader read of, and its session before it
  causal,          // seen: all that happened before it by sessions and reads
};

// Edges that contradict the order, or all that are needed whatever the order is. May return some
// early when the limits are reached: `expired` is set.
struct Asked {
  const Accesses& accesses;
  const CommitOrder& order;
  bool all;
  const Limits& limits;
  const char* expired = nullptr;
};
std::vector<Inferred> infer(Level level, Asked& asked);

// Calls work(0) ... work(parts - 1), each in a thread of its own; what one throws is thrown here.
void in_parts(std::size_t parts, const std::function<void(std::size_t)>& work);

// The three; infer() chooses.
void infer_read_committed(const Asked& asked, std::size_t from, std::size_t to,
                          std::vector<Inferred>& found);
void infer_read_atomic(const Asked& asked, std::size_t from, std::size_t to,
                       std::vector<Inferred>& found);
std::vector<Inferred> infer_causal(Asked& asked);

}  // namespace gameday::txn::weak
