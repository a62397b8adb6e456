// The journal of faults, faults.jsonl: what is planned; what was asked for, before it is done; what is
// in force; what was healed, with its proof. A later reader, also of a run whose controller was killed,
// sees which faults were in force and since when.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/fault.h"
#include "harness/core/history.h"
#include "harness/run/store.h"

namespace gameday::run {

class Journal {
 public:
  explicit Journal(LineFile file) : file_(std::move(file)) {}

  // What the run means to do: a line each, "planned", from which a schedule can be replayed.
  Status plan(const std::vector<PlannedFault>& schedule);
  // event: "requested", "in-force", "heal-requested", "healed", "failed" or "never-came".
  Status write(const FaultRecord& record, std::string_view event, std::int64_t time);

 private:
  LineFile file_;
};

struct FaultJournal {
  // One a fault that more than planned. Lines that cannot be read are left out: a journal may have lost
  // its last line with its controller.
  std::vector<FaultRecord> records;
  // What is missing, in words: lines that cannot be read, plans of which nothing came, faults that never
  // ended although the history says that all were healed. Empty: nothing. Who takes such a journal at
  // its word calls faults longer, or shorter, than they were.
  std::string damage;
};
// Puts the lines together. `history`: of the same run.
FaultJournal read_journal(const std::filesystem::path& file, const History& history);
// What the run noted when everything was healed, with which the time of clients and faults ends; null:
// the history does not hold it.
Json heal_all(const History& history);
// The planned lines, in order, as they were written; empty: it has none.
Json read_planned(std::string_view journal);

}  // namespace gameday::run
