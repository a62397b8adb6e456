// Generators: pure values that say what to do next.
//
// Given a context (the time, which threads are free) a generator answers one of
//   - an op, to be invoked at op.time (now or later) by op.process, and the generator to ask next;
//   - pending: nothing yet, ask again when something has changed;
//   - done: nothing ever again.
// Asking does not change a generator, so the interpreter may ask, wait, and ask again; only the
// answer's `next` moves it on. Every invocation and completion is shown to the generator through
// update(). Randomness is a seeded Rng inside the value: a generator replays exactly, and runs the
// same against a simulated clock (simulate.h) as against a real one. The contract is that of
// Jepsen's generator library (jepsen.generator, 0.2 and later).
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "harness/core/op.h"
#include "harness/core/rng.h"

namespace gameday {

// Thread 0 runs the nemesis; threads 1..clients run clients.
inline constexpr int kNemesisThread = 0;
inline constexpr std::size_t kMaxThreads = 512;
using Threads = std::bitset<kMaxThreads>;

struct Context {
  std::int64_t time = 0;  // ns
  int clients = 0;        // client threads of the whole run
  Threads all;            // the threads this generator may use ...
  Threads free;           // ... and which of them are idle
  std::span<const Process> processes;  // by thread: the process it currently runs
  std::uint64_t turn = 0;              // grows with every op: picks among free threads in turn

  int thread_of(Process process) const {
    return process == kNemesis ? kNemesisThread : process % clients + 1;
  }
  Context restricted(const Threads& threads) const {
    Context c = *this;
    c.all &= threads;
    c.free &= threads;
    return c;
  }
};

class Generator;
using Gen = std::shared_ptr<const Generator>;  // null: done

struct Step {
  enum class Kind { op, pending, done };
  Kind kind = Kind::done;
  Op op;
  Gen next;
};

class Generator : public std::enable_shared_from_this<Generator> {
 public:
  virtual ~Generator() = default;
  virtual Step step(const Context& context) const = 0;
  virtual Gen update(const Context& context, const Op& event) const;
};

namespace gen {

// A question to a generator that may be null (done).
Step step(const Gen& g, const Context& context);
Gen update(const Gen& g, const Context& context, const Op& event);

// Makes an op of a template: fills in time and process from the context. Pending when the process
// asked for, or any process, is not free.
Step emit(Op op, const Context& context, Gen next);

// Makes the n-th op (from 0) of a stream.
using OpFunction = std::function<Op(Rng&, std::int64_t n)>;

Gen once(Op op);
Gen stream(std::uint64_t seed, OpFunction f);  // f's ops for ever; pure through the copied Rng
Gen sequence(std::vector<Gen> parts);          // one after the other
Gen phases(std::vector<Gen> parts);            // the same, all threads idle in between
Gen synchronize(Gen g);                        // waits until all threads are idle, then g
Gen limit(std::int64_t count, Gen g);
Gen time_limit(std::int64_t ns, Gen g);             // counts from the first question
Gen stagger(std::int64_t mean_ns, std::uint64_t seed, Gen g);  // between ops: uniform in 0..2 mean
Gen delay(std::int64_t ns, Gen g);                  // between ops: ns
Gen schedule(std::vector<Op> ops);  // each at its own op.time (ns of the run), in that order
Gen mix(std::uint64_t seed, std::vector<Gen> parts);  // one of them at random for every op
Gen any(std::vector<Gen> parts);                    // whichever is ready first
Gen each_thread(Gen g);                             // a copy of g for every thread
Gen clients(Gen g);                                 // only on client threads
Gen nemesis(Gen g);                                 // only on the nemesis thread
// The first n_1 client threads run the first generator and so on; what is left runs `rest`.
Gen reserve(std::vector<std::pair<int, Gen>> parts, Gen rest);

}  // namespace gen
}  // namespace gameday
