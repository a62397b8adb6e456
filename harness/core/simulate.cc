#include "harness/core/simulate.h"

#include <algorithm>
#include <limits>

namespace gameday {
namespace {

struct InFlight {
  std::int64_t time;
  Op completion;
};

class Simulator {
 public:
  Simulator(Gen g, const Simulation& s) : gen_(std::move(g)), simulation_(s) {
    processes_.push_back(kNemesis);
    for (int i = 0; i < s.clients; ++i) processes_.push_back(i);
    context_.clients = s.clients;
    for (std::size_t t = 0; t < processes_.size(); ++t) context_.all.set(t);
    context_.free = context_.all;
    context_.processes = processes_;
  }

  std::vector<Op> run() {
    while (context_.time <= simulation_.until_ns && history_.size() < simulation_.max_ops) {
      Step s = gen::step(gen_, context_);
      const std::int64_t completion = next_completion();
      if (s.kind == Step::Kind::op && s.op.time <= completion) {
        invoke(std::move(s));
      } else if (completion != std::numeric_limits<std::int64_t>::max()) {
        if (s.kind == Step::Kind::pending) gen_ = s.next;
        complete_first();
      } else if (s.kind == Step::Kind::pending) {
        gen_ = s.next;
        context_.time += 1'000'000;  // nothing in flight: only time can help
      } else {
        break;
      }
    }
    return std::move(history_);
  }

 private:
  std::int64_t next_completion() const {
    std::int64_t first = std::numeric_limits<std::int64_t>::max();
    for (const auto& f : in_flight_) first = std::min(first, f.time);
    return first;
  }

  void record(Op op) {
    op.index = static_cast<std::int64_t>(history_.size());
    gen_ = gen::update(gen_, context_, op);
    history_.push_back(std::move(op));
  }

  void invoke(Step s) {
    gen_ = std::move(s.next);
    context_.time = s.op.time;
    context_.free.reset(static_cast<std::size_t>(context_.thread_of(s.op.process)));
    ++context_.turn;
    const auto [latency, type] = simulation_.complete(s.op);
    Op completion = s.op;
    completion.type = type;
    completion.time = s.op.time + latency;
    in_flight_.push_back({completion.time, completion});
    record(std::move(s.op));
  }

  void complete_first() {
    const auto first = std::min_element(in_flight_.begin(), in_flight_.end(),
                                        [](auto& a, auto& b) { return a.time < b.time; });
    Op op = std::move(first->completion);
    in_flight_.erase(first);
    const auto thread = static_cast<std::size_t>(context_.thread_of(op.process));
    context_.time = std::max(context_.time, op.time);
    context_.free.set(thread);
    if (op.type == OpType::info && op.process != kNemesis)
      processes_[thread] = op.process + simulation_.clients;
    record(std::move(op));
  }

  Gen gen_;
  const Simulation& simulation_;
  std::vector<Process> processes_;
  Context context_;
  std::vector<InFlight> in_flight_;
  std::vector<Op> history_;
};

}  // namespace

std::vector<Op> simulate(Gen g, const Simulation& simulation) {
  return Simulator(std::move(g), simulation).run();
}

}  // namespace gameday
