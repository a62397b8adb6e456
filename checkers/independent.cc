#include "checkers/independent.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

namespace gameday {
namespace {

// Which rows belong to which key, as one array sorted by key.
struct Split {
  explicit Split(const Values& values) : keys(values) {}
  Dense keys;
  std::vector<std::size_t> begin;   // by key, and the end
  std::vector<std::uint32_t> rows;  // in the order of the history
  std::int64_t stray = -1;          // a client's row without a key
};

std::span<const Value> pair_of(const Events& events, std::size_t row) {
  const Value v = events.value(row);
  if (!v.is_sequence()) return {};
  const auto items = events.values().items(v);
  return items.size() == 2 ? items : std::span<const Value>();
}

// A completion without a value belongs to the key of its invocation.
Value key_of(const Events& events, std::size_t row, bool& found) {
  auto pair = pair_of(events, row);
  if (pair.empty() && events.other(row) >= 0)
    pair = pair_of(events, static_cast<std::size_t>(events.other(row)));
  found = !pair.empty();
  return found ? pair[0] : Value();
}

Split split(const Events& events) {
  Split s(events.values());
  std::vector<std::int32_t> key(events.size(), -1);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!events.is_client(i)) continue;
    bool found = false;
    const Value k = key_of(events, i, found);
    if (found) {
      key[i] = s.keys.id(k);
    } else if (s.stray < 0) {
      s.stray = static_cast<std::int64_t>(i);
    }
  }
  s.begin.assign(s.keys.size() + 1, 0);
  for (const auto k : key)
    if (k >= 0) ++s.begin[static_cast<std::size_t>(k) + 1];
  for (std::size_t k = 0; k < s.keys.size(); ++k) s.begin[k + 1] += s.begin[k];
  s.rows.resize(s.begin.back());
  auto next = s.begin;
  for (std::size_t i = 0; i < key.size(); ++i)
    if (key[i] >= 0) s.rows[next[static_cast<std::size_t>(key[i])]++] = static_cast<std::uint32_t>(i);
  return s;
}

Events history_of(const Events& events, std::span<const std::uint32_t> rows) {
  Events part = events.part();
  part.reserve(rows.size());
  for (const std::uint32_t i : rows) {
    const auto pair = pair_of(events, i);
    part.append({events.type(i), events.process(i), events.f(i), pair.empty() ? Value() : pair[1],
                 events.time(i), events.index(i), events.extra(i)});
  }
  if (auto paired = part.pair_up(); !paired) throw std::runtime_error(paired.error().message);
  return part;
}

struct Tally {
  std::mutex mutex;
  CheckResult result;
  std::size_t valid = 0, invalid = 0, unknown = 0;
  std::vector<std::pair<std::int32_t, std::string>> failures, unknowns;  // by key: what it says
  std::set<std::string> types, not_models, also_not;

  void add(std::int32_t key, const std::string& name, CheckResult&& one) {
    const std::scoped_lock lock(mutex);
    ++(one.verdict == Verdict::valid ? valid : one.verdict == Verdict::invalid ? invalid : unknown);
    if (one.verdict == Verdict::invalid) failures.emplace_back(key, one.summary);
    if (one.verdict == Verdict::unknown) unknowns.emplace_back(key, one.summary);
    for (auto& anomaly : one.anomalies) {
      types.insert(anomaly.type);
      if (result.anomalies.size() >= kAnomalyLimit) continue;
      anomaly.summary = fmt::format("key {}: {}", name, anomaly.summary);
      anomaly.detail["key"] = name;
      result.anomalies.push_back(std::move(anomaly));
    }
    types.insert(one.anomaly_types.begin(), one.anomaly_types.end());
    result.anomaly_count += one.anomaly_count;
    not_models.insert(one.not_models.begin(), one.not_models.end());
    also_not.insert(one.also_not.begin(), one.also_not.end());
  }
};

Json names_of(std::vector<std::pair<std::int32_t, std::string>>& keys, const Split& s,
              const Values& values) {
  std::sort(keys.begin(), keys.end());
  Json names = Json::array();
  for (const auto& [key, what] : keys)
    if (names.size() < kAnomalyLimit) names.push_back(values.json(s.keys.value(key)));
  return names;
}

}  // namespace

CheckResult check_independent(const Model& model, const ModelInput& input) {
  const Events& events = input.events;
  const Split s = split(events);
  Tally tally;
  std::atomic<std::size_t> next = 0;
  const auto work = [&](unsigned threads) {
    Limits limits = input.limits;
    limits.threads = threads;
    for (std::size_t k; (k = next++) < s.keys.size();) {
      const std::string name = events.values().edn(s.keys.value(static_cast<std::int32_t>(k)));
      CheckResult one;
      if (const char* why = limits.expired()) {
        one.summary = why;
      } else {
        try {
          const Events part =
              history_of(events, std::span(s.rows).subspan(s.begin[k], s.begin[k + 1] - s.begin[k]));
          one = check_model(model, {part, input.options, limits});
        } catch (const std::bad_alloc&) {
          one.summary = "the check needs more memory than it may use (--memory)";
        }
      }
      tally.add(static_cast<std::int32_t>(k), name, std::move(one));
    }
  };
  // Few keys have each all threads; many have one each.
  const bool many = s.keys.size() >= 2 * input.limits.threads;
  {
    std::vector<std::jthread> others;
    for (unsigned t = 1; many && t < input.limits.threads; ++t) others.emplace_back(work, 1u);
    work(many ? 1 : input.limits.threads);
  }

  CheckResult& r = tally.result;
  r.verdict = tally.invalid > 0 ? Verdict::invalid : tally.unknown > 0 ? Verdict::unknown : Verdict::valid;
  r.stats["keys"] = s.keys.size();
  r.stats["failures"] = names_of(tally.failures, s, events.values());
  r.stats["unknown"] = names_of(tally.unknowns, s, events.values());
  r.anomaly_types.assign(tally.types.begin(), tally.types.end());
  r.not_models.assign(tally.not_models.begin(), tally.not_models.end());
  r.also_not.assign(tally.also_not.begin(), tally.also_not.end());
  if (s.stray >= 0 && r.verdict != Verdict::invalid) {
    r.verdict = Verdict::unknown;
    r.summary = fmt::format("--independent needs values that are pairs [k v]; this is none: {}",
                            events.describe(static_cast<std::size_t>(s.stray)));
  } else if (s.keys.size() == 0) {
    r.verdict = Verdict::unknown;
    r.summary = "no operation has a key: --independent needs values that are pairs [k v]";
  } else {
    r.summary = fmt::format("{} keys: {} valid, {} invalid, {} unknown", s.keys.size(), tally.valid,
                            tally.invalid, tally.unknown);
    const auto& worst = tally.invalid > 0 ? tally.failures : tally.unknowns;
    if (!worst.empty())
      r.summary += fmt::format("; key {}: {}", events.values().edn(s.keys.value(worst[0].first)),
                               worst[0].second);
  }
  return std::move(r);
}

}  // namespace gameday
