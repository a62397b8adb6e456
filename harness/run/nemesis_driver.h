// Performs the nemesis' ops: keeps the faults that are in force, journals each before it is
// injected, and heals what is left. Used from one thread at a time; one that does not come back is
// an Error of heal_all().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "harness/core/fault.h"
#include "harness/core/system.h"
#include "harness/run/journal.h"

namespace gameday::run {

class NemesisDriver {
 public:
  NemesisDriver(std::vector<std::unique_ptr<Nemesis>> nemeses, Journal& journal,
                std::function<std::int64_t()> now);
  ~NemesisDriver();  // backstop: heals what is in force, last first

  // "inject" {"id", "fault", "parameters"} or "heal" {"id"}; the completion says what was done.
  Completion perform(const Op& op);

  // Heals everything that is in force, last first, and what heals had to leave undone. The error of
  // the first that could not be healed.
  Status heal_all();

  // Says of the faults of the schedule that were not asked for that their moment never came. For a
  // run whose clients had all of their time.
  void never_came(const std::vector<PlannedFault>& schedule);

  std::vector<std::string> in_force() const;  // kinds; any thread (live progress)
  std::vector<FaultRecord> records() const;

 private:
  struct Active {
    FaultRecord record;
    std::unique_ptr<ActiveFault> fault;
  };
  Completion inject(const Op& op);
  Result<std::unique_ptr<ActiveFault>> try_inject(Nemesis& nemesis, FaultRecord& record);
  Completion heal(int id);
  static Result<Proof> try_heal(ActiveFault& fault);
  void journal(const FaultRecord& record, std::string_view event);
  void publish(const FaultRecord& record, bool in_force);

  std::map<std::string, std::unique_ptr<Nemesis>, std::less<>> nemeses_;
  Journal& journal_;
  std::function<std::int64_t()> now_;
  std::map<int, Active> active_;
  std::string first_error_;
  std::timed_mutex busy_;  // held by the thread that injects or heals

  mutable std::mutex mutex_;  // guards what other threads read:
  std::map<int, FaultRecord> records_;
  std::map<int, std::string> in_force_;
};

}  // namespace gameday::run
