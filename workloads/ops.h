// Small helpers that several workloads share.
#pragma once

#include <string>
#include <utility>

#include "harness/core/workload.h"

namespace gameday::workloads {

inline Op make_op(std::string f, Json value = nullptr) {
  Op op;
  op.f = std::move(f);
  op.value = std::move(value);
  return op;
}

// Keeps all clients together at options.rate; 0 leaves them free.
Gen at_rate(Gen g, const WorkloadOptions& options);

// One read of each node.
Gen read_every_node(const std::string& f, const WorkloadOptions& options);

}  // namespace gameday::workloads
