#include "checkers/linear/decide/differential.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "checkers/linear/decide/decide.h"
#include "harness/core/rng.h"

namespace gameday::linear {
namespace {

// The state of any of the objects: the register's value, or what is in the collection, oldest
// first.
struct State {
  std::array<std::int32_t, 12> items{};
  std::size_t size = 0;

  void push(std::int32_t value) { items[size++] = value; }
  void erase(std::size_t at) {
    std::copy(items.begin() + static_cast<std::ptrdiff_t>(at) + 1,
              items.begin() + static_cast<std::ptrdiff_t>(size),
              items.begin() + static_cast<std::ptrdiff_t>(at));
    --size;
  }
  std::size_t find(std::int32_t value) const {
    return static_cast<std::size_t>(std::find(items.begin(), end(), value) - items.begin());
  }
  const std::int32_t* end() const { return items.data() + size; }
};

constexpr std::size_t kMaxOps = 7;

class Object {
 public:
  virtual ~Object() = default;
  virtual State initial() const { return {}; }
  // An operation with its answer left open, and the answer that the state gives.
  virtual Operation draw(Rng& rng, std::int32_t fresh) = 0;
  virtual void answer(const State& state, Operation& op, Rng& rng) = 0;
  virtual void spoil(Operation& op, Rng& rng) = 0;
  // All states that the operation may leave, given its answer (which may be unknown).
  virtual void step(const State& state, const Operation& op, std::vector<State>& next) const = 0;
  virtual Decision decide(std::span<const Operation> ops) const = 0;
  virtual std::string show(const Operation& op) const {
    return fmt::format("kind {} a {} b {} [{}, {}]", op.kind, op.a, op.b, op.call,
                       op.pending() ? std::string("-") : fmt::format("{}", op.ret));
  }
};

class RegisterObject : public Object {
 public:
  explicit RegisterObject(bool cas) : cas_(cas) {}
  State initial() const override {
    State state;
    state.push(initial_);
    return state;
  }
  Operation draw(Rng& rng, std::int32_t fresh) override {
    if (fresh == 0) initial_ = rng.chance(0.5) ? kNil : 100;
    const bool again = rng.chance(0.01);
    Operation op;
    op.kind = static_cast<std::int32_t>(rng.below(cas_ ? 3 : 2));
    op.a = op.kind == kind::write ? (again ? 0 : fresh) : 0;
    op.b = op.kind == kind::cas ? (again ? 0 : fresh) : kUnknown;
    return op;
  }
  void answer(const State& state, Operation& op, Rng& rng) override {
    if (op.kind == kind::read) op.b = rng.chance(0.05) ? kUnknown : state.items[0];
    if (op.kind == kind::cas) op.a = state.items[0];
  }
  void spoil(Operation& op, Rng& rng) override {
    const auto value = static_cast<std::int32_t>(rng.below(kMaxOps + 1)) - 1;
    if (op.kind == kind::read) op.b = value;
    if (op.kind == kind::cas) op.a = value;
  }
  void step(const State& state, const Operation& op, std::vector<State>& next) const override {
    const std::int32_t seen = op.kind == kind::read ? op.b : op.kind == kind::cas ? op.a : kUnknown;
    if (seen != kUnknown && seen != state.items[0]) return;
    next.push_back(state);
    if (op.kind != kind::read) next.back().items[0] = op.kind == kind::write ? op.a : op.b;
  }
  Decision decide(std::span<const Operation> ops) const override {
    return decide_register(ops, initial_);
  }

 private:
  bool cas_;
  std::int32_t initial_ = kNil;
};

// All four collections that give back what was put in.
class Collection : public Object {
 public:
  enum Order { fifo, bag, lifo, highest };
  explicit Collection(Order order) : order_(order) {}
  Operation draw(Rng& rng, std::int32_t fresh) override {
    if (fresh == 0) {
      for (std::size_t i = 0; i <= kMaxOps; ++i) rank_[i] = static_cast<std::int32_t>(i);
      if (order_ == highest) rng.shuffle(rank_);
    }
    Operation op;
    op.kind = rng.chance(0.5) ? kind::enqueue : kind::dequeue;
    op.a = op.kind == kind::enqueue ? rank_[static_cast<std::size_t>(fresh)] : 0;
    op.b = kUnknown;
    return op;
  }
  void answer(const State& state, Operation& op, Rng& rng) override {
    if (op.kind == kind::dequeue)
      op.b = state.size == 0 ? kNil : state.items[pick(state, rng.below(state.size))];
  }
  void spoil(Operation& op, Rng& rng) override {
    if (op.kind == kind::dequeue) op.b = static_cast<std::int32_t>(rng.below(kMaxOps + 1)) - 1;
  }
  void step(const State& state, const Operation& op, std::vector<State>& next) const override {
    if (op.kind == kind::enqueue) {
      next.push_back(state);
      next.back().push(op.a);
    } else if (state.size == 0) {
      if (op.b < 0) next.push_back(state);
    } else if (op.b != kNil) {
      for (std::size_t i = 0; i < (order_ == bag ? state.size : 1); ++i) {
        const std::size_t taken = pick(state, i);
        if (op.b != kUnknown && op.b != state.items[taken]) continue;
        next.push_back(state);
        next.back().erase(taken);
      }
    }
  }
  Decision decide(std::span<const Operation> ops) const override {
    switch (order_) {
      case fifo:
        return decide_fifo_queue(ops);
      case bag:
        return decide_unordered_queue(ops);
      case lifo:
        return decide_stack(ops);
      case highest:
        return decide_priority_queue(ops);
    }
    return {};
  }

 private:
  std::size_t pick(const State& state, std::size_t any) const {
    if (order_ == lifo) return state.size - 1;
    if (order_ == highest)
      return static_cast<std::size_t>(std::max_element(state.items.begin(), state.end()) -
                                      state.items.begin());
    return order_ == bag ? any : 0;
  }

  Order order_;
  std::vector<std::int32_t> rank_ = std::vector<std::int32_t>(kMaxOps + 1);
};

// A set (kept sorted) or a log (kept in order); both are read as lists.
class Listed : public Object {
 public:
  enum Sort { grow_only, full, log };
  explicit Listed(Sort sort) : sort_(sort) {}
  Operation draw(Rng& rng, std::int32_t fresh) override {
    if (fresh == 0) lists_ = {};
    Operation op;
    op.kind = static_cast<std::int32_t>(rng.below(sort_ == full ? 4 : 2));
    op.a = op.kind == kind::add ? (rng.chance(0.01) ? 0 : fresh) : 0;
    if (op.kind >= kind::contains) op.a = static_cast<std::int32_t>(rng.below(kMaxOps));
    op.b = op.kind == kind::add && sort_ != log ? 0 : kUnknown;
    return op;
  }
  void answer(const State& state, Operation& op, Rng& rng) override {
    if (op.kind == kind::read_set) {
      std::vector<std::int32_t> list(state.items.data(), state.end());
      if (sort_ != log && rng.chance(0.5)) rng.shuffle(list);
      if (!rng.chance(0.05)) op.b = lists_.add(list);
    } else if (op.kind >= kind::contains) {
      op.b = state.find(op.a) < state.size;
    } else if (sort_ == log && !rng.chance(0.3)) {
      op.b = static_cast<std::int32_t>(state.size);
    }
  }
  void spoil(Operation& op, Rng& rng) override {
    if (op.kind == kind::read_set && op.b >= 0) {
      const auto was = lists_.of(op.b);
      std::vector<std::int32_t> list(was.begin(), was.end());
      const auto value = static_cast<std::int32_t>(rng.below(kMaxOps));
      const double way = rng.unit();
      if (!list.empty() && way < 0.4)
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(rng.below(list.size())));
      else if (!list.empty() && way < 0.5)
        list[rng.below(list.size())] = value;
      else if (way < 0.6)
        rng.shuffle(list);
      else
        list.push_back(value);
      op.b = lists_.add(list);
    } else if (op.kind >= kind::contains && op.b >= 0) {
      op.b = 1 - op.b;
    } else if (op.kind == kind::add && sort_ == log) {
      op.b = static_cast<std::int32_t>(rng.below(4));
    }
  }
  void step(const State& state, const Operation& op, std::vector<State>& next) const override {
    const std::size_t at = state.find(op.a);
    const bool there = at < state.size;
    bool legal = true;
    State after = state;
    if (op.kind == kind::add) {
      if (sort_ == log || !there) after.push(op.a);
      if (sort_ == log) legal = op.b == kUnknown || op.b == static_cast<std::int32_t>(state.size);
    } else if (op.kind == kind::read_set) {
      legal = op.b == kUnknown || same(state, lists_.of(op.b));
    } else {
      legal = op.b == kUnknown || there == (op.b == 1);
      if (op.kind == kind::remove && there) after.erase(at);
    }
    if (legal) next.push_back(after);
  }
  Decision decide(std::span<const Operation> ops) const override {
    return sort_ == log ? decide_log(ops, lists_) : decide_set(ops, lists_);
  }
  std::string show(const Operation& op) const override {
    const bool list = op.kind == kind::read_set && op.b >= 0;
    return Object::show(op) + (list ? fmt::format(" {{{}}}", fmt::join(lists_.of(op.b), " ")) : "");
  }

 private:
  bool same(const State& state, std::span<const std::int32_t> list) const {
    if (sort_ == log) return std::equal(state.items.data(), state.end(), list.begin(), list.end());
    if (list.size() != state.size) return false;
    return std::is_permutation(list.begin(), list.end(), state.items.begin());
  }

  Sort sort_;
  Lists lists_;
};

// The definition: some order of all returned operations and any of the pending ones is legal and
// respects real time.
class Definition {
 public:
  Definition(const Object& object, std::span<const Operation> ops)
      : object_(object), ops_(ops), next_(ops.size() + 1) {}
  bool linearizable() { return search(0, object_.initial(), 0); }

 private:
  bool search(unsigned taken, const State& state, std::size_t depth) {
    bool all = true;
    for (std::size_t i = 0; i < ops_.size(); ++i) all &= ops_[i].pending() || (taken >> i & 1) != 0;
    if (all) return true;
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      if (taken >> i & 1) continue;
      bool first = true;
      for (std::size_t j = 0; j < ops_.size(); ++j)
        first &= (taken >> j & 1) != 0 || ops_[j].ret > ops_[i].call;
      if (!first) continue;
      next_[depth].clear();
      object_.step(state, ops_[i], next_[depth]);
      for (std::size_t k = 0; k < next_[depth].size(); ++k)
        if (search(taken | 1u << i, State(next_[depth][k]), depth + 1)) return true;
    }
    return false;
  }

  const Object& object_;
  std::span<const Operation> ops_;
  std::vector<std::vector<State>> next_;
};

// What a correct object would answer, at random points inside of intervals that overlap; then, in
// most histories, an answer or two spoiled, or a return moved forward.
std::vector<Operation> random_history(Object& object, Rng& rng) {
  const std::size_t count = 1 + rng.below(kMaxOps);
  const auto width = static_cast<std::int64_t>(1 + rng.below(6));
  std::vector<Operation> ops;
  std::vector<State> next;
  State state;
  for (std::size_t i = 0; i < count; ++i) {
    Operation op = object.draw(rng, static_cast<std::int32_t>(i));
    if (i == 0) state = object.initial();
    const bool pending = rng.chance(0.2), happens = !pending || rng.chance(0.5);
    if (happens) object.answer(state, op, rng);
    next.clear();
    if (happens) object.step(state, op, next);
    if (!next.empty()) state = next[0];
    const auto point = static_cast<std::int64_t>(i) * 2;
    op.call = point - rng.between(0, 2 * width);
    op.ret = point + rng.between(0, 2 * width);
    if (pending) op.ret = kPending;
    ops.push_back(op);
  }
  for (std::uint64_t spoiled = rng.below(3); spoiled > 0; --spoiled) {
    Operation& op = ops[rng.below(count)];
    if (rng.chance(0.8))
      object.spoil(op, rng);
    else if (!op.pending())
      op.ret = op.call + rng.between(0, 2);
  }
  return ops;
}

// Positions all different, calls before returns at the same point; the operations in any order.
void rank_positions(std::vector<Operation>& ops, Rng& rng) {
  struct End {
    std::int64_t at;
    std::uint64_t tie;
    std::int64_t* place;
  };
  std::vector<End> ends;
  for (auto& op : ops) {
    ends.push_back({2 * op.call, rng.next(), &op.call});
    if (!op.pending()) ends.push_back({2 * op.ret + 1, rng.next(), &op.ret});
  }
  std::sort(ends.begin(), ends.end(), [](const End& x, const End& y) {
    return std::tie(x.at, x.tie) < std::tie(y.at, y.tie);
  });
  const std::int64_t stride = rng.chance(0.1) ? 1'000'000'007 : 1;  // also positions far apart
  for (std::size_t i = 0; i < ends.size(); ++i)
    *ends[i].place = static_cast<std::int64_t>(i) * stride;
  rng.shuffle(ops);
}

// An answer of a pending operation that only a caller without an answer could have.
void forget_answers(std::string_view object, std::vector<Operation>& ops) {
  const bool registers = object.starts_with("register") || object.starts_with("cas");
  for (auto& op : ops) {
    const bool keeps = registers && op.kind != kind::read;
    if (op.pending() && !keeps) op.b = kUnknown;
  }
}

std::unique_ptr<Object> make(std::string_view name) {
  if (name == "register") return std::make_unique<RegisterObject>(false);
  if (name == "cas-register") return std::make_unique<RegisterObject>(true);
  if (name == "fifo-queue") return std::make_unique<Collection>(Collection::fifo);
  if (name == "unordered-queue") return std::make_unique<Collection>(Collection::bag);
  if (name == "stack") return std::make_unique<Collection>(Collection::lifo);
  if (name == "priority-queue") return std::make_unique<Collection>(Collection::highest);
  if (name == "grow-only-set") return std::make_unique<Listed>(Listed::grow_only);
  if (name == "set") return std::make_unique<Listed>(Listed::full);
  if (name == "log") return std::make_unique<Listed>(Listed::log);
  return nullptr;
}

std::string judge(const Object& object, const std::vector<Operation>& ops, std::size_t& applied) {
  const Decision decision = object.decide(ops);
  if (!decision.applies) return {};
  ++applied;
  const bool valid = Definition(object, ops).linearizable();
  if (decision.verdict != (valid ? Verdict::valid : Verdict::invalid))
    return fmt::format("decided {}, but it is {}", to_string(decision.verdict),
                       valid ? "VALID" : "INVALID");
  if (valid) return {};
  std::vector<Operation> part;
  for (const std::size_t i : decision.conflict) part.push_back(ops.at(i));
  if (Definition(object, part).linearizable())
    return fmt::format("the conflict #{} is none", fmt::join(decision.conflict, " #"));
  return decision.why.empty() ? "there is no explanation" : "";
}

}  // namespace

const std::vector<std::string_view>& differential_objects() {
  static const std::vector<std::string_view> names{
      "register",      "cas-register", "fifo-queue", "unordered-queue", "stack", "priority-queue",
      "grow-only-set", "set",          "log"};
  return names;
}

std::string differential_decide(std::string_view name, std::uint64_t seed, std::size_t histories) {
  const auto object = make(name);
  if (!object) return fmt::format("no object {}", name);
  Rng rng(seed);
  std::size_t applied = 0;
  for (std::size_t round = 0; round < histories; ++round) {
    auto ops = random_history(*object, rng);
    forget_answers(name, ops);
    rank_positions(ops, rng);
    std::string wrong = judge(*object, ops, applied);
    if (wrong.empty()) continue;
    wrong = fmt::format("{}, seed {}, history {}: {}", name, seed, round, wrong);
    for (std::size_t i = 0; i < ops.size(); ++i)
      wrong += fmt::format("\n  #{} {}", i, object->show(ops[i]));
    return wrong;
  }
  if (applied == 0 && histories >= 1000)
    return fmt::format("{}, seed {}: it applied to none of {} histories", name, seed, histories);
  return {};
}

}  // namespace gameday::linear
