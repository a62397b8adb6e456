// Searches and writes at the same time: who is served while nodes are down (I4, I5).
#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace availability_ops {
namespace {

const std::vector<std::string>& words() {
  // Every document of the set workload holds one of them.
  static const std::vector<std::string> kWords{"amber", "birch", "cedar", "delta", "ember"};
  return kWords;
}

Gen searches(const WorkloadOptions& options) {
  return gen::stream(Rng(options.seed).fork("search").next(), [](Rng& rng, std::int64_t) {
    return make_op("search", rng.pick(words()));
  });
}

Gen clients(const WorkloadOptions& options) {
  WorkloadOptions writes = options;
  writes.rate = 0;
  return at_rate(gen::mix(Rng(options.seed).fork("availability").next(),
                          {searches(options), kSet.clients(writes)}),
                 options);
}

Gen final_reads(const WorkloadOptions& options) { return kSet.final_reads(options); }

}  // namespace
}  // namespace availability_ops

const Workload kAvailability{"availability", "searches and writes side by side",
                             "availability, set-full, job-sequence", "",
                             availability_ops::clients, availability_ops::final_reads};

}  // namespace gameday::workloads
