// Unique documents: what was acknowledged must be on every node at the end (I3).
#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace set_ops {
namespace {

Gen clients(const WorkloadOptions& options) {
  return at_rate(gen::stream(0, [](Rng&, std::int64_t n) { return make_op("add", n); }), options);
}

Gen final_reads(const WorkloadOptions& options) {
  if (!options.numbered) return read_every_node("read", options);
  return gen::sequence({read_every_node("jobs", options), read_every_node("read-set", options)});
}

}  // namespace
}  // namespace set_ops

const Workload kSet{"set", "add unique elements, read all of them from every node at the end",
                    "set-full, job-sequence", "model:set-full",
                    set_ops::clients, set_ops::final_reads};

}  // namespace gameday::workloads
