// Models of one's own: a state that can be hashed and compared, a step, and words for people. A
// struct with these members is all that a model needs (models/mutex.cc shows one):
//   using State = ...;                        // equality, and a hash by Hash below
//   std::optional<State> step(const State&, const Call&) const;  // nullopt: illegal in this state
//   std::string describe(const State&) const;
// and, where they help:
//   bool reads(const Call&) const;            // never changes a state
//   bool depends(const Call& call, const Call& source) const;
//   static constexpr std::int32_t kListFunction = ...;  // the function that answers a list
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "checkers/linear/calls.h"
#include "checkers/linear/model.h"

namespace gameday::linear {

// An operation in a model's words: values are numbers, equal values equal numbers.
struct Call {
  std::int32_t f = 0;                   // which function, as the model's table says
  std::int32_t given = kNil, answered = kNil;
  std::span<const std::int32_t> list;   // of a call that answers a list
};

struct Hash {
  std::size_t operator()(std::int64_t n) const {
    return static_cast<std::size_t>(n) * 0x9e3779b97f4a7c15ULL >> 7;
  }
  template <typename T>
  std::size_t operator()(const std::vector<T>& items) const {
    std::size_t h = items.size();
    for (const auto& item : items) h = (h ^ (*this)(item)) * 0xbf58476d1ce4e5b9ULL + (h >> 31);
    return h;
  }
  template <typename A, typename B>
  std::size_t operator()(const std::pair<A, B>& p) const {
    return (*this)(p.first) * 31 + (*this)(p.second);
  }
};

// A struct of one's own as the search wants it: states by number.
template <typename M>
class ValueModel final : public Model {
 public:
  using S = typename M::State;
  ValueModel(M model, S initial, const Names& names) : model_(std::move(model)), names_(names) {
    intern(std::move(initial));
  }

  State initial() const override { return 0; }
  State step(State state, const Operation& op) const override {
    const Key key{state, op.kind, op.a, op.b};
    if (const auto known = steps_.find(key); known != steps_.end()) return known->second;
    const auto next = model_.step(*states_[static_cast<std::size_t>(state)], call(op));
    const State result = next ? intern(*next) : kIllegal;
    steps_.emplace(key, result);
    bytes_ += 64;
    return result;
  }
  bool read_only(const Operation& op) const override {
    if constexpr (requires { model_.reads(Call{}); }) return model_.reads(call(op));
    return false;
  }
  bool depends(const Operation& op, const Operation& source) const override {
    if constexpr (requires { model_.depends(Call{}, Call{}); })
      return model_.depends(call(op), call(source));
    return false;
  }
  std::string describe(State state) const override {
    return model_.describe(*states_[static_cast<std::size_t>(state)]);
  }
  std::optional<std::size_t> impossible(std::span<const Operation> ops) const override {
    if constexpr (requires { model_.impossible(*states_[0], ops); })
      return model_.impossible(*states_[0], ops);
    return {};
  }
  std::size_t bytes() const override { return bytes_; }

 private:
  struct Key {
    State state;
    std::int32_t kind, a, b;
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& k) const {
      const Hash hash;
      return hash(static_cast<std::int64_t>(k.state) << 32 ^ k.a) * 31 +
             hash(static_cast<std::int64_t>(k.b) << 8 ^ k.kind);
    }
  };

  Call call(const Operation& op) const {
    Call c{op.kind, op.a, op.b, {}};
    if constexpr (requires { M::kListFunction; })
      if (op.kind == M::kListFunction) c.list = names_.lists.of(op.b);
    return c;
  }
  State intern(S state) const {
    const auto [it, added] = ids_.try_emplace(std::move(state), static_cast<State>(states_.size()));
    if (added) {
      states_.push_back(&it->first);
      bytes_ += sizeof(S) + 80;
      if constexpr (requires { it->first.size(); })
        bytes_ += it->first.size() * sizeof(*it->first.begin());
    }
    return it->second;
  }

  M model_;
  const Names& names_;
  mutable std::unordered_map<S, State, Hash> ids_;
  mutable std::vector<const S*> states_;
  mutable std::unordered_map<Key, State, KeyHash> steps_;
  mutable std::size_t bytes_ = 0;
};

}  // namespace gameday::linear
