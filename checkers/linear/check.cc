#include <fmt/format.h>

#include <stdexcept>

#include "checkers/linear/jit.h"
#include "checkers/linear/object.h"

namespace gameday::linear {

CheckResult check(const Object& object, const ModelInput& input,
                  std::optional<std::span<const RawCall>> part, bool explain) {
  Names names(input.events.values());
  auto calls = encode(input.events, object.functions, names, part);
  if (calls) return check_calls(object, input, names, *calls, explain);
  CheckResult result;
  result.summary = calls.error().message;
  return result;
}

CheckResult check_calls(const Object& object, const ModelInput& input, Names& names, Calls& calls,
                        bool explain) {
  CheckResult result;
  const std::size_t n = calls.ops.size();
  const auto model = object.make(names, input.options, calls.ops);
  result.stats = {{"operations", n}, {"values", names.dense.size()}};

  Judgement judgement;
  Decision decision;
  if (object.decide != nullptr && input.options.initial.empty())
    decision = object.decide(calls.ops, names);
  const auto impossible = decision.applies ? std::nullopt : model->impossible(calls.ops);
  if (impossible) {
    result.verdict = Verdict::invalid;
    result.stats["decided-by"] = "impossible value";
    decision.conflict = {*impossible};
  } else if (decision.applies) {
    result.verdict = decision.verdict;
    result.stats["decided-by"] = "distinct values";
  } else {
    judgement = judge(*model, calls.ops, input.limits);
    result.verdict = judgement.verdict;
    result.stats["decided-by"] = "search";
    result.stats["configurations"] = judgement.configurations;
    result.stats["most-configurations-at-once"] = judgement.widest;
    if (result.verdict == Verdict::unknown) {
      std::size_t returned = 0;
      for (const auto& op : calls.ops) returned += op.pending() ? 0 : 1;
      result.summary = fmt::format("{}; the first {} of {} operations that returned are linearizable",
                                   judgement.reason, judgement.returned, returned);
    }
  }
  if (result.verdict == Verdict::valid)
    result.summary = fmt::format("{} operations on {} are linearizable", n, object.noun);
  if (result.verdict == Verdict::invalid) {
    result.anomaly_count = 1;
    result.anomaly_types = {"nonlinearizable"};
    result.summary = fmt::format("{} operations on {} are not linearizable", n, object.noun);
    if (!explain) return result;
    result.anomalies.push_back(linear::explain(object, input, names, calls, *model,
                                               std::move(decision.conflict), std::move(judgement)));
    result.summary = result.anomalies[0].summary;
  }
  return result;
}

Verdict verdict_only(const Object& object, const ModelInput& input, bool decide) {
  Names names(input.events.values());
  const auto calls = encode(input.events, object.functions, names);
  if (!calls) throw std::invalid_argument(calls.error().message);
  if (decide && object.decide != nullptr) {
    const Decision decision = object.decide(calls->ops, names);
    if (decision.applies) return decision.verdict;
  }
  const auto model = object.make(names, input.options, calls->ops);
  return judge(*model, calls->ops, input.limits).verdict;
}

}  // namespace gameday::linear
