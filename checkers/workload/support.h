// What the models of this folder share: the wording of calls, the collection of anomalies, and the
// answer to a history that is not theirs.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkers/model.h"

namespace gameday::workload {

using Name = Events::Name;

// Collects anomalies: words the first kAnomalyLimit, at least one of each type, and counts all.
class Report {
 public:
  explicit Report(const ModelInput& in)
      : input(in), events(in.events), values(in.events.values()) {}

  // The anomaly to word, or nullptr if it is only counted. Valid until the next call.
  Anomaly* add(std::string_view type, std::initializer_list<std::int64_t> rows);
  // Something that could not be judged, in a sentence.
  void unknown(std::string reason);
  std::size_t count() const { return count_; }
  // Every few thousand steps: whether the check must end; the reason is noted.
  bool expired();

  // INVALID if there is an anomaly, else UNKNOWN if something could not be judged, else VALID.
  CheckResult result(std::string valid_summary) &&;

  // For sentences: "process 3's :read at 12.304 s (op 17)", of a row.
  std::string call(std::int64_t row) const;
  std::string when(std::int64_t row) const;  // " at 12.304 s"; empty: no times
  std::string show(Value v) const;           // cut to what fits into a sentence

  const ModelInput& input;
  const Events& events;
  const Values& values;
  Json stats = Json::object();

 private:
  std::vector<Anomaly> anomalies_;
  std::vector<std::pair<std::string, std::size_t>> types_;
  std::size_t count_ = 0, steps_ = 0;
  std::vector<std::string> reasons_;
};

// UNKNOWN: the history has none of the functions that this model judges; names a model that judges
// what it has.
CheckResult unfit(const ModelInput& input, std::string_view needs);

// The items of a vector, list or set; empty of anything else.
std::span<const Value> elements(const Values& values, Value v);
std::optional<std::int64_t> integer(Value v);

// The quantiles 0, 0.5, 0.95, 0.99 and 1, as Jepsen's frequency-distribution: {"0.5": ...}.
Json quantiles(std::vector<std::int64_t> numbers);

// Rows that an anomaly may name: at most this many elements of a list in its detail.
inline constexpr std::size_t kListLimit = 1000;
Json list(const Values& values, std::span<const Value> items);  // as JSON, sorted, cut

}  // namespace gameday::workload
