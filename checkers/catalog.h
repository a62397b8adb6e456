// The table of all checkers.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/checker.h"

namespace gameday {

std::span<const Checker* const> checkers();

// A checker of a run, or else a model (checkers/model.h) with its default options; nullptr when there
// is neither.
const Checker* find_checker(std::string_view name);

// All that have something to judge in this run; of a run whose test.json has "judges" (an array of
// {"checker": name} and {"model": name, "consistency": [...]}) those, and what every run is judged by.
std::vector<const Checker*> fitting(const CheckInput& input);

// Runs these checkers, or without names all that fit. A name that is not known, or a checker that finds
// nothing to judge, is a result too: UNKNOWN with the reason.
std::vector<CheckResult> check_all(const CheckInput& input,
                                   const std::vector<std::string>& names = {});

// INVALID beats UNKNOWN beats VALID; UNKNOWN when nothing was checked.
Verdict merged(const std::vector<CheckResult>& results);

}  // namespace gameday
