// Models of what a store promises to one client, of how old its answers are, and of what a run as a
// whole should look like.
#include "checkers/model.h"
#include "checkers/workload/guarantees/guarantees.h"

namespace gameday {

std::span<const Model> guarantee_models() {
  static constexpr Model kModels[] = {
      {"objectives", "slo", "availability and latency: asked-for objectives are met", check_objectives},
      {"convergence", "converged", "after the last write all final reads agree", check_convergence},
      {"log-file-pattern", "log-pattern", "no line of the log files matches a pattern",
       check_log_file_pattern},
      {"unhandled-exceptions", "exceptions", "counts exceptions by class, as Jepsen does",
       check_unhandled_exceptions},
  };
  return kModels;
}

}  // namespace gameday
