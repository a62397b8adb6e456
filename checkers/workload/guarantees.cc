// Models of what a store promises to one client, of how old its answers are, and of what a run as a
// whole should look like.
#include "checkers/workload/guarantees/guarantees.h"

#include "checkers/model.h"

namespace gameday {

std::span<const Model> guarantee_models() {
  static constexpr Model kModels[] = {
      {"session", "session-guarantees", "registers: all four session guarantees hold together",
       guarantees::check_session},
      {"read-your-writes", "ryw", "registers: a session reads its own writes or later ones",
       guarantees::check_read_your_writes},
      {"monotonic-reads", "mr", "registers: a session never reads an older version again",
       guarantees::check_monotonic_reads},
      {"monotonic-writes", "mw", "registers: all see a session's writes in its order",
       guarantees::check_monotonic_writes},
      {"writes-follow-reads", "wfr", "registers: a write is later than what its session had read",
       guarantees::check_writes_follow_reads},
      {"staleness", "bounded-staleness",
       "registers: how old reads are, in versions and milliseconds", guarantees::check_staleness},
      {"k-atomicity", "k-atomic",
       "registers: the smallest k, so that reads return one of the k latest writes",
       guarantees::check_k_atomicity},
      {"kafka", "kafka-log log-queue",
       "logs of messages: lost, duplicated, reordered, skipped ones", guarantees::check_kafka},
      {"objectives", "slo", "availability and latency: asked-for objectives are met",
       guarantees::check_objectives},
      {"convergence", "converged", "after the last write all final reads agree", guarantees::check_convergence},
      {"log-file-pattern", "log-pattern", "no line of the log files matches a pattern",
       guarantees::check_log_file_pattern},
      {"unhandled-exceptions", "exceptions", "counts exceptions by class, as Jepsen does",
       guarantees::check_unhandled_exceptions},
  };
  return kModels;
}

}  // namespace gameday
