// decide_speed OBJECT OPERATIONS [CLIENTS [INFO]]: milliseconds of one decision about a valid
// random history, of which a share INFO (0 to 1) of the operations never returned.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <set>

#include "checkers/linear/decide/decide.h"
#include "harness/core/rng.h"

namespace {

using namespace gameday;
using namespace gameday::linear;

struct History {
  std::vector<Operation> ops;
  Lists lists;
};

// Answers operations as the object would.
class Simulation {
 public:
  Simulation(std::string_view object, Rng& rng, History& history)
      : object_(object), rng_(rng), history_(history) {}

  void draw(Operation& op) {
    const bool adds = object_ == "set" || object_ == "log";
    op.kind = rng_.chance(adds ? reads_ : 0.5) ? 1 : 0;
    if (object_ == "register") op.kind = 1 - op.kind;
    if (object_ == "register" ? op.kind == kind::write : op.kind == 0) op.a = fresh_++;
    op.b = kUnknown;
  }
  void apply(Operation& op) {
    if (object_ == "register")
      return op.kind == kind::write ? void(value_ = op.a) : void(op.b = value_);
    if (object_ == "set" || object_ == "log") return apply_listed(op);
    if (op.kind == 0) {
      if (object_ == "priority-queue")
        ranked_.insert(op.a);
      else
        line_.push_back(op.a);
    } else {
      op.b = take();
    }
  }
  // Lists make a history quadratic: as many reads as keep its size within twenty a operation.
  void expect(std::size_t count) { reads_ = std::min(0.5, 20.0 / static_cast<double>(count)); }

 private:
  void apply_listed(Operation& op) {
    if (op.kind == 1)
      op.b = history_.lists.add(std::vector(line_.begin(), line_.end()));
    else {
      if (object_ == "log") op.b = static_cast<std::int32_t>(line_.size());
      line_.push_back(op.a);
    }
  }
  std::int32_t take() {
    if (line_.empty() && ranked_.empty()) return kNil;
    std::int32_t value = 0;
    if (object_ == "priority-queue") {
      value = *ranked_.rbegin();
      ranked_.erase(value);
    } else if (object_ == "stack") {
      value = line_.back();
      line_.pop_back();
    } else {
      const std::size_t at =
          object_ == "unordered-queue" ? rng_.below(std::min<std::size_t>(line_.size(), 8)) : 0;
      value = line_[at];
      line_.erase(line_.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return value;
  }

  std::string_view object_;
  Rng& rng_;
  History& history_;
  std::int32_t fresh_ = 0, value_ = kNil;
  double reads_ = 0.5;
  std::deque<std::int32_t> line_;
  std::set<std::int32_t> ranked_;
};

// Each client in turn calls, takes effect, returns; who comes next is drawn.
History simulate(std::string_view object, std::size_t count, std::size_t clients, double info) {
  Rng rng(1);
  History history;
  Simulation simulation(object, rng, history);
  simulation.expect(count);
  enum Phase { idle, called, done };
  struct Client {
    Phase phase = idle;
    std::size_t op = 0;
    bool pending = false;
  };
  std::vector<Client> client(clients);
  std::int64_t now = 0;
  for (std::size_t busy = clients; busy > 0;) {
    Client& c = client[rng.below(clients)];
    if (c.phase == idle) {
      if (history.ops.size() == count) break;
      c = {called, history.ops.size(), rng.chance(info)};
      history.ops.emplace_back();
      simulation.draw(history.ops.back());
      history.ops.back().call = now++;
    } else if (c.phase == called) {
      Operation& op = history.ops[c.op];
      if (!c.pending || rng.chance(0.5)) simulation.apply(op);
      if (c.pending && (op.kind != 0 || object == "log") && object != "register") op.b = kUnknown;
      c.phase = done;
    } else {
      if (!c.pending) history.ops[c.op].ret = now++;
      c.phase = idle;
    }
  }
  return history;
}

Decision decide(std::string_view object, const History& history) {
  const auto& ops = history.ops;
  if (object == "register") return decide_register(ops, kNil);
  if (object == "fifo-queue") return decide_fifo_queue(ops);
  if (object == "unordered-queue") return decide_unordered_queue(ops);
  if (object == "stack") return decide_stack(ops);
  if (object == "priority-queue") return decide_priority_queue(ops);
  if (object == "set") return decide_set(ops, history.lists);
  return decide_log(ops, history.lists);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: {} OBJECT OPERATIONS [CLIENTS [INFO]]\n", argv[0]);
    return 2;
  }
  const std::string_view object = argv[1];
  const std::size_t count = std::strtoull(argv[2], nullptr, 10);
  const std::size_t clients = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 10;
  const double info = argc > 4 ? std::strtod(argv[4], nullptr) : 0;
  const History history = simulate(object, count, std::max<std::size_t>(clients, 1), info);
  const auto start = std::chrono::steady_clock::now();
  const Decision decision = decide(object, history);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  fmt::print("{} {} operations, {} clients: {} in {:.1f} ms{}{}\n", object, count, clients,
             decision.applies ? to_string(decision.verdict) : "does not apply", took.count(),
             decision.why.empty() ? "" : ": ", decision.why);
  return decision.verdict == Verdict::valid || !decision.applies ? 0 : 1;
}
