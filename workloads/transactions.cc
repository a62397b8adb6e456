// Transactions over a few keys at a time, as Elle reads them (Kingsbury and Alvaro, VLDB 2020;
// Jepsen's append and wr tests): lists that are appended to, or registers that are written, each
// value once.
#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace txn_ops {
namespace {

constexpr std::int64_t kKeysAtATime = 5;
constexpr std::int64_t kOpsPerKey = 60;  // then another key takes its place: lists stay short
constexpr std::int64_t kLongest = 4;     // operations in a transaction

// Transaction n of a workload whose writes are called `write`.
Op transaction(Rng& rng, std::int64_t n, const char* write) {
  Json mops = Json::array();
  const auto length = rng.between(1, kLongest);
  for (std::int64_t i = 0; i < length; ++i) {
    const std::int64_t key = n / kOpsPerKey + rng.between(0, kKeysAtATime - 1);
    if (rng.below(2) == 0)
      mops.push_back({"r", key, nullptr});
    else
      mops.push_back({write, key, n * kLongest + i});
  }
  return make_op("txn", std::move(mops));
}

Gen appends(const WorkloadOptions& options) {
  return at_rate(
      gen::stream(Rng(options.seed).fork("list-append").next(),
                  [](Rng& rng, std::int64_t n) { return transaction(rng, n, "append"); }),
      options);
}

Gen writes(const WorkloadOptions& options) {
  return at_rate(gen::stream(Rng(options.seed).fork("rw-register").next(),
                             [](Rng& rng, std::int64_t n) { return transaction(rng, n, "w"); }),
                 options);
}

Gen nothing(const WorkloadOptions&) { return nullptr; }

}  // namespace
}  // namespace txn_ops

const Workload kListAppend{
    "list-append",    "transactions that read lists and append unique values to them",
    "list-append",    "txn:list-append",
    txn_ops::appends, txn_ops::nothing};
const Workload kRwRegister{
    "rw-register",   "transactions that read registers and write unique values",
    "rw-register",   "txn:rw-register",
    txn_ops::writes, txn_ops::nothing};

}  // namespace gameday::workloads
