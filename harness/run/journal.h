// The journal of faults, faults.jsonl: what was asked for, before it is done; what is in force; what
// was healed, with its proof. A later reader, also of a run whose controller was killed, sees which
// faults were in force and since when.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/fault.h"
#include "harness/run/store.h"

namespace gameday::run {

class Journal {
 public:
  explicit Journal(LineFile file) : file_(std::move(file)) {}

  // event: "requested", "in-force", "heal-requested", "healed" or "failed".
  Status write(const FaultRecord& record, std::string_view event, std::int64_t time);

 private:
  LineFile file_;
};

// Puts the lines together, one record a fault. Lines that cannot be read are left out: a journal
// may have lost its last line with its controller.
std::vector<FaultRecord> read_faults(const std::filesystem::path& file);

}  // namespace gameday::run
