#include "checkers/linear/jit.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include "checkers/linear/configuration.h"
#include "checkers/linear/models/register.h"
#include "checkers/linear/timeline.h"

namespace gameday::linear {
namespace {

constexpr std::size_t kStateLimit = 8;          // dead ends that are told
constexpr std::size_t kFirstWidth = 512;        // breadth first until so many configurations
constexpr std::size_t kCheckEvery = 1024;
constexpr std::size_t kUnbounded = static_cast<std::size_t>(-1);
constexpr std::uint32_t kAny = 0xffffffff;       // number of info calls

// M is the model's own class where that saves virtual calls.
template <typename M, std::size_t W>
class Judge {
 public:
  Judge(const M& model, std::span<const Operation> ops, const Timeline& timeline,
        const gameday::Limits& limits, bool without_end = false)
      : model_(model), ops_(ops), time_(timeline), limits_(limits), without_end_(without_end),
        open_(64 * W), before_(64 * W),
        layer_(used_), next_(used_), closure_(used_) {
    for (const auto& group : time_.infos) {
      kept_.push_back(group);
      if constexpr (kRegister)
        if (const auto v = M::produces(ops_[group.op])) makers_[*v].push_back(kept_.size() - 1);
    }
    available_.resize(kept_.size());
    State top = model_.initial();
    if constexpr (kRegister)
      for (const auto& op : ops_)
        top = std::max({top, M::needs(op).value_or(0), M::produces(op).value_or(0)});
    readers_.resize(static_cast<std::size_t>(top) + 1);
  }
  Judgement run();
  void search();

 private:
  static constexpr bool kRegister = std::is_same_v<M, CasRegister>;
  using C = Configuration<W>;

  struct Todo {
    std::uint32_t event;
    std::uint32_t infos;  // take exactly so many info calls at this return
    C c;
  };
  struct Tried {
    std::uint32_t event = 0, infos = 0;
    C c;
    bool operator==(const Tried&) const = default;
  };
  struct TriedHash {
    std::size_t operator()(const Tried& t) const {
      return (t.c.hash() ^ t.event * 0x9e3779b97f4a7c15ULL) + t.infos;
    }
  };
  enum class Answer { found, none, spent };

  // The open calls as of an event, forwards and backwards.
  static std::size_t index(State state) { return static_cast<std::size_t>(state); }
  void open(std::size_t slot, std::size_t op);
  void close(std::size_t slot, std::size_t op);
  void forward(std::size_t e);
  void back(std::size_t e);
  void move_to(std::size_t e);

  void settle(C& c) const;
  bool blocked(const C& c, std::size_t slot) const;
  C after(const C& c, std::size_t slot, State state) const;
  // A write of what is there already still gives the others a place to have gone without a trace.
  bool hides(const C& c, std::size_t slot) const {
    if (!overwrites_.test(slot)) return false;
    Mask<W> others = c.must.both(overwrites_);
    others.reset(slot);
    return others.meets(others);
  }
  void wanted(const C& c);
  template <typename Out>
  bool expand(const C& c, std::size_t x, std::uint32_t infos, Out out);
  template <typename Reach>
  void take_info(const C& c, std::uint32_t k, Reach reach);
  void call(C& c, const Mask<W>& called) const {
    c.must.add(called);
    c.may.add(called);
    settle(c);
  }
  bool exhausted();
  void dead_end(std::size_t returns, std::size_t op, const C& c);
  bool new_to_try(Tried t);
  void forget_tried() {
    tried_.clear();
    chains_.clear();
  }
  bool breadth(std::size_t limit);
  bool refuted_without_end();
  Answer depth(std::size_t limit);
  std::size_t bytes() const {
    return used_.bytes() + layer_.bytes() + next_.bytes() + tried_.size() * (sizeof(Tried) + 32) +
           chains_.capacity() * sizeof(Link) +
           stack_.capacity() * sizeof(Todo) + model_.bytes();
  }

  const M& model_;
  std::span<const Operation> ops_;
  const Timeline& time_;
  const gameday::Limits& limits_;
  const bool without_end_;  // an info call may happen any number of times
  std::vector<Timeline::Info> kept_;
  std::unordered_map<std::int32_t, std::vector<std::size_t>> makers_;  // value -> info groups

  std::size_t at_ = 0;  // events before this have been applied to what follows
  std::size_t returns_ = 0;
  std::vector<std::size_t> open_;    // slot -> op
  std::vector<Mask<W>> before_;      // slot -> equal calls that return earlier
  Mask<W> reads_, overwrites_, live_;
  std::vector<Mask<W>> readers_;  // register: value -> its open reads
  std::vector<std::uint32_t> available_;               // info group -> how many were called

  UsedSets used_;
  Frontier<W> layer_, next_, closure_;
  std::vector<std::uint32_t> levels_;  // of closure_: info calls taken at this return
  std::vector<std::int32_t> wanted_;
  std::vector<std::uint32_t> wanted_infos_;
  std::vector<Todo> stack_;
  std::unordered_map<Tried, std::uint32_t, TriedHash> tried_;  // but for used: begin of its chain
  struct Link {
    std::uint32_t used, next;
  };
  std::vector<Link> chains_;
  std::size_t checks_ = 0;
  std::size_t steps_ = 0, steps_allowed_ = kUnbounded;  // of depth first: configurations in closures
  std::size_t furthest_ = 0;
  Judgement judgement_;
};

template <typename M, std::size_t W>
void Judge<M, W>::open(std::size_t slot, std::size_t op) {
  const Operation& o = ops_[op];
  open_[slot] = op;
  Mask<W> bit;
  bit.set(slot);
  before_[slot] = {};
  const bool read = model_.read_only(o);
  live_.each([&](std::size_t j) {
    const Operation& other = ops_[open_[j]];
    before_[j].drop(bit);
    if (read || !o.same_effect(other)) return;
    if (o.ret < other.ret)
      before_[j].set(slot);
    else
      before_[slot].set(j);
  });
  live_.set(slot);
  if (read) {
    reads_.set(slot);
    if constexpr (kRegister) readers_[index(*M::needs(o))].set(slot);
  } else if (model_.overwrites(o)) {
    overwrites_.set(slot);
  }
}

template <typename M, std::size_t W>
void Judge<M, W>::close(std::size_t slot, std::size_t op) {
  live_.reset(slot);
  overwrites_.reset(slot);
  if (!reads_.test(slot)) return;
  reads_.reset(slot);
  if constexpr (kRegister) readers_[index(*M::needs(ops_[op]))].reset(slot);
}

template <typename M, std::size_t W>
void Judge<M, W>::forward(std::size_t e) {
  const auto& event = time_.events[e];
  if (event.kind == Timeline::Kind::info) {
    ++available_[event.op];
  } else if (event.kind == Timeline::Kind::call) {
    open(time_.slots[event.op], event.op);
  } else {
    ++returns_;
    close(time_.slots[event.op], event.op);
  }
}

template <typename M, std::size_t W>
void Judge<M, W>::back(std::size_t e) {
  const auto& event = time_.events[e];
  if (event.kind == Timeline::Kind::info) {
    --available_[event.op];
  } else if (event.kind == Timeline::Kind::ret) {
    --returns_;
    open(time_.slots[event.op], event.op);
  } else {
    close(time_.slots[event.op], event.op);
  }
}

template <typename M, std::size_t W>
void Judge<M, W>::move_to(std::size_t e) {
  while (at_ > e) back(--at_);
  while (at_ < e) forward(at_++);
}

// What need not be decided: a read that is legal has happened; a call that would change nothing has
// happened, or may happen later instead.
template <typename M, std::size_t W>
void Judge<M, W>::settle(C& c) const {
  if constexpr (kRegister) {
    c.must.drop(readers_[index(c.state)]);
    c.may.drop(readers_[index(c.state)]);
    c.must.both(overwrites_).each([&](std::size_t slot) {
      if (M::produces(ops_[open_[slot]]) == c.state) c.must.reset(slot);
    });
  } else {
    c.must.each([&](std::size_t slot) {
      if (model_.step(c.state, ops_[open_[slot]]) != c.state) return;
      c.must.reset(slot);
      if (reads_.test(slot)) c.may.reset(slot);
    });
  }
}

// Of equal calls the one that returns first may go first: any order stays one when two are swapped.
template <typename M, std::size_t W>
bool Judge<M, W>::blocked(const C& c, std::size_t slot) const {
  return before_[slot].meets(c.must) || (!c.must.test(slot) && before_[slot].meets(c.may));
}

template <typename M, std::size_t W>
auto Judge<M, W>::after(const C& c, std::size_t slot, State state) const -> C {
  C n = c;
  n.state = state;
  n.must.reset(slot);
  n.may.reset(slot);
  if (overwrites_.test(slot)) n.must.drop(overwrites_);  // they may have gone just before
  settle(n);
  return n;
}

// The values that open reads and compare-and-sets still want, and the info calls that give them,
// also over compare-and-sets: no other info call is worth taking, nor is a write taken early.
template <typename M, std::size_t W>
void Judge<M, W>::wanted(const C& c) {
  wanted_.clear();
  wanted_infos_.clear();
  const auto want = [&](std::int32_t v) {
    if (std::find(wanted_.begin(), wanted_.end(), v) == wanted_.end()) wanted_.push_back(v);
  };
  c.must.each([&](std::size_t slot) {
    if (const auto v = CasRegister::needs(ops_[open_[slot]])) want(*v);
  });
  for (std::size_t i = 0; i < wanted_.size(); ++i) {
    const auto makers = makers_.find(wanted_[i]);
    if (makers == makers_.end()) continue;
    const std::size_t first = wanted_infos_.size();
    for (const std::size_t k : makers->second) {
      if (available_[k] == 0) continue;
      if (without_end_ && ops_[kept_[k].op].kind == kind::write) {  // no other can do more
        wanted_infos_.resize(first);
        wanted_infos_.push_back(static_cast<std::uint32_t>(k));
        break;
      }
      wanted_infos_.push_back(static_cast<std::uint32_t>(k));
      if (const auto v = CasRegister::needs(ops_[kept_[k].op])) want(*v);
    }
  }
}

template <typename M, std::size_t W>
template <typename Reach>
void Judge<M, W>::take_info(const C& c, std::uint32_t k, Reach reach) {
  if (available_[k] == 0) return;
  const Operation& op = ops_[kept_[k].op];
  const State state = model_.step(c.state, op);
  if (state == kIllegal) return;
  if (state == c.state && !(model_.overwrites(op) && c.must.meets(overwrites_))) return;
  if (!without_end_ && used_.count(c.used, k) >= available_[k]) return;
  bool equal = false;  // an equal call that is open goes first
  c.may.each([&](std::size_t slot) { equal = equal || ops_[open_[slot]].same_effect(op); });
  if (equal) return;
  C n = c;
  n.state = state;
  if (!without_end_) n.used = used_.with(c.used, k);
  if (model_.overwrites(op)) n.must.drop(overwrites_);
  settle(n);
  reach(n);
}

// All configurations in which the call in slot x need not be linearized any more, with exactly so
// many info calls: where it has just been, and where something on the way overwrote it. An optional
// call may still be seen by those to come, so its return is its last chance as well. False when
// more info calls would give nothing new to look at.
template <typename M, std::size_t W>
template <typename Out>
bool Judge<M, W>::expand(const C& start, std::size_t x, std::uint32_t infos, Out out) {
  closure_.clear();
  levels_.clear();
  bool more = false;
  closure_.insert(start);
  levels_.push_back(0);
  if constexpr (kRegister) wanted(start);
  for (std::size_t i = 0; i < closure_.all().size(); ++i) {
    const C c = closure_.all()[i];
    const std::uint32_t level = levels_[i];
    const auto reach = [&](const C& n, std::uint32_t l) {
      if (!n.must.test(x) && (l == infos || infos == kAny)) out(n);
      if (n.may.test(x) && closure_.insert(n)) levels_.push_back(l);
    };
    if (const State s = model_.step(c.state, ops_[open_[x]]); s != kIllegal)
      reach(after(c, x, s), level);
    Mask<W> candidates = c.may;
    candidates.drop(reads_);
    candidates.each([&](std::size_t slot) {
      if (slot == x || blocked(c, slot)) return;
      const Operation& op = ops_[open_[slot]];
      if constexpr (kRegister) {
        if (op.kind == kind::write &&
            std::find(wanted_.begin(), wanted_.end(), *M::produces(op)) == wanted_.end())
          return;
      }
      const State s = model_.step(c.state, op);
      if (s == kIllegal || (s == c.state && !hides(c, slot))) return;
      reach(after(c, slot, s), level);
    });
    if (exhausted() || ++steps_ > steps_allowed_) return false;
    if constexpr (kRegister) {
      if (level == infos) {
        more = more || !wanted_infos_.empty();
        continue;
      }
      for (const auto k : wanted_infos_) take_info(c, k, [&](const C& n) { reach(n, level + 1); });
    } else {
      if (level == infos) {
        more = more || time_.info_calls != 0;
        continue;
      }
      for (std::uint32_t k = 0; k < kept_.size(); ++k)
        take_info(c, k, [&](const C& n) { reach(n, level + 1); });
    }
  }
  return more;
}

template <typename M, std::size_t W>
bool Judge<M, W>::exhausted() {
  if (!judgement_.reason.empty()) return true;
  if (++checks_ % kCheckEvery != 0) return false;
  if (const char* why = limits_.expired())
    judgement_.reason = why;
  else if (bytes() > limits_.memory_bytes)
    judgement_.reason = fmt::format("the memory limit of {} MB is reached", limits_.memory_bytes >> 20);
  return !judgement_.reason.empty();
}

template <typename M, std::size_t W>
void Judge<M, W>::dead_end(std::size_t returns, std::size_t op, const C& c) {
  if (returns < furthest_) return;
  if (returns > furthest_ || judgement_.states.empty()) {
    furthest_ = returns;
    judgement_.states.clear();
    judgement_.blocked = op;
  }
  auto& states = judgement_.states;
  if (states.size() < kStateLimit && std::find(states.begin(), states.end(), c.state) == states.end())
    states.push_back(c.state);
}

// From return to return with all configurations at once, until there are more than `limit`. True
// when it has come to an end: of the history, of what is legal, or of what it may use.
template <typename M, std::size_t W>
bool Judge<M, W>::breadth(std::size_t limit) {
  Mask<W> called;
  for (; at_ < time_.events.size(); forward(at_++)) {
    const auto& event = time_.events[at_];
    if (event.kind == Timeline::Kind::call) called.set(time_.slots[event.op]);
    if (event.kind != Timeline::Kind::ret) continue;
    const std::size_t slot = time_.slots[event.op];
    next_.clear();
    const auto keep = [&](C n) {
      n.must.reset(slot);
      n.may.reset(slot);
      next_.insert_and_drop(n);
    };
    for (C& c : layer_.all()) {
      call(c, called);
      if (!c.must.test(slot)) keep(c);
      if (c.may.test(slot)) expand(c, slot, kAny, keep);
      if (exhausted()) return true;
    }
    called = {};
    if (next_.all().empty()) {
      for (const C& c : layer_.all()) dead_end(returns_, event.op, c);
      judgement_.verdict = Verdict::invalid;
      return true;
    }
    std::swap(layer_, next_);
    const std::size_t n = layer_.all().size();
    judgement_.configurations += n;
    judgement_.widest = std::max(judgement_.widest, n);
    judgement_.returned = std::max(judgement_.returned, returns_ + 1);
    if (n > limit) {
      forward(at_++);
      return false;
    }
  }
  judgement_.verdict = Verdict::valid;
  return true;
}

// Not if the same was tried with fewer info calls used up.
template <typename M, std::size_t W>
bool Judge<M, W>::new_to_try(Tried t) {
  const std::uint32_t used = std::exchange(t.c.used, 0);
  const auto number = static_cast<std::uint32_t>(chains_.size());
  const auto [it, added] = tried_.try_emplace(t, number);
  std::uint32_t next = added ? kAny : it->second;
  std::size_t compared = 0;
  for (std::uint32_t i = next; i != kAny && compared++ < kScan; i = chains_[i].next)
    if (used_.within(chains_[i].used, used)) return false;
  chains_.push_back({used, next});
  it->second = number;
  return true;
}

// Depth first from the configurations of the layer, those with the fewest info calls first.
template <typename M, std::size_t W>
auto Judge<M, W>::depth(std::size_t limit) -> Answer {
  stack_.clear();
  forget_tried();
  for (const C& c : layer_.all()) stack_.push_back({static_cast<std::uint32_t>(at_), 0, c});
  std::vector<C> found;
  const std::size_t start = at_;
  std::size_t reached = at_, tried_before = 0;  // when it last got further
  steps_ = 0;
  steps_allowed_ = limit;
  while (!stack_.empty()) {
    Todo todo = stack_.back();
    stack_.pop_back();
    move_to(todo.event);
    Mask<W> called;
    bool alive = true;
    for (; alive && at_ < time_.events.size();) {
      const auto& event = time_.events[at_];
      const std::size_t slot = event.kind == Timeline::Kind::info ? 0 : time_.slots[event.op];
      if (event.kind == Timeline::Kind::call) called.set(slot);
      if (event.kind == Timeline::Kind::ret) {
        call(todo.c, std::exchange(called, {}));
        if (todo.c.may.test(slot)) {
          alive = false;
          const auto e = static_cast<std::uint32_t>(at_);
          if (!new_to_try({e, todo.infos, todo.c})) break;
          found.clear();
          const bool optional = !todo.c.must.test(slot);
          if (optional && todo.infos == 0) {
            found.push_back(todo.c);
            found.back().may.reset(slot);
          }
          const bool more = expand(todo.c, slot, todo.infos, [&](C n) {
            n.must.reset(slot);
            n.may.reset(slot);
            found.push_back(n);
          });
          if (exhausted() || steps_ > steps_allowed_) return Answer::spent;
          if (more) stack_.push_back({e, todo.infos + 1, todo.c});
          if (found.empty() && !more && !optional) dead_end(returns_, event.op, todo.c);
          for (auto it = found.rbegin(); it != found.rend(); ++it) stack_.push_back({e + 1, 0, *it});
          break;
        }
      }
      forward(at_++);
    }
    judgement_.returned = std::max(judgement_.returned, returns_);
    if (alive) return Answer::found;
    if (at_ > reached) {
      reached = at_;
      tried_before = chains_.size();
      steps_ = 0;
    }
    const std::size_t allowed = limit + (reached - start);  // more while it gets on
    if (chains_.size() > allowed || chains_.size() - tried_before > limit / 8) return Answer::spent;
  }
  return Answer::none;
}

// What is not legal though every info call may happen as often as one likes is not legal at all.
// Then how many have happened is no part of a configuration, and that they pile up does not matter.
template <typename M, std::size_t W>
bool Judge<M, W>::refuted_without_end() {
  if constexpr (!kRegister) return false;  // a queue would grow without end
  if (without_end_ || time_.info_calls == 0) return false;
  Judgement wider = Judge(model_, ops_, time_, limits_, true).run();
  if (wider.verdict != Verdict::invalid) return false;
  wider.configurations += judgement_.configurations;
  wider.widest = std::max(wider.widest, judgement_.widest);
  wider.longest = judgement_.returned == wider.returned;
  wider.returned = judgement_.returned;
  judgement_ = std::move(wider);
  return true;
}

template <typename M, std::size_t W>
Judgement Judge<M, W>::run() {
  try {
    search();
  } catch (const std::bad_alloc&) {  // how far it came is known all the same
    judgement_.reason = "there is no memory left";
  }
  if (!judgement_.reason.empty()) judgement_.verdict = Verdict::unknown;
  return std::move(judgement_);
}

template <typename M, std::size_t W>
void Judge<M, W>::search() {
  C first;
  first.state = model_.initial();
  layer_.insert(first);
  bool refuted = false;
  for (std::size_t width = kFirstWidth; !breadth(width); width *= 4) {
    const std::size_t here = at_;
    const Answer answer = depth(width * 64);
    judgement_.configurations += chains_.size();
    if (answer != Answer::spent)
      judgement_.verdict = answer == Answer::found ? Verdict::valid : Verdict::invalid;
    if (answer != Answer::spent || !judgement_.reason.empty()) break;
    refuted = width == kFirstWidth && refuted_without_end();
    if (refuted) break;
    move_to(here);
    forget_tried();
    steps_allowed_ = kUnbounded;
  }
  if (judgement_.verdict == Verdict::invalid && !refuted) judgement_.returned = furthest_;
}

}  // namespace

Judgement judge(const Model& model, std::span<const Operation> ops, const gameday::Limits& limits) {
  const Timeline timeline = make_timeline(ops);
  if (timeline.width <= 64) {
    if (const auto* cas = dynamic_cast<const CasRegister*>(&model))
      return Judge<CasRegister, 1>(*cas, ops, timeline, limits).run();
    return Judge<Model, 1>(model, ops, timeline, limits).run();
  }
  if (timeline.width <= 512) return Judge<Model, 8>(model, ops, timeline, limits).run();
  if (timeline.width <= 8192) return Judge<Model, 128>(model, ops, timeline, limits).run();
  Judgement judgement;
  judgement.reason =
      fmt::format("{} calls are open at once; the search takes up to 8192", timeline.width);
  return judgement;
}

}  // namespace gameday::linear
