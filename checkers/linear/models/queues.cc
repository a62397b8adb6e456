// Queues, a stack and a priority queue. A call whose answer is not known took whatever was there.
#include <algorithm>

#include "checkers/linear/models/models.h"
#include "checkers/linear/value_model.h"

namespace gameday::linear {
namespace {

enum class Kind { fifo, unordered, stack, priority };

// put is function 0, take 1, as in decide.h. The items: oldest first, or in ascending order.
struct Container {
  using State = std::vector<std::int32_t>;
  Kind kind;
  const Names* names;

  bool less(std::int32_t a, std::int32_t b) const {
    if (kind != Kind::priority) return a < b;
    return names->number(a) < names->number(b);
  }
  State::iterator place(State& s, std::int32_t v) const {
    if (kind == Kind::fifo || kind == Kind::stack) return s.end();
    return std::upper_bound(s.begin(), s.end(), v, [&](auto a, auto b) { return less(a, b); });
  }
  std::optional<State> step(State s, const Call& call) const {
    if (call.f == 0) {
      s.insert(place(s, call.given), call.given);
      return s;
    }
    if (s.empty()) return call.answered < 0 ? std::optional(s) : std::nullopt;
    if (call.answered == kNil) return std::nullopt;
    auto next = kind == Kind::fifo || kind == Kind::unordered ? s.begin() : s.end() - 1;
    if (call.answered == kUnknown) {
      // Which one an unordered queue gave only matters to a call that found it empty, before which
      // all must be gone: the first is as good as any.
      s.erase(next);
      return s;
    }
    if (kind == Kind::unordered) next = std::find(s.begin(), s.end(), call.answered);
    if (next == s.end() || *next != call.answered) return std::nullopt;
    s.erase(next);
    return s;
  }
  // A call that found nothing is in need of every one that took.
  static bool depends(const Call& call, const Call& source) {
    if (call.f != 1) return false;
    if (call.answered == kNil) return source.f == 1;
    return source.f == 0 && source.given == call.answered;
  }
  static std::optional<std::size_t> impossible(const State& initial, std::span<const Operation> ops) {
    using Number = std::optional<std::int32_t>;
    const auto found = [&](const Operation& op) -> Number {
      const bool took = op.kind == 1 && op.b >= 0;
      return took && std::find(initial.begin(), initial.end(), op.b) == initial.end() ? Number(op.b)
                                                                                      : Number();
    };
    const auto made = [](const Operation& op) { return op.kind == 0 ? Number(op.a) : Number(); };
    return of_nowhere(ops, found, made);
  }
  std::string describe(const State& s) const {
    if (s.empty()) return "empty";
    std::string text = "[";
    for (const auto id : s) {
      if (text.size() > 1) text += ' ';
      text += names->tell(id);
      if (text.size() > 200) return text + " ...]";
    }
    return text + "]";
  }
};

constexpr Function kQueue[] = {
    {"enqueue enq put offer send", kind::enqueue, Takes::argument},
    {"dequeue deq get poll take receive", kind::dequeue, Takes::answer},
};
constexpr Function kPushPop[] = {
    {"push", kind::push, Takes::argument},
    {"pop", kind::pop, Takes::answer},
};
constexpr Function kHeap[] = {
    {"insert enqueue add push put", kind::insert, Takes::argument},
    {"extract extract-max dequeue pop delete-max take", kind::extract_max, Takes::answer},
};

template <Kind K>
std::unique_ptr<Model> make(Names& names, const ModelOptions& options, std::span<const Operation>) {
  auto initial = names.initial_list(options.initial);
  const Container container{K, &names};
  if (K == Kind::unordered || K == Kind::priority)
    std::sort(initial.begin(), initial.end(), [&](auto a, auto b) { return container.less(a, b); });
  return std::make_unique<ValueModel<Container>>(container, std::move(initial), names);
}

Decision fifo(std::span<const Operation> ops, const Names&) { return decide_fifo_queue(ops); }
Decision unordered(std::span<const Operation> ops, const Names&) { return decide_unordered_queue(ops); }
Decision stack(std::span<const Operation> ops, const Names&) { return decide_stack(ops); }

// The decider wants ranks.
Decision priority(std::span<const Operation> ops, const Names& names) {
  std::vector<std::pair<std::int64_t, std::int32_t>> order;
  for (std::size_t i = 0; i < names.dense.size(); ++i)
    order.push_back({names.number(static_cast<std::int32_t>(i)), static_cast<std::int32_t>(i)});
  std::sort(order.begin(), order.end());
  std::vector<std::int32_t> rank(order.size());
  for (std::size_t r = 0; r < order.size(); ++r)
    rank[static_cast<std::size_t>(order[r].second)] = static_cast<std::int32_t>(r);
  std::vector<Operation> ranked(ops.begin(), ops.end());
  for (auto& op : ranked) {
    if (op.a >= 0) op.a = rank[static_cast<std::size_t>(op.a)];
    if (op.b >= 0) op.b = rank[static_cast<std::size_t>(op.b)];
  }
  return decide_priority_queue(ranked);
}

}  // namespace

const Object objects::kFifoQueue{"the queue", kQueue, make<Kind::fifo>, fifo};
const Object objects::kUnorderedQueue{"the queue", kQueue, make<Kind::unordered>, unordered};
const Object objects::kStack{"the stack", kPushPop, make<Kind::stack>, stack};
const Object objects::kPriorityQueue{"the priority queue", kHeap, make<Kind::priority>, priority};

}  // namespace gameday::linear
