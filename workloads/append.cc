// Unique values, each appended to the list of some document: the ack's job id orders them all
// (I1, I20), the lists show the order in which every node applied them (I2), and a value that
// stands in a list twice was applied twice (I9).
#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace append_ops {
namespace {

constexpr std::int64_t kKeysAtATime = 4;
constexpr std::int64_t kValuesPerKey = 64;  // lists stay short, as in Jepsen's append tests

Gen clients(const WorkloadOptions& options) {
  return at_rate(gen::stream(Rng(options.seed).fork("append").next(),
                             [](Rng& rng, std::int64_t n) {
                               const std::int64_t group = n / (kKeysAtATime * kValuesPerKey);
                               const std::int64_t key =
                                   group * kKeysAtATime + rng.between(0, kKeysAtATime - 1);
                               return make_op("append", {key, n});
                             }),
                 options);
}

Gen final_reads(const WorkloadOptions& options) {
  return gen::sequence({read_every_node("jobs", options), read_every_node("lists", options)});
}

}  // namespace
}  // namespace append_ops

const Workload kAppend{"append", "append unique values to lists, order-sensitive",
                       "job-sequence, log-linearizable, apply-order, exactly-once, set-full", "",
                       append_ops::clients, append_ops::final_reads};

}  // namespace gameday::workloads
