// The interpreter: asks a generator what to do and has one thread a worker do it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "harness/core/error.h"
#include "harness/core/generator.h"
#include "harness/core/system.h"

namespace gameday::run {

// Where events go, in the order in which they are recorded. Called from the interpreter's thread
// (the one that calls run()) only; sets op.index.
class Recorder {
 public:
  virtual ~Recorder() = default;
  virtual Status record(Op& op) = 0;
};

// What a worker thread does with an invocation. One object a thread; made and used on that thread.
class Worker {
 public:
  virtual ~Worker() = default;
  // Must return by the deadline; if it does not, the interpreter records info and replaces it.
  virtual Completion invoke(const Op& op, Deadline deadline) = 0;
};
// thread: 0 is the nemesis, clients count from 1.
using WorkerFactory = std::function<std::unique_ptr<Worker>(int thread)>;

struct InterpreterOptions {
  int clients = 1;
  // Client thread t talks to nodes[(t - 1) % size] where an op names no node itself.
  std::vector<std::string> nodes;
  std::chrono::milliseconds nemesis_deadline{30'000};  // of an injection or a heal
  std::chrono::milliseconds grace{1'000};  // how long past its deadline a call is waited for
  // How long a client's call in flight is waited for once a stop is requested; then it is info.
  std::chrono::milliseconds patience{250};
};

// Threads start with the object and end with it. Process numbers go on over several runs.
class Interpreter {
 public:
  using Clock = std::chrono::steady_clock;

  Interpreter(InterpreterOptions options, WorkerFactory factory, Recorder& recorder,
              Clock::time_point start);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Runs the generator to its end, or until stop is requested; then waits for the ops in flight,
  // after a stop not for long.
  // A client's op gets `op_deadline`. Fails only if an event could not be recorded.
  Status run(Gen g, std::chrono::milliseconds op_deadline, std::stop_token stop);

  // Something has happened that is no op, such as a call in a node: recorded as an info event of the
  // nemesis, and shown to the generator. Any thread, as long as the object lives; between two runs
  // it waits for the next.
  void post(std::string f, Json value);

  std::int64_t now() const;  // ns since `start`

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gameday::run
