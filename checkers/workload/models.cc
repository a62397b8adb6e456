#include "checkers/workload/models.h"

#include "checkers/workload/guarantees/guarantees.h"

namespace gameday {

// Early are those that blame a call for what came before it. The others wait for the end: an
// element that is missing may be read yet (set, set-full, total-queue, kafka), a replica catches up
// (convergence), an :ok follows failures (stats), slow calls are outweighed (objectives).
std::span<const Model> workload_models() {
  using namespace workload;
  using namespace guarantees;
  constexpr bool kEarly = true;
  static constexpr Model kModels[] = {
      {"set", "", "elements that were added are in the last read, and no others", check_set},
      {"set-full", "set_full",
       "the fate of each element of a set over all reads: stable, stale, lost", check_set_full},
      // A read is judged when it returns: by what was acknowledged before it began and attempted
      // before it ended. An add that turns out to have failed cannot widen that.
      {"counter", "",
       "each read of a counter lies between what was acknowledged and what was attempted",
       check_counter, kEarly},
      {"bank", "", "transfers neither make nor lose money, in any read", check_bank, kEarly},
      {"long-fork", "long_fork", "no two reads see two writes in opposite orders", check_long_fork,
       kEarly},
      {"comments", "", "with a write all are visible that were acknowledged before it began",
       check_comments},
      {"causal-reverse", "causal_reverse",
       "with a write all are visible that were acknowledged before it began", check_comments},
      {"sequential", "", "subkeys become visible in the order in which a client inserted them",
       check_sequential},
      // What is enqueued at last is invoked before any dequeue returns it.
      {"queue", "", "each dequeued element had been enqueued", check_queue, kEarly},
      {"total-queue", "total_queue", "what was enqueued comes out, and nothing else does",
       check_total_queue},
      {"unique-ids", "unique_ids", "no id is handed out twice", check_unique_ids, kEarly},
      {"stats", "", "ok, fail and info by function; each function is ok at least once",
       check_stats},
      {"causal", "", "Jepsen's causal register: each op sees those it links to", check_causal},
      {"adya", "g2 write-skew", "of two inserts that exclude each other at most one commits (G2)",
       check_adya, !kEarly, /*keyed=*/true},
      // Relations between versions are never taken back, so neither are their cycles.
      {"session", "session-guarantees", "registers: all four session guarantees hold together",
       check_session, kEarly},
      {"read-your-writes", "ryw", "registers: a session reads its own writes or later ones",
       check_read_your_writes, kEarly},
      {"monotonic-reads", "mr", "registers: a session never reads an older version again",
       check_monotonic_reads, kEarly},
      {"monotonic-writes", "mw", "registers: all see a session's writes in its order",
       check_monotonic_writes, kEarly},
      {"writes-follow-reads", "wfr", "registers: a write is later than what its session had read",
       check_writes_follow_reads, kEarly},
      {"staleness", "bounded-staleness",
       "registers: how old reads are, in versions and milliseconds", check_staleness},
      {"k-atomicity", "k-atomic",
       "registers: the smallest k, so that reads return one of the k latest writes",
       check_k_atomicity},
      {"kafka", "kafka-log log-queue",
       "logs of messages: lost, unseen, duplicated, reordered, skipped ones", check_kafka},
      {"objectives", "slo", "availability and latency: asked-for objectives are met",
       check_objectives},
      {"convergence", "converged", "after the last write all final reads agree", check_convergence},
      {"log-file-pattern", "log_file_pattern log-pattern",
       "no line of the log files matches a pattern", check_log_file_pattern},
      {"unhandled-exceptions", "exceptions", "counts exceptions by class, as Jepsen does",
       check_unhandled_exceptions},
  };
  return kModels;
}

}  // namespace gameday
