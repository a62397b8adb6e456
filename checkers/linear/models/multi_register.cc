// Registers that operations read and write several of at once, as Knossos' multi-register: a
// transaction [[:r k v] [:w k v] ...] takes effect atomically; a read of nil says nothing.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "checkers/linear/models/models.h"
#include "checkers/linear/value_model.h"

namespace gameday::linear {
namespace {

struct MultiRegister {
  using State = std::vector<std::pair<std::int32_t, std::int32_t>>;  // key and value, by key; no nil
  static constexpr std::int32_t kListFunction = 0;
  const Names* names;

  static State::iterator find(State& s, std::int32_t key) {
    return std::lower_bound(s.begin(), s.end(), key,
                            [](const auto& entry, std::int32_t k) { return entry.first < k; });
  }
  static std::optional<State> step(State s, const Call& call) {
    for (std::size_t i = 0; i < call.list.size(); i += 3) {
      const std::int32_t key = call.list[i + 1], value = call.list[i + 2];
      const auto at = find(s, key);
      const bool there = at != s.end() && at->first == key;
      if (call.list[i] == kind::read) {
        if (value != kNil && (!there || at->second != value)) return std::nullopt;
      } else if (value == kNil) {
        if (there) s.erase(at);
      } else if (there) {
        at->second = value;
      } else {
        s.insert(at, {key, value});
      }
    }
    return s;
  }
  static bool reads(const Call& call) {
    for (std::size_t i = 0; i < call.list.size(); i += 3)
      if (call.list[i] == kind::write) return false;
    return true;
  }
  // A write of a value that was read there.
  static bool depends(const Call& call, const Call& source) {
    for (std::size_t i = 0; i < call.list.size(); i += 3) {
      if (call.list[i] != kind::read || call.list[i + 2] == kNil) continue;
      for (std::size_t j = 0; j < source.list.size(); j += 3)
        if (source.list[j] == kind::write && source.list[j + 1] == call.list[i + 1] &&
            source.list[j + 2] == call.list[i + 2])
          return true;
    }
    return false;
  }
  std::string describe(const State& s) const {
    std::string text = "{";
    for (const auto& [key, value] : s) {
      if (text.size() > 1) text += ", ";
      text += names->tell(key) + " " + names->tell(value);
      if (text.size() > 200) return text + " ...}";
    }
    return text + "}";
  }
};

constexpr Function kFunctions[] = {
    {"txn transaction", kTxn, Takes::txn},
    {"read r", kTxnReads, Takes::txn},
    {"write w", kTxnWrites, Takes::txn},
};

std::unique_ptr<Model> make(Names& names, const ModelOptions& options, std::span<const Operation>) {
  auto initial = names.initial_map(options.initial);
  std::erase_if(initial, [](const auto& entry) { return entry.second == kNil; });
  std::sort(initial.begin(), initial.end());
  return std::make_unique<ValueModel<MultiRegister>>(MultiRegister{&names}, std::move(initial), names);
}

// Keys that an operation has in common are one group: linearizability is local, so groups are
// judged alone.
class Groups {
 public:
  Groups(const Calls& calls, const Names& names) : of_key_(names.dense.size() + 1) {
    std::iota(of_key_.begin(), of_key_.end(), std::size_t{0});
    for (const auto& op : calls.ops) {
      const auto list = names.lists.of(op.b);
      for (std::size_t i = 3; i < list.size(); i += 3) of_key_[root(list[i + 1])] = root(list[1]);
    }
    std::vector<std::size_t> number(of_key_.size(), of_key_.size());
    for (std::size_t i = 0; i < calls.ops.size(); ++i) {
      const auto list = names.lists.of(calls.ops[i].b);
      if (list.empty()) continue;
      auto& n = number[root(list[1])];
      if (n == of_key_.size()) {
        n = all.size();
        all.emplace_back();
      }
      all[n].ops.push_back(calls.ops[i]);
      all[n].pairs.push_back(calls.pairs[i]);
    }
  }

  std::vector<Calls> all;

 private:
  std::size_t root(std::int32_t key) {  // kNil is a key like any other
    auto k = static_cast<std::size_t>(key + 1);
    while (of_key_[k] != k) k = of_key_[k] = of_key_[of_key_[k]];
    return k;
  }
  std::vector<std::size_t> of_key_;
};

const Object kMultiRegister{"the registers", kFunctions, make};

}  // namespace

CheckResult objects::check_multi_register(const ModelInput& input) {
  CheckResult result;
  Names names(input.events.values());
  const auto calls = encode(input.events, kFunctions, names);
  if (!calls) {
    result.summary = calls.error().message;
    return result;
  }
  Groups groups(*calls, names);
  result.verdict = Verdict::valid;
  result.summary = fmt::format("{} operations on the registers are linearizable", calls->ops.size());
  for (Calls& group : groups.all) {
    CheckResult one = check_calls(kMultiRegister, input, names, group, true);
    if (one.verdict == Verdict::valid) continue;
    if (result.verdict == Verdict::valid || one.verdict == Verdict::invalid) result = std::move(one);
    if (result.verdict == Verdict::invalid) break;
  }
  result.stats["operations"] = calls->ops.size();
  result.stats["groups-of-keys"] = groups.all.size();
  return result;
}

}  // namespace gameday::linear
