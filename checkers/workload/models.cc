#include "checkers/workload/models.h"

namespace gameday {

std::span<const Model> workload_models() {
  using namespace workload;
  static const Model kModels[] = {
      {"set", "", "elements that were added are in the last read, and no others", check_set},
      {"set-full", "set_full",
       "the fate of each element of a set over all reads: stable, stale, lost", check_set_full},
      {"counter", "",
       "each read of a counter lies between what was acknowledged and what was attempted",
       check_counter},
      {"bank", "", "transfers neither make nor lose money, in any read", check_bank},
      {"long-fork", "long_fork", "no two reads see two writes in opposite orders", check_long_fork},
      {"comments", "", "with a write all are visible that were acknowledged before it began",
       check_comments},
      {"causal-reverse", "causal_reverse",
       "with a write all are visible that were acknowledged before it began", check_comments},
      {"sequential", "", "subkeys become visible in the order in which a client inserted them",
       check_sequential},
      {"queue", "", "each dequeued element had been enqueued", check_queue},
      {"total-queue", "total_queue", "what was enqueued comes out, and nothing else does",
       check_total_queue},
      {"unique-ids", "unique_ids", "no id is handed out twice", check_unique_ids},
      {"stats", "", "ok, fail and info by function; each function is ok at least once",
       check_stats},
      {"unhandled-exceptions", "exceptions", "errors that clients did not handle, by class",
       check_unhandled_exceptions},
      {"session", "session-guarantees", "the four session guarantees, each by its name",
       check_session},
      {"read-your-writes", "ryw", "a client reads what it wrote or newer", check_read_your_writes},
      {"monotonic-reads", "mr", "a client never reads older than it read", check_monotonic_reads},
      {"monotonic-writes", "mw", "a client's writes take effect in its order",
       check_monotonic_writes},
      {"writes-follow-reads", "wfr", "a client's write is newer than what it read before",
       check_writes_follow_reads},
      {"kafka", "", "messages of a log are neither lost, doubled nor out of order", check_kafka},
      {"staleness", "", "how old reads of registers are, in ms and versions", check_staleness},
      {"causal", "", "Jepsen's causal register: each op sees those it links to", check_causal},
      {"adya", "g2 write-skew", "of two inserts that exclude each other at most one commits (G2)",
       check_adya},
      {"objectives", "slo", "availability and latency, by function, against objectives",
       check_objectives},
      {"convergence", "", "the final reads of all clients or nodes agree", check_convergence},
      {"log-file-pattern", "log_file_pattern", "no line of a log matches a pattern",
       check_log_file_pattern},
  };
  return kModels;
}

}  // namespace gameday
