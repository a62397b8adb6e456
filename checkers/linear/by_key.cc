#include "checkers/linear/by_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

namespace gameday {
namespace {

std::span<const Value> pair_of(const Events& events, std::size_t row) {
  const Value v = events.value(row);
  if (!v.is_sequence()) return {};
  const auto items = events.values().items(v);
  return items.size() == 2 ? items : std::span<const Value>();
}

// Results of keys, in the order of the keys however they come.
class KeyResults {
 public:
  explicit KeyResults(const KeySplit& split, const Values& values) : split_(split), values_(values) {}

  void add(std::size_t key, CheckResult&& one) {
    const std::scoped_lock lock(mutex_);
    if (one.verdict == Verdict::valid) {
      ++valid_;
      return;
    }
    auto& some = one.verdict == Verdict::invalid ? invalid_ : unknown_;
    auto& count = one.verdict == Verdict::invalid ? invalid_count_ : unknown_count_;
    ++count;
    types_.insert(one.anomaly_types.begin(), one.anomaly_types.end());
    for (const auto& anomaly : one.anomalies) types_.insert(anomaly.type);
    not_models_.insert(one.not_models.begin(), one.not_models.end());
    also_not_.insert(one.also_not.begin(), one.also_not.end());
    anomalies_ += one.anomaly_count;
    if (some.size() < kAnomalyLimit) some.emplace_back(key, std::move(one));
  }
  bool explain() {
    const std::scoped_lock lock(mutex_);
    return invalid_count_ < kAnomalyLimit;
  }
  CheckResult all(const Events& events);

 private:
  using Some = std::vector<std::pair<std::size_t, CheckResult>>;

  Value key(std::size_t k) const { return split_.keys.value(static_cast<std::int32_t>(k)); }
  Json names(Some& some) const {
    std::sort(some.begin(), some.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
    Json names = Json::array();
    for (const auto& [k, what] : some) names.push_back(values_.json(key(k)));
    return names;
  }

  const KeySplit& split_;
  const Values& values_;
  std::mutex mutex_;
  std::size_t valid_ = 0, invalid_count_ = 0, unknown_count_ = 0, anomalies_ = 0;
  Some invalid_, unknown_;
  std::set<std::string> types_, not_models_, also_not_;
};

CheckResult KeyResults::all(const Events& events) {
  CheckResult r;
  r.verdict = invalid_count_ > 0   ? Verdict::invalid
              : unknown_count_ > 0 ? Verdict::unknown
                                   : Verdict::valid;
  r.stats["keys"] = split_.size();
  r.stats["failures"] = names(invalid_);
  r.stats["unknown"] = names(unknown_);
  r.anomaly_types.assign(types_.begin(), types_.end());
  r.not_models.assign(not_models_.begin(), not_models_.end());
  r.also_not.assign(also_not_.begin(), also_not_.end());
  r.anomaly_count = anomalies_;
  for (auto* some : {&invalid_, &unknown_})
    for (auto& [k, one] : *some)
      for (auto& anomaly : one.anomalies) {
        if (r.anomalies.size() >= kAnomalyLimit) break;
        const std::string name = values_.edn(key(k));
        anomaly.summary = fmt::format("key {}: {}", name, anomaly.summary);
        anomaly.detail["key"] = name;
        r.anomalies.push_back(std::move(anomaly));
      }
  if (split_.stray >= 0 && r.verdict != Verdict::invalid) {
    r.verdict = Verdict::unknown;
    r.summary = fmt::format("values must be pairs [k v] to be judged by key; this is none: {}",
                            events.describe(static_cast<std::size_t>(split_.stray)));
  } else if (split_.size() == 0) {
    r.verdict = Verdict::unknown;
    r.summary = "no operation has a key: values must be pairs [k v] to be judged by key";
  } else {
    r.summary = fmt::format("{} keys: {} valid, {} invalid, {} unknown", split_.size(), valid_,
                            invalid_count_, unknown_count_);
    const auto& worst = invalid_count_ > 0 ? invalid_ : unknown_;
    if (!worst.empty())
      r.summary += fmt::format("; key {}: {}", values_.edn(key(worst[0].first)), worst[0].second.summary);
  }
  return r;
}

}  // namespace

KeySplit::KeySplit(const Events& events) : keys(events.values()) {
  const auto& pairs = events.pairs();
  std::vector<std::int32_t> key(pairs.size(), -1);
  constexpr std::uint32_t kNoKey = 0xffffffff;
  std::vector<std::uint32_t> ranks(events.size(), kNoKey);  // of a row: its key; then its place in it
  std::vector<std::uint32_t> rows;  // by key
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    const Pair& pair = pairs[p];
    const auto done = static_cast<std::size_t>(pair.done);
    // A completion need not have a value, nor has an invocation where the system chose the key.
    auto items = pair_of(events, pair.invoke);
    const auto answer = pair.done < 0 ? std::span<const Value>() : pair_of(events, done);
    if (items.empty()) items = answer;
    if (items.empty() || (!answer.empty() && !events.values().equal(items[0], answer[0]))) {
      if (stray < 0) stray = items.empty() ? pair.invoke : pair.done;
      continue;
    }
    const std::int32_t k = key[p] = keys.id(items[0]);
    if (static_cast<std::size_t>(k) >= rows.size()) {
      rows.push_back(0);
      begin.push_back(0);
    }
    ++begin[static_cast<std::size_t>(k)];
    ranks[pair.invoke] = static_cast<std::uint32_t>(k);
    if (pair.done >= 0) ranks[done] = static_cast<std::uint32_t>(k);
  }
  std::size_t sum = 0;
  for (auto& b : begin) sum += std::exchange(b, sum);
  begin.push_back(sum);
  for (auto& rank : ranks)
    if (rank != kNoKey) rank = rows[rank]++;
  calls.resize(sum);
  auto next = begin;
  const auto value = [&](std::size_t row) {
    const auto items = pair_of(events, row);
    return items.empty() ? Value() : items[1];
  };
  for (std::size_t p = 0; p < pairs.size(); ++p) {
    if (key[p] < 0) continue;
    const Pair& pair = pairs[p];
    auto& call = calls[next[static_cast<std::size_t>(key[p])]++];
    call = {value(pair.invoke), {}, ranks[pair.invoke], 0, static_cast<std::uint32_t>(p),
            events.f(pair.invoke), pair.outcome};
    if (pair.done < 0) continue;
    call.ret = ranks[static_cast<std::size_t>(pair.done)];
    call.answered = value(static_cast<std::size_t>(pair.done));
  }
}

CheckResult check_keys(const KeySplit& split, const ModelInput& input, const KeyCheck& check) {
  KeyResults results(split, input.events.values());
  std::atomic<std::size_t> next = 0;
  const auto work = [&](unsigned threads) {
    Limits limits = input.limits;
    limits.threads = threads;
    for (std::size_t k; (k = next++) < split.size();) {
      CheckResult one;
      if (const char* why = limits.expired()) {
        one.summary = why;
      } else {
        try {
          one = check(k, limits, results.explain());
        } catch (const std::bad_alloc&) {
          one.summary = "the check needs more memory than it may use (--memory)";
        } catch (const std::exception& e) {
          one.summary = e.what();
        }
      }
      results.add(k, std::move(one));
    }
  };
  // Few keys have each all threads; many have one each.
  const bool many = split.size() >= 2 * input.limits.threads;
  {
    std::vector<std::jthread> others;
    for (unsigned t = 1; many && t < input.limits.threads; ++t) others.emplace_back(work, 1u);
    work(many ? 1 : input.limits.threads);
  }
  return results.all(input.events);
}

CheckResult linear::check_by_key(const Object& object, const ModelInput& input) {
  const KeySplit split(input.events);
  return check_keys(split, input, [&](std::size_t key, const gameday::Limits& limits, bool explain) {
    return check(object, {input.events, input.options, limits}, split.part(key), explain);
  });
}

}  // namespace gameday
