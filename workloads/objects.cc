// Workloads that a single kind of object serves: counters, queues, locks, bank accounts (Jepsen's
// counter, queue, lock and bank tests).
#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace object_ops {
namespace {

constexpr std::int64_t kAccounts = 5;
constexpr std::int64_t kMostMoved = 5;

Gen random_ops(const char* name, const WorkloadOptions& options, Op (*draw)(Rng&, std::int64_t)) {
  return at_rate(gen::stream(Rng(options.seed).fork(name).next(), draw), options);
}

Gen counter(const WorkloadOptions& options) {
  return random_ops("counter", options, [](Rng& rng, std::int64_t) {
    return rng.below(3) == 0 ? make_op("read") : make_op("add", rng.between(1, 5));
  });
}

// More is put in than taken out, so that something is there to be lost.
Gen queue(const WorkloadOptions& options) {
  return random_ops("queue", options, [](Rng& rng, std::int64_t n) {
    return rng.below(5) < 3 ? make_op("enqueue", n) : make_op("dequeue");
  });
}

Gen lock_set(const WorkloadOptions& options) {
  return random_ops("lock-set", options, [](Rng&, std::int64_t n) { return make_op("add", n); });
}

Gen bank(const WorkloadOptions& options) {
  return random_ops("bank", options, [](Rng& rng, std::int64_t) {
    if (rng.below(2) == 0) return make_op("read");
    const auto from = rng.between(0, kAccounts - 1);
    const auto to = (from + rng.between(1, kAccounts - 1)) % kAccounts;
    return make_op("transfer",
                   {{"from", from}, {"to", to}, {"amount", rng.between(1, kMostMoved)}});
  });
}

Gen read_everywhere(const WorkloadOptions& options) { return read_every_node("read", options); }
Gen drain_everywhere(const WorkloadOptions& options) { return read_every_node("drain", options); }

}  // namespace
}  // namespace object_ops

const Workload kCounter{"counter",           "increments of one counter, and reads of it",
                        "counter",           "model:counter",
                        object_ops::counter, object_ops::read_everywhere};
const Workload kQueue{
    "queue",           "unique elements through one queue, which is emptied at the end",
    "total-queue",     "model:total-queue",
    object_ops::queue, object_ops::drain_everywhere};
const Workload kLockSet{"lock-set",
                        "unique elements added to one list, read and written back under a lock",
                        "set-full",
                        "model:set-full",
                        object_ops::lock_set,
                        object_ops::read_everywhere,
                        std::chrono::seconds(10)};
const Workload kBank{
    "bank",           "money moved between accounts, all of which are read together",
    "bank",           "model:bank",
    object_ops::bank, object_ops::read_everywhere};

}  // namespace gameday::workloads
