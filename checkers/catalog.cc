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
  const auto judges = input.test.is_object() ? input.test.find("judges") : input.test.end();
  if (!input.test.is_object() || judges == input.test.end()) {
    for (const Checker* checker : checkers())
      if (checker->fits(input)) found.push_back(checker);
    return found;
  }
  for (const auto& judge : *judges) {
    const bool model = judge.is_object() && judge.contains("model");
    const std::string name = judge.is_object() ? judge.value(model ? "model" : "checker", std::string()) : "";
    const Checker* checker = model ? model_checker(name) : find_checker(name);
    if (checker != nullptr && checker->fits(input)) found.push_back(checker);
  }
  for (const Checker* checker : {&stats_checker(), &faults_proven_checker()})
    if (checker->fits(input)) found.push_back(checker);
  return found;
}

namespace {

// A cluster that has not come to rest may still show what its final reads did not: then a model of
// what must be there in the end cannot say INVALID.
bool may_lag(const CheckInput& input) {
  if (!input.test.is_object() || !input.test.value("final-reads", false)) return false;
  const auto settled = input.history.find_name("settled");
  for (std::size_t i = input.history.size(); i-- > 0;)
    if (!input.history.is_client(i) && input.history.f(i) == settled) {
      const Json& value = input.history.value(i);
      return !value.is_object() || value.value("ok", Json()) != true;
    }
  return false;
}

CheckResult judged(const Checker& checker, const CheckInput& input) {
  CheckResult result = check_safely(checker, input);
  if (result.verdict == Verdict::invalid && model_checker(checker.name()) == &checker && may_lag(input)) {
    result.verdict = Verdict::unknown;
    result.summary = "the cluster did not come to rest, so what is missing may still come: " + result.summary;
  }
  return result;
}

}  // namespace

std::vector<CheckResult> check_all(const CheckInput& input, const std::vector<std::string>& names) {
  std::vector<CheckResult> results;
  if (names.empty()) {
    for (const Checker* checker : fitting(input)) results.push_back(judged(*checker, input));
    return results;
  }
  for (const auto& name : names) {
    const Checker* checker = find_checker(name);
    if (checker != nullptr && checker->fits(input)) {
      results.push_back(judged(*checker, input));
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
