#include "harness/core/generator.h"

#include <map>
#include <optional>

namespace gameday {

Gen Generator::update(const Context&, const Op&) const { return shared_from_this(); }

namespace gen {

Step step(const Gen& g, const Context& context) {
  return g ? g->step(context) : Step{};
}

Gen update(const Gen& g, const Context& context, const Op& event) {
  return g ? g->update(context, event) : nullptr;
}

namespace {

Step pending(Gen next) { return {Step::Kind::pending, {}, std::move(next)}; }

template <typename T, typename... Args>
Gen make(Args&&... args) {
  return std::make_shared<const T>(std::forward<Args>(args)...);
}

std::optional<int> pick_free(const Context& context) {
  const std::size_t count = context.free.count();
  if (count == 0) return std::nullopt;
  std::size_t skip = static_cast<std::size_t>(context.turn % count);
  for (std::size_t t = context.free._Find_first(); t < kMaxThreads; t = context.free._Find_next(t))
    if (skip-- == 0) return static_cast<int>(t);
  return std::nullopt;
}

// The answer that comes first of several. Ops beat pending, pending beats done; among ops the
// earliest, and among equals each in turn.
class Soonest {
 public:
  explicit Soonest(const Context& context) : turn_(context.turn) {}

  void offer(std::size_t part, Step s) {
    if (s.kind == Step::Kind::pending) pending_ = true;
    if (s.kind != Step::Kind::op) return;
    ++ties_;
    if (best_ && s.op.time > best_->op.time) return;
    if (best_ && s.op.time < best_->op.time) ties_ = 1;
    if (best_ && ties_ > 1 && turn_ % ties_ != 0) return;
    best_ = std::move(s);
    part_ = part;
  }
  std::optional<Step>& best() { return best_; }
  std::size_t part() const { return part_; }
  bool any_pending() const { return pending_; }

 private:
  std::uint64_t turn_;
  std::uint64_t ties_ = 0;
  std::optional<Step> best_;
  std::size_t part_ = 0;
  bool pending_ = false;
};

class Once final : public Generator {
 public:
  explicit Once(Op op) : op_(std::move(op)) {}
  Step step(const Context& c) const override {
    Step s = emit(op_, c, nullptr);
    if (s.kind == Step::Kind::pending) s.next = shared_from_this();
    return s;
  }

 private:
  Op op_;
};

class Stream final : public Generator {
 public:
  Stream(Rng rng, std::int64_t n, std::shared_ptr<const OpFunction> f)
      : rng_(rng), n_(n), f_(std::move(f)) {}
  Step step(const Context& c) const override {
    if (c.free.none()) return pending(shared_from_this());
    Rng rng = rng_;
    Op op = (*f_)(rng, n_);
    Step s = emit(std::move(op), c, make<Stream>(rng, n_ + 1, f_));
    if (s.kind == Step::Kind::pending) s.next = shared_from_this();
    return s;
  }

 private:
  Rng rng_;
  std::int64_t n_;
  std::shared_ptr<const OpFunction> f_;
};

class Sequence final : public Generator {
 public:
  explicit Sequence(std::vector<Gen> parts) : parts_(std::move(parts)) {}
  Step step(const Context& c) const override {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      Step s = gen::step(parts_[i], c);
      if (s.kind == Step::Kind::done) continue;
      s.next = rest(i, std::move(s.next));
      return s;
    }
    return {};
  }
  Gen update(const Context& c, const Op& event) const override {
    if (parts_.empty()) return nullptr;
    return rest(0, gen::update(parts_[0], c, event));
  }

 private:
  Gen rest(std::size_t from, Gen head) const {
    std::vector<Gen> parts;
    if (head) parts.push_back(std::move(head));
    parts.insert(parts.end(), parts_.begin() + static_cast<std::ptrdiff_t>(from) + 1, parts_.end());
    if (parts.empty()) return nullptr;
    return make<Sequence>(std::move(parts));
  }
  std::vector<Gen> parts_;
};

class Synchronize final : public Generator {
 public:
  explicit Synchronize(Gen g) : g_(std::move(g)) {}
  Step step(const Context& c) const override {
    if (c.free != c.all) return pending(shared_from_this());
    return gen::step(g_, c);
  }

 private:
  Gen g_;
};

class Limit final : public Generator {
 public:
  Limit(std::int64_t left, Gen g) : left_(left), g_(std::move(g)) {}
  Step step(const Context& c) const override {
    if (left_ <= 0) return {};
    Step s = gen::step(g_, c);
    if (s.kind != Step::Kind::done)
      s.next = make<Limit>(s.kind == Step::Kind::op ? left_ - 1 : left_, std::move(s.next));
    return s;
  }
  Gen update(const Context& c, const Op& event) const override {
    return make<Limit>(left_, gen::update(g_, c, event));
  }

 private:
  std::int64_t left_;
  Gen g_;
};

class TimeLimit final : public Generator {
 public:
  TimeLimit(std::int64_t span, std::optional<std::int64_t> cutoff, Gen g)
      : span_(span), cutoff_(cutoff), g_(std::move(g)) {}
  Step step(const Context& c) const override {
    const std::int64_t cutoff = cutoff_.value_or(c.time + span_);
    if (c.time >= cutoff) return {};
    Step s = gen::step(g_, c);
    // Too late for the limit; but others may still be at work until then.
    if (s.kind == Step::Kind::op && s.op.time >= cutoff)
      return pending(make<TimeLimit>(span_, cutoff, g_));
    if (s.kind != Step::Kind::done) s.next = make<TimeLimit>(span_, cutoff, std::move(s.next));
    return s;
  }
  Gen update(const Context& c, const Op& event) const override {
    return make<TimeLimit>(span_, cutoff_, gen::update(g_, c, event));
  }

 private:
  std::int64_t span_;
  std::optional<std::int64_t> cutoff_;
  Gen g_;
};

// Spaces ops: the next one not before next_. `mean` of random gaps, or exactly `mean` if no rng.
class Spaced final : public Generator {
 public:
  Spaced(std::int64_t mean, std::optional<Rng> rng, std::optional<std::int64_t> next, Gen g)
      : mean_(mean), rng_(rng), next_(next), g_(std::move(g)) {}
  Step step(const Context& c) const override {
    Step s = gen::step(g_, c);
    if (s.kind == Step::Kind::done) return s;
    if (s.kind == Step::Kind::pending) {
      s.next = make<Spaced>(mean_, rng_, next_, std::move(s.next));
      return s;
    }
    s.op.time = std::max(s.op.time, next_.value_or(c.time));
    std::optional<Rng> rng = rng_;
    const std::int64_t gap = rng ? rng->between(0, 2 * mean_) : mean_;
    // From the planned time, so that a rate is kept; but a stall is not caught up in a burst.
    const std::int64_t base = std::max(s.op.time, c.time - 10 * mean_);
    s.next = make<Spaced>(mean_, rng, base + gap, std::move(s.next));
    return s;
  }
  Gen update(const Context& c, const Op& event) const override {
    return make<Spaced>(mean_, rng_, next_, gen::update(g_, c, event));
  }

 private:
  std::int64_t mean_;
  std::optional<Rng> rng_;
  std::optional<std::int64_t> next_;
  Gen g_;
};

class Schedule final : public Generator {
 public:
  Schedule(std::shared_ptr<const std::vector<Op>> ops, std::size_t position)
      : ops_(std::move(ops)), position_(position) {}
  Step step(const Context& c) const override {
    if (position_ >= ops_->size()) return {};
    Step s = emit((*ops_)[position_], c, make<Schedule>(ops_, position_ + 1));
    if (s.kind == Step::Kind::pending) s.next = shared_from_this();
    return s;
  }

 private:
  std::shared_ptr<const std::vector<Op>> ops_;
  std::size_t position_;
};

class Mix final : public Generator {
 public:
  Mix(Rng rng, std::size_t current, std::vector<Gen> parts)
      : rng_(rng), current_(current), parts_(std::move(parts)) {}
  Step step(const Context& c) const override {
    std::vector<Gen> parts = parts_;
    Rng rng = rng_;
    std::size_t i = current_;
    while (!parts.empty()) {
      Step s = gen::step(parts[i], c);
      if (s.kind == Step::Kind::done) {
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i));
        if (!parts.empty()) i = static_cast<std::size_t>(rng.below(parts.size()));
        continue;
      }
      parts[i] = std::move(s.next);
      if (s.kind == Step::Kind::op) i = static_cast<std::size_t>(rng.below(parts.size()));
      s.next = make<Mix>(rng, i, std::move(parts));
      return s;
    }
    return {};
  }
  Gen update(const Context& c, const Op& event) const override {
    std::vector<Gen> parts = parts_;
    for (auto& part : parts) part = gen::update(part, c, event);
    return make<Mix>(rng_, current_, std::move(parts));
  }

 private:
  Rng rng_;
  std::size_t current_;
  std::vector<Gen> parts_;
};

// Several generators side by side, each on threads of its own (all threads where `lanes` is empty).
class Parallel final : public Generator {
 public:
  struct Lane {
    Gen g;
    Threads threads;
  };
  explicit Parallel(std::vector<Lane> lanes) : lanes_(std::move(lanes)) {}
  Step step(const Context& c) const override {
    Soonest soonest(c);
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      const Context own = c.restricted(lanes_[i].threads);
      // A question without a free thread can only be answered "pending": spare it.
      if (lanes_[i].g && own.free.none()) {
        soonest.offer(i, pending(nullptr));
      } else {
        soonest.offer(i, gen::step(lanes_[i].g, own));
      }
    }
    if (soonest.best()) {
      Step s = std::move(*soonest.best());
      std::vector<Lane> lanes = lanes_;
      lanes[soonest.part()].g = std::move(s.next);
      s.next = make<Parallel>(std::move(lanes));
      return s;
    }
    return soonest.any_pending() ? pending(advance_pending(c)) : Step{};
  }
  Gen update(const Context& c, const Op& event) const override {
    const int thread = c.thread_of(event.process);
    std::vector<Lane> lanes = lanes_;
    for (auto& lane : lanes)
      if (lane.threads.test(static_cast<std::size_t>(thread)))
        lane.g = gen::update(lane.g, c.restricted(lane.threads), event);
    return make<Parallel>(std::move(lanes));
  }

 private:
  // Lanes which start a clock at their first question keep that start while all are pending.
  Gen advance_pending(const Context& c) const {
    std::vector<Lane> lanes = lanes_;
    for (auto& lane : lanes) {
      const Context own = c.restricted(lane.threads);
      if (!lane.g || own.free.none()) continue;
      lane.g = gen::step(lane.g, own).next;
    }
    return make<Parallel>(std::move(lanes));
  }
  std::vector<Lane> lanes_;
};

class EachThread final : public Generator {
 public:
  EachThread(Gen fresh, std::map<int, Gen> copies)
      : fresh_(std::move(fresh)), copies_(std::move(copies)) {}
  Step step(const Context& c) const override {
    Soonest soonest(c);
    bool busy = false;
    for (std::size_t t = c.all._Find_first(); t < kMaxThreads; t = c.all._Find_next(t)) {
      const Gen copy = copy_of(static_cast<int>(t));
      if (!copy) continue;
      if (!c.free.test(t)) {
        busy = true;
        continue;
      }
      soonest.offer(t, gen::step(copy, c.restricted(Threads().set(t))));
    }
    if (soonest.best()) {
      Step s = std::move(*soonest.best());
      auto copies = copies_;
      copies[static_cast<int>(soonest.part())] = std::move(s.next);
      s.next = make<EachThread>(fresh_, std::move(copies));
      return s;
    }
    return busy || soonest.any_pending() ? pending(shared_from_this()) : Step{};
  }
  Gen update(const Context& c, const Op& event) const override {
    const int t = c.thread_of(event.process);
    auto copies = copies_;
    copies[t] = gen::update(copy_of(t), c.restricted(Threads().set(static_cast<std::size_t>(t))),
                            event);
    return make<EachThread>(fresh_, std::move(copies));
  }

 private:
  Gen copy_of(int thread) const {
    const auto it = copies_.find(thread);
    return it == copies_.end() ? fresh_ : it->second;
  }
  Gen fresh_;
  std::map<int, Gen> copies_;
};

// Lays out `reserve` when the first question tells which threads there are.
class Reserve final : public Generator {
 public:
  Reserve(std::vector<std::pair<int, Gen>> parts, Gen rest)
      : parts_(std::move(parts)), rest_(std::move(rest)) {}
  Step step(const Context& c) const override { return lay_out(c)->step(c); }
  Gen update(const Context& c, const Op& event) const override {
    return lay_out(c)->update(c, event);
  }

 private:
  Gen lay_out(const Context& c) const {
    std::vector<Parallel::Lane> lanes;
    std::size_t t = c.all._Find_first();
    if (t == static_cast<std::size_t>(kNemesisThread)) t = c.all._Find_next(t);
    for (const auto& [count, g] : parts_) {
      Threads threads;
      for (int i = 0; i < count && t < kMaxThreads; ++i, t = c.all._Find_next(t)) threads.set(t);
      lanes.push_back({g, threads});
    }
    Threads rest;
    for (; t < kMaxThreads; t = c.all._Find_next(t)) rest.set(t);
    if (rest_ && rest.any()) lanes.push_back({rest_, rest});
    return make<Parallel>(std::move(lanes));
  }
  std::vector<std::pair<int, Gen>> parts_;
  Gen rest_;
};

Threads only_nemesis() { return Threads().set(kNemesisThread); }

}  // namespace

Step emit(Op op, const Context& context, Gen next) {
  if (op.process == kAnyProcess) {
    const auto thread = pick_free(context);
    if (!thread) return pending(nullptr);
    op.process = context.processes[static_cast<std::size_t>(*thread)];
  } else if (!context.free.test(static_cast<std::size_t>(context.thread_of(op.process)))) {
    return pending(nullptr);
  }
  op.time = std::max(op.time, context.time);
  return {Step::Kind::op, std::move(op), std::move(next)};
}

Gen once(Op op) { return make<Once>(std::move(op)); }

Gen stream(std::uint64_t seed, OpFunction f) {
  return make<Stream>(Rng(seed), std::int64_t{0}, std::make_shared<const OpFunction>(std::move(f)));
}

Gen sequence(std::vector<Gen> parts) { return make<Sequence>(std::move(parts)); }

Gen phases(std::vector<Gen> parts) {
  for (auto& part : parts) part = synchronize(std::move(part));
  return sequence(std::move(parts));
}

Gen synchronize(Gen g) { return make<Synchronize>(std::move(g)); }
Gen limit(std::int64_t count, Gen g) { return make<Limit>(count, std::move(g)); }

Gen time_limit(std::int64_t ns, Gen g) {
  return make<TimeLimit>(ns, std::nullopt, std::move(g));
}

Gen stagger(std::int64_t mean_ns, std::uint64_t seed, Gen g) {
  return make<Spaced>(mean_ns, Rng(seed), std::nullopt, std::move(g));
}

Gen delay(std::int64_t ns, Gen g) {
  return make<Spaced>(ns, std::nullopt, std::nullopt, std::move(g));
}

Gen schedule(std::vector<Op> ops) {
  return make<Schedule>(std::make_shared<const std::vector<Op>>(std::move(ops)), std::size_t{0});
}

Gen mix(std::uint64_t seed, std::vector<Gen> parts) {
  Rng rng(seed);
  const std::size_t first = parts.empty() ? 0 : static_cast<std::size_t>(rng.below(parts.size()));
  return make<Mix>(rng, first, std::move(parts));
}

Gen any(std::vector<Gen> parts) {
  std::vector<Parallel::Lane> lanes;
  for (auto& part : parts) lanes.push_back({std::move(part), Threads().set()});
  return make<Parallel>(std::move(lanes));
}

Gen each_thread(Gen g) { return make<EachThread>(std::move(g), std::map<int, Gen>{}); }

Gen clients(Gen g) {
  return make<Parallel>(std::vector<Parallel::Lane>{{std::move(g), ~only_nemesis()}});
}

Gen nemesis(Gen g) {
  return make<Parallel>(std::vector<Parallel::Lane>{{std::move(g), only_nemesis()}});
}

Gen reserve(std::vector<std::pair<int, Gen>> parts, Gen rest) {
  return make<Reserve>(std::move(parts), std::move(rest));
}

}  // namespace gen
}  // namespace gameday
