#include "checkers/workload/support.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gameday::workload {

Anomaly* Report::add(std::string_view type, std::initializer_list<std::int64_t> rows) {
  ++count_;
  auto known =
      std::find_if(types_.begin(), types_.end(), [&](const auto& t) { return t.first == type; });
  const bool first = known == types_.end();
  if (first) known = types_.insert(known, {std::string(type), 0});
  ++known->second;
  if (anomalies_.size() >= kAnomalyLimit) {
    if (!first) return nullptr;
    // A new type takes the place of the last anomaly whose type has another example.
    for (auto it = anomalies_.rbegin(); it != anomalies_.rend(); ++it) {
      const auto same = [&](const Anomaly& a) { return a.type == it->type; };
      if (std::count_if(anomalies_.begin(), anomalies_.end(), same) < 2) continue;
      anomalies_.erase(std::next(it).base());
      break;
    }
    if (anomalies_.size() >= kAnomalyLimit) return nullptr;
  }
  Anomaly& anomaly = anomalies_.emplace_back();
  anomaly.type = type;
  for (const auto row : rows)
    if (row >= 0) anomaly.ops.push_back(events.index(static_cast<std::size_t>(row)));
  return &anomaly;
}

void Report::unknown(std::string reason) {
  if (std::find(reasons_.begin(), reasons_.end(), reason) == reasons_.end())
    reasons_.push_back(std::move(reason));
}

bool Report::expired() {
  if ((++steps_ & 4095) != 0) return false;
  const char* reason = input.limits.expired();
  if (reason == nullptr) return false;
  unknown(reason);
  return true;
}

CheckResult Report::result(std::string valid_summary) && {
  constexpr std::size_t kReasonLimit = 5;
  CheckResult result;
  std::string reasons;
  for (std::size_t i = 0; i < std::min(reasons_.size(), kReasonLimit); ++i)
    reasons += (i == 0 ? "" : "; ") + reasons_[i];
  if (count_ > 0) {
    result.verdict = Verdict::invalid;
    result.summary = fmt::format("{} {}; the first: {}", count_,
                                 count_ == 1 ? "anomaly" : "anomalies", anomalies_[0].summary);
    if (!reasons.empty()) result.summary += fmt::format(" (not judged: {})", reasons);
  } else if (!reasons.empty()) {
    result.verdict = Verdict::unknown;
    result.summary = std::move(reasons);
  } else {
    result.verdict = Verdict::valid;
    result.summary = std::move(valid_summary);
  }
  std::sort(types_.begin(), types_.end());
  for (const auto& type : types_) result.anomaly_types.push_back(type.first);
  result.anomalies = std::move(anomalies_);
  result.anomaly_count = count_;
  result.stats = std::move(stats);
  return result;
}

std::string Report::when(std::int64_t row) const {
  const std::int64_t ns = row < 0 ? -1 : events.time(static_cast<std::size_t>(row));
  return ns < 0 ? std::string() : fmt::format(" at {:.3f} s", static_cast<double>(ns) / 1e9);
}

std::string Report::call(std::int64_t row) const {
  const auto i = static_cast<std::size_t>(row);
  return fmt::format("process {}'s :{}{} (op {})", events.process_name(events.process(i)),
                     events.name_text(events.f(i)), when(row), events.index(i));
}

std::string Report::show(Value v) const {
  std::string text = values.edn(v);
  return text.size() <= 120 ? text : text.substr(0, 117) + "...";
}

CheckResult unfit(const ModelInput& input, std::string_view needs) {
  const Events& events = input.events;
  struct Hint {
    std::string_view f, models;
  };
  // By the function that tells a workload from the others.
  constexpr Hint kHints[] = {{"transfer", "bank"},
                             {"enqueue", "total-queue"},
                             {"generate", "unique-ids"},
                             {"insert", "adya"},
                             {"read-init", "causal"},
                             {"poll", "kafka"},
                             {"send", "kafka"},
                             {"acquire", "mutex"},
                             {"cas", "cas-register"},
                             {"txn", "list-append or rw-register"},
                             {"add", "set-full, set or counter"},
                             {"write", "register or session"}};
  CheckResult result;
  std::string names;
  for (const auto& hint : kHints)
    if (names.empty() && events.find_name(hint.f) != Events::kNoName) names = hint.models;
  result.summary = fmt::format("this model judges {}, and the history has none of them", needs);
  if (!names.empty()) result.summary += fmt::format("; --model {} would fit", names);
  return result;
}

std::span<const Value> elements(const Values& values, Value v) {
  if (v.is_sequence() || v.kind() == Value::Kind::set) return values.items(v);
  return {};
}

std::optional<std::int64_t> integer(Value v) {
  if (!v.is_integer()) return std::nullopt;
  return v.as_integer();
}

Json quantiles(std::vector<std::int64_t> numbers) {
  Json json = Json::object();
  std::sort(numbers.begin(), numbers.end());
  const auto n = static_cast<double>(numbers.size());
  const auto put = [&](const char* name, double point) {
    const auto at = static_cast<std::size_t>(std::floor(n * point));
    json[name] = numbers[std::min(at, numbers.size() - 1)];
  };
  if (numbers.empty()) return json;
  put("0", 0);
  put("0.5", 0.5);
  put("0.95", 0.95);
  put("0.99", 0.99);
  put("1", 1);
  return json;
}

Json list(const Values& values, std::span<const Value> items) {
  std::vector<Value> sorted(items.begin(), items.end());
  if (std::all_of(sorted.begin(), sorted.end(), [](Value v) { return v.is_integer(); }))
    std::sort(sorted.begin(), sorted.end(),
              [](Value a, Value b) { return a.as_integer() < b.as_integer(); });
  if (sorted.size() > kListLimit) sorted.resize(kListLimit);
  Json json = Json::array();
  for (const Value v : sorted) json.push_back(values.json(v));
  return json;
}

}  // namespace gameday::workload
