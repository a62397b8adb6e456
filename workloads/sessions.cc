// Sessions that read and write registers, mostly at one node each and now and then at another, as a
// client does whose connection is balanced anew: what each saw must fit together, however old it is
// (Terry et al., "Session Guarantees for Weakly Consistent Replicated Data", PDIS 1994; invariant I13).
#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace session_ops {
namespace {

constexpr std::int64_t kKeysAtATime = 4;
constexpr std::int64_t kOpsPerKey = 200;  // then another key takes its place: histories stay short

Gen clients(const WorkloadOptions& options) {
  const auto draw = [nodes = options.nodes](Rng& rng, std::int64_t n) {
    const std::int64_t key = n / kOpsPerKey + rng.between(0, kKeysAtATime - 1);
    Op op = rng.below(3) == 0 ? make_op("write", {key, n}) : make_op("read", {key, nullptr});
    if (rng.below(4) == 0) op.node = nodes[rng.below(nodes.size())];
    return op;
  };
  return at_rate(gen::stream(Rng(options.seed).fork("session").next(), draw), options);
}

Gen nothing(const WorkloadOptions&) { return nullptr; }

}  // namespace
}  // namespace session_ops

const Workload kSession{"session",
                        "registers read and written in sessions that change nodes",
                        "session",
                        "model:session",
                        session_ops::clients,
                        session_ops::nothing};

}  // namespace gameday::workloads
