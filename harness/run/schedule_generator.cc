// A schedule as a generator: pure, so that it replays and runs against a simulated clock. What its
// moments wait for is counted in update().
#include <algorithm>
#include <limits>
#include <memory>

#include "harness/run/schedule.h"

namespace gameday::run {
namespace {

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();
constexpr double kLatest = 1e8;  // s; keeps ns well inside 64 bits

std::int64_t ns(double seconds) { return static_cast<std::int64_t>(std::min(seconds, kLatest) * 1e9); }

struct Entry {
  int id = 0;
  PlannedFault planned;
};
struct Entries : std::vector<Entry> {
  bool count_ops = false;  // a moment waits for a number of them
};

// How far an entry has come. Times are ns of the run.
struct State {
  enum class Phase : std::uint8_t { waiting, asked, in_force, over };
  Phase phase = Phase::waiting;
  std::int64_t when = kUnknown, until = kUnknown;  // the moments, once they are known
  std::int64_t leaders_before = 0;                 // it came into force
};

// What has been counted since the clients began.
struct Counts {
  std::int64_t ops = 0;
  std::int64_t leaders = 0;  // new ones
  std::optional<std::int64_t> term;  // the highest that somebody led in
};

bool is_probe(const Op& op) { return op.f == "status"; }

class ScheduleGenerator final : public Generator {
  using Self = std::shared_ptr<const ScheduleGenerator>;

 public:
  using States = std::vector<State>;
  using Phase = State::Phase;

  ScheduleGenerator(std::shared_ptr<const Entries> entries, States states)
      : entries_(std::move(entries)), states_(std::move(states)) {}

  Step step(const Context& c) const override {
    std::int64_t due = kUnknown;
    std::size_t which = 0;
    bool open = false;
    for (std::size_t i = first_; i < states_.size(); ++i) {
      const State& state = states_[i];
      if (state.phase == Phase::over || gone(state, c.time)) continue;
      open = true;
      const std::int64_t own = state.phase == Phase::waiting ? state.when : state.until;
      if (own < due) {
        due = own;
        which = i;
      }
      // Those that wait for a time come last, in its order: none of the rest is sooner.
      if (state.phase == Phase::waiting && is_timed((*entries_)[i]) && own >= due) break;
    }
    if (!open) return {};
    if (due == kUnknown) return {Step::Kind::pending, {}, shared_from_this()};
    Op op = make_op(which);
    op.time = due;
    Step step = gen::emit(std::move(op), c, std::make_shared<const Asked>(self(), which));
    if (step.kind == Step::Kind::pending) step.next = shared_from_this();
    return step;
  }

  Gen update(const Context& c, const Op& event) const override {
    if (event.process == kNemesis) return after_nemesis(c, event);
    if (event.type == OpType::invoke) return shared_from_this();
    if (is_probe(event)) return after_probe(event);
    if (!entries_->count_ops) return shared_from_this();
    auto next = std::make_shared<ScheduleGenerator>(*this);
    ++next->counts_.ops;
    next->reach(event.time, [ops = next->counts_.ops](const Moment& moment, const State&) {
      return moment.kind == Moment::Kind::ops && moment.count == ops;
    });
    return next;
  }

 private:
  // The next op was taken. An op of the future is asked for again and again, and its `next` is dropped
  // each time: so that is no more than this until it is used.
  class Asked final : public Generator {
   public:
    Asked(Self base, std::size_t which) : base_(std::move(base)), which_(which) {}
    Step step(const Context& c) const override { return base_->asked(which_)->step(c); }
    Gen update(const Context& c, const Op& event) const override {
      return base_->asked(which_)->update(c, event);
    }

   private:
    Self base_;
    std::size_t which_;
  };

  Self self() const { return std::static_pointer_cast<const ScheduleGenerator>(shared_from_this()); }

  Self asked(std::size_t which) const {
    auto next = std::make_shared<ScheduleGenerator>(*this);
    State& state = next->states_[which];
    state.phase = state.phase == Phase::waiting ? Phase::asked : Phase::over;
    while (next->first_ < next->states_.size() && next->states_[next->first_].phase == Phase::over)
      ++next->first_;
    return next;
  }

  static bool is_timed(const Entry& entry) { return entry.planned.when.kind == Moment::Kind::time; }

  // It would end before it could begin.
  static bool gone(const State& state, std::int64_t now) {
    return state.phase == Phase::waiting && state.until <= now && state.when > state.until;
  }

  Op make_op(std::size_t i) const {
    const Entry& entry = (*entries_)[i];
    const bool inject = states_[i].phase == Phase::waiting;
    Op op;
    op.process = kNemesis;
    op.f = inject ? "inject" : "heal";
    op.value = {{"id", entry.id}, {"fault", entry.planned.fault}};
    if (inject) op.value["parameters"] = entry.planned.parameters;
    return op;
  }

  Gen after_nemesis(const Context& c, const Op& event) const {
    if (!event.value.is_object()) return shared_from_this();
    const int id = event.value.value("id", 0);
    // A completion, not its invocation: the nemesis is free again.
    const bool injected = event.f == "inject" && c.free.test(kNemesisThread);
    if (!injected && event.f != "event") return shared_from_this();
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if ((*entries_)[i].id != id) continue;
      auto next = std::make_shared<ScheduleGenerator>(*this);
      State& state = next->states_[i];
      const PlannedFault& planned = (*entries_)[i].planned;
      if (!injected) {
        if (state.when == kUnknown) state.when = event.time + ns(planned.when.seconds);
        return next;
      }
      state.phase = Phase::in_force;
      state.leaders_before = counts_.leaders;
      if (planned.until.kind == Moment::Kind::after)
        state.until = event.time + ns(planned.until.seconds);
      return next;
    }
    return shared_from_this();
  }

  // Somebody leads in a newer term than anybody before. The first that is seen leads already.
  Gen after_probe(const Op& event) const {
    if (event.type != OpType::ok || !event.value.is_object()) return shared_from_this();
    const auto role = event.value.find("role"), term = event.value.find("term");
    const bool leads = role != event.value.end() && (*role == "leader" || *role == "primary");
    if (!leads || term == event.value.end() || !term->is_number_integer()) return shared_from_this();
    const auto number = term->get<std::int64_t>();
    if (counts_.term && number <= *counts_.term) return shared_from_this();
    auto next = std::make_shared<ScheduleGenerator>(*this);
    next->counts_.term = number;
    if (!counts_.term) return next;
    const std::int64_t leaders = ++next->counts_.leaders;
    next->reach(event.time, [leaders](const Moment& moment, const State& state) {
      return moment.kind == Moment::Kind::event && moment.event == kNewLeader &&
             moment.count == leaders - state.leaders_before;
    });
    return next;
  }

  // Settles the moments that have come at `time`.
  template <typename Has>
  void reach(std::int64_t time, Has has_come) {
    for (std::size_t i = first_; i < states_.size(); ++i) {
      State& state = states_[i];
      const PlannedFault& planned = (*entries_)[i].planned;
      if (state.phase == Phase::waiting && state.when == kUnknown && has_come(planned.when, state))
        state.when = time + ns(planned.when.seconds);
      // What ends by an event counts from its beginning; operations count from the clients'.
      const bool counts = planned.until.kind == Moment::Kind::ops || state.phase == Phase::in_force;
      if (counts && state.until == kUnknown && has_come(planned.until, state))
        state.until = time + ns(planned.until.seconds);
    }
  }

  std::shared_ptr<const Entries> entries_;
  States states_;
  Counts counts_;
  std::size_t first_ = 0;  // all before are over
};

}  // namespace

Gen schedule_generator(const std::vector<PlannedFault>& schedule, std::int64_t begin) {
  auto entries = std::make_shared<Entries>();
  for (const auto& planned : schedule) entries->push_back({static_cast<int>(entries->size()) + 1, planned});
  const auto key = [](const Entry& entry) {
    const Moment& when = entry.planned.when;
    return when.kind == Moment::Kind::time ? when.seconds : -1;
  };
  std::stable_sort(entries->begin(), entries->end(),
                   [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  std::vector<State> states(entries->size());
  for (std::size_t i = 0; i < states.size(); ++i) {
    const PlannedFault& planned = (*entries)[i].planned;
    for (const Moment* moment : {&planned.when, &planned.until})
      entries->count_ops |= moment->kind == Moment::Kind::ops;
    if (planned.when.kind == Moment::Kind::time) states[i].when = begin + ns(planned.when.seconds);
    if (planned.until.kind == Moment::Kind::time) states[i].until = begin + ns(planned.until.seconds);
  }
  return std::make_shared<const ScheduleGenerator>(std::move(entries), std::move(states));
}

}  // namespace gameday::run
