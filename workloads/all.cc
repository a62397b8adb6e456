// The default: all of them at once, each on clients of its own. One run then shows a bug to every
// checker that could see it.
#include "workloads/catalog.h"
#include "workloads/ops.h"

namespace gameday::workloads {
namespace {

Gen clients(const WorkloadOptions& options) {
  // Shares of the clients; with fewer than three clients they take turns instead.
  struct Part {
    const Workload* workload;
    int share;
  };
  const Part parts[] = {{&kRegister, 5}, {&kAppend, 3}, {&kAvailability, 2}};
  constexpr int kShares = 10;
  std::vector<std::pair<int, Gen>> lanes;
  std::vector<Gen> turns;
  int left = options.clients;
  for (const auto& part : parts) {
    WorkloadOptions own = options;
    own.rate = options.rate * part.share / kShares;
    own.clients = &part == &parts[2] ? left : options.clients * part.share / kShares;
    left -= own.clients;
    const Gen g = part.workload->clients(own);
    lanes.emplace_back(own.clients, g);
    turns.push_back(g);
  }
  if (options.clients < 4) return gen::any(std::move(turns));
  return gen::reserve(std::move(lanes), nullptr);
}

Gen final_reads(const WorkloadOptions& options) {
  return gen::sequence({read_every_node("jobs", options), read_every_node("lists", options),
                        read_every_node("read-set", options)});
}

}  // namespace

const Workload kAll{"all", "register, append and availability at once, each on its own clients",
                    "all that fit", "", clients, final_reads};

}  // namespace gameday::workloads
