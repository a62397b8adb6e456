#include "workloads/ops.h"

namespace gameday::workloads {

Gen at_rate(Gen g, const WorkloadOptions& options) {
  if (options.rate <= 0) return g;
  const auto mean = static_cast<std::int64_t>(1e9 / options.rate);
  return gen::stagger(mean, Rng(options.seed).fork("rate").next(), std::move(g));
}

Gen read_every_node(const std::string& f, const WorkloadOptions& options) {
  std::vector<Gen> reads;
  for (const auto& node : options.nodes) {
    Op op = make_op(f);
    op.node = node;
    reads.push_back(gen::once(std::move(op)));
  }
  return gen::sequence(std::move(reads));
}

}  // namespace gameday::workloads
