// One stored run, as checkers and reports read it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/core/fault.h"
#include "harness/core/history.h"
#include "harness/core/json.h"
#include "harness/core/verdict.h"

namespace gameday {

struct RunRecord {
  std::filesystem::path folder;
  Json test = Json::object();  // test.json: the test as a value, "command" reproduces it
  History history;
  std::string damage;  // why the history ends before its file does; empty: it does not
  std::vector<FaultRecord> faults;
  std::string faults_damage;  // what is wrong with the record of faults or of the test; empty: nothing
  Json results = Json::object();  // results.json; empty until checked
  std::vector<std::string> nodes;
};

}  // namespace gameday
