#include "checkers/catalog.h"

#include <fmt/format.h>

#include <array>

#include "checkers/checkers.h"
#include "checkers/model_checker.h"

namespace gameday {

std::span<const Checker* const> checkers() {
  static const std::array table{
      &linearizable_checker(),    &job_sequence_checker(),  &log_linearizable_checker(),
      &apply_order_checker(),     &exactly_once_checker(),  &set_full_checker(),
      &election_safety_checker(), &availability_checker(),  &dirty_read_checker(),
      &recovery_checker(),        &stats_checker(),         &faults_proven_checker(),
  };
  return table;
}

const Checker* find_checker(std::string_view name) {
  for (const Checker* checker : checkers())
    if (checker->name() == name) return checker;
  return model_checker(name);
}

std::vector<const Checker*> fitting(const CheckInput& input) {
  std::vector<const Checker*> found;
  for (const Checker* checker : checkers())
    if (checker->fits(input)) found.push_back(checker);
  if (input.test.is_object() && input.test.contains("models"))
    for (const auto& name : input.test["models"])
      if (const Checker* checker = name.is_string() ? model_checker(name.get<std::string>()) : nullptr)
        found.push_back(checker);
  return found;
}

std::vector<CheckResult> check_all(const CheckInput& input, const std::vector<std::string>& names) {
  std::vector<CheckResult> results;
  if (names.empty()) {
    for (const Checker* checker : fitting(input)) results.push_back(check_safely(*checker, input));
    return results;
  }
  for (const auto& name : names) {
    const Checker* checker = find_checker(name);
    if (checker != nullptr && checker->fits(input)) {
      results.push_back(check_safely(*checker, input));
      continue;
    }
    CheckResult result;
    result.checker = name;
    result.summary = checker == nullptr
                         ? fmt::format("there is no checker {}; see `gameday list checkers`", name)
                         : "the history has none of the operations that this checker judges";
    results.push_back(std::move(result));
  }
  return results;
}

Verdict merged(const std::vector<CheckResult>& results) {
  if (results.empty()) return Verdict::unknown;
  Verdict verdict = Verdict::valid;
  for (const auto& result : results) verdict = merge(verdict, result.verdict);
  return verdict;
}

}  // namespace gameday
