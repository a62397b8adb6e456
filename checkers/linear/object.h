// Objects that histories can be linearizable to: what gameday check --model names.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "checkers/linear/calls.h"
#include "checkers/linear/jit.h"
#include "checkers/linear/model.h"
#include "checkers/model.h"

namespace gameday::linear {

struct Object {
  std::string_view noun;  // "the register": for people
  std::span<const Function> functions;
  // The model, with the initial state that the options name.
  std::unique_ptr<Model> (*make)(Names& names, const ModelOptions& options,
                                 std::span<const Operation> ops);
  // A decision without a search, where there is one and the object begins as it does by itself.
  Decision (*decide)(std::span<const Operation> ops, const Names& names) = nullptr;
};

// `part`: of these calls alone. Without `explain` an INVALID verdict comes without an anomaly's words.
CheckResult check(const Object& object, const ModelInput& input,
                  std::optional<std::span<const RawCall>> part = std::nullopt, bool explain = true);
// The same of calls that are encoded already.
CheckResult check_calls(const Object& object, const ModelInput& input, Names& names, Calls& calls,
                        bool explain);
// The verdict alone; without `decide` by the search even where there is a decision without one.
Verdict verdict_only(const Object& object, const ModelInput& input, bool decide = true);

// Adds what an INVALID verdict owes to people, within a second: the operation that fails, the
// alternatives, and the smallest history found that still fails. It begins with what the check has
// found: a conflict, or how the search ended. `calls` are altered on the way, but not in the end.
Anomaly explain(const Object& object, const ModelInput& input, const Names& names, Calls& calls,
                const Model& model, std::vector<std::size_t> conflict, Judgement judgement);

}  // namespace gameday::linear
