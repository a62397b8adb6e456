#include "checkers/workload/models.h"

namespace gameday {

std::span<const Model> workload_models() {
  using namespace workload;
  static const Model kModels[] = {
      {"set", "", "elements that were added are in the last read, and no others", check_set},
      {"set-full", "set_full", "the fate of each element of a set over all reads: stable, stale, lost", check_set_full},
      {"counter", "", "each read of a counter lies between what was acknowledged and what was attempted",
       check_counter},
      {"bank", "", "transfers neither make nor lose money, in any read", check_bank},
      {"long-fork", "long_fork", "no two reads see two writes in opposite orders", check_long_fork},
      {"comments", "", "with a write all are visible that were acknowledged before it began", check_comments},
      {"causal-reverse", "causal_reverse", "with a write all are visible that were acknowledged before it began",
       check_comments},
      {"sequential", "", "subkeys become visible in the order in which a client inserted them", check_sequential},
      {"queue", "", "each dequeued element had been enqueued", check_queue},
      {"total-queue", "total_queue", "what was enqueued comes out, and nothing else does", check_total_queue},
      {"unique-ids", "unique_ids", "no id is handed out twice", check_unique_ids},
      {"stats", "", "ok, fail and info by function; each function is ok at least once", check_stats},
      {"unhandled-exceptions", "exceptions", "errors that clients did not handle, by class",
       check_unhandled_exceptions},
  };
  return kModels;
}

}  // namespace gameday
