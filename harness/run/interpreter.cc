#include "harness/run/interpreter.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace gameday::run {
namespace {

using Clock = Interpreter::Clock;

// How long to wait before a pending generator is asked again though nothing has happened.
constexpr std::chrono::milliseconds kPendingInterval{2};

constexpr int kNoThread = -1;  // of an event that is no completion

struct Done {
  int thread;
  std::uint64_t call;
  Op op;
  Clock::time_point time;
};

// Finished calls on their way to the interpreter. Shared with the workers, so that one which comes
// back after it was given up (and perhaps after the interpreter has ended) finds it still there.
class Inbox {
 public:
  void put(Done done) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(done));
    }
    changed_.notify_one();
  }
  std::optional<Done> take(Clock::time_point until) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, until, [&] { return !queue_.empty(); });
    if (queue_.empty()) return std::nullopt;
    Done done = std::move(queue_.front());
    queue_.pop_front();
    return done;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Done> queue_;
};

struct Call {
  std::uint64_t number;
  Op op;
  Deadline deadline;
};

// A worker's letter box: one call at a time, or the order to end.
struct Box {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<Call> call;
  bool end = false;
};

Completion invoke_safely(Worker& worker, const Call& call) {
  try {
    return worker.invoke(call.op, call.deadline);
  } catch (const std::exception& e) {
    return {OpType::info, nullptr, e.what()};
  }
}

void serve(int thread, const WorkerFactory& factory, Box& box, Inbox& inbox) {
  std::unique_ptr<Worker> worker;
  for (;;) {
    Call call;
    {
      std::unique_lock lock(box.mutex);
      box.changed.wait(lock, [&] { return box.end || box.call; });
      if (box.end) return;
      call = std::move(*box.call);
      box.call.reset();
    }
    if (!worker) worker = factory(thread);
    Completion completion = invoke_safely(*worker, call);
    Op op = std::move(call.op);
    op.type = completion.type;
    op.error = std::move(completion.error);
    if (!completion.value.is_null()) op.value = std::move(completion.value);
    inbox.put({thread, call.number, std::move(op), Clock::now()});
  }
}

// A running worker thread. A stuck one is let go: it owns all that it touches.
class WorkerThread {
 public:
  WorkerThread(int thread, std::shared_ptr<const WorkerFactory> factory,
               std::shared_ptr<Inbox> inbox)
      : box_(std::make_shared<Box>()) {
    thread_ = std::thread([thread, factory = std::move(factory), inbox = std::move(inbox),
                           box = box_] { serve(thread, *factory, *box, *inbox); });
  }
  ~WorkerThread() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(box_->mutex);
      box_->end = true;
    }
    box_->changed.notify_one();
    thread_.join();
  }
  WorkerThread(const WorkerThread&) = delete;
  WorkerThread& operator=(const WorkerThread&) = delete;

  void call(Call c) {
    {
      const std::lock_guard lock(box_->mutex);
      box_->call = std::move(c);
    }
    box_->changed.notify_one();
  }
  void abandon() {
    {
      const std::lock_guard lock(box_->mutex);
      box_->end = true;
    }
    thread_.detach();
  }

 private:
  std::shared_ptr<Box> box_;
  std::thread thread_;
};

struct Slot {
  std::unique_ptr<WorkerThread> worker;
  std::optional<Call> open;  // the call in flight
};

}  // namespace

class Interpreter::Impl {
 public:
  Impl(InterpreterOptions options, WorkerFactory factory, Recorder& recorder,
       Clock::time_point start)
      : options_(std::move(options)),
        factory_(std::make_shared<const WorkerFactory>(std::move(factory))),
        recorder_(recorder),
        start_(start),
        slots_(static_cast<std::size_t>(options_.clients) + 1) {
    processes_.push_back(kNemesis);
    for (int i = 0; i < options_.clients; ++i) processes_.push_back(i);
    for (std::size_t t = 0; t < slots_.size(); ++t) {
      slots_[t].worker = std::make_unique<WorkerThread>(static_cast<int>(t), factory_, inbox_);
      context_.all.set(t);
    }
    context_.clients = options_.clients;
    context_.free = context_.all;
    context_.processes = processes_;
  }

  Status run(Gen g, std::chrono::milliseconds op_deadline, std::stop_token stop) {
    op_deadline_ = op_deadline;
    while (!stop.stop_requested()) {
      if (auto handled = handle_completions(g, Clock::now()); !handled) return handled;
      context_.time = now();
      Step s = gen::step(g, context_);
      if (s.kind == Step::Kind::done) break;
      const auto wake = s.kind == Step::Kind::pending ? Clock::now() + kPendingInterval
                                                      : at(s.op.time);
      if (s.kind == Step::Kind::pending || s.op.time > context_.time) {
        if (s.kind == Step::Kind::pending) g = std::move(s.next);
        // Not later than in 50 ms, so that a stop is seen soon.
        const auto until = std::min(wake, Clock::now() + std::chrono::milliseconds(50));
        if (auto handled = handle_completions(g, until); !handled) return handled;
        continue;
      }
      g = std::move(s.next);
      if (auto begun = invoke(g, std::move(s.op)); !begun) return begun;
    }
    if (stop.stop_requested()) {
      const auto latest = Clock::now() + options_.patience - options_.grace;
      for (std::size_t t = 1; t < slots_.size(); ++t)
        if (auto& open = slots_[t].open) open->deadline = std::min(open->deadline, latest);
    }
    while (context_.free != context_.all)
      if (auto handled = handle_completions(g, Clock::now() + std::chrono::milliseconds(50));
          !handled)
        return handled;
    return {};
  }

  void post(std::string f, Json value) {
    Op op;
    op.process = kNemesis;
    op.type = OpType::info;
    op.f = std::move(f);
    op.value = std::move(value);
    inbox_->put({kNoThread, 0, std::move(op), Clock::now()});
  }

  std::int64_t now() const {
    return std::chrono::nanoseconds(Clock::now() - start_).count();
  }

 private:
  Clock::time_point at(std::int64_t ns) const { return start_ + std::chrono::nanoseconds(ns); }

  Status record(Gen& g, Op op) {
    // Recorded time never goes back: a completion that a worker stamped before the last event was
    // recorded moves up to it. That only widens the op, which is sound for every checker.
    op.time = last_time_ = std::max(op.time, last_time_);
    if (auto recorded = recorder_.record(op); !recorded) return recorded;
    context_.time = op.time;
    g = gen::update(g, context_, op);
    return {};
  }

  Status invoke(Gen& g, Op op) {
    const auto thread = static_cast<std::size_t>(context_.thread_of(op.process));
    const bool nemesis = op.process == kNemesis;
    op.type = nemesis ? OpType::info : OpType::invoke;
    op.time = now();
    if (!nemesis && op.node.empty() && !options_.nodes.empty())
      op.node = options_.nodes[(thread - 1) % options_.nodes.size()];
    const Deadline deadline =
        Clock::now() + (nemesis ? options_.nemesis_deadline : op_deadline_);
    Call call{++calls_, op, deadline};
    context_.free.reset(thread);
    ++context_.turn;
    if (auto recorded = record(g, std::move(op)); !recorded) return recorded;
    slots_[thread].open = call;
    slots_[thread].worker->call(std::move(call));
    return {};
  }

  // Takes what has finished; waits until `until` for the first, then takes only what is there.
  Status handle_completions(Gen& g, Clock::time_point until) {
    while (auto done = inbox_->take(until)) {
      until = Clock::time_point::min();
      if (done->thread == kNoThread) {
        done->op.time = std::chrono::nanoseconds(done->time - start_).count();
        if (auto recorded = record(g, std::move(done->op)); !recorded) return recorded;
        continue;
      }
      Slot& slot = slots_[static_cast<std::size_t>(done->thread)];
      if (!slot.open || slot.open->number != done->call) continue;  // given up long ago
      done->op.time = std::chrono::nanoseconds(done->time - start_).count();
      if (auto completed = complete(g, done->thread, std::move(done->op)); !completed)
        return completed;
    }
    return give_up_stuck(g);
  }

  Status complete(Gen& g, int thread, Op op) {
    const auto t = static_cast<std::size_t>(thread);
    slots_[t].open.reset();
    const bool renew = op.type == OpType::info && thread != kNemesisThread;
    const Process process = op.process;
    if (thread == kNemesisThread) op.type = OpType::info;
    context_.free.set(t);
    if (auto recorded = record(g, std::move(op)); !recorded) return recorded;
    if (renew) processes_[t] = process + options_.clients;
    return {};
  }

  Status give_up_stuck(Gen& g) {
    const auto now_point = Clock::now();
    for (std::size_t t = 0; t < slots_.size(); ++t) {
      Slot& slot = slots_[t];
      if (!slot.open || now_point < slot.open->deadline + options_.grace) continue;
      Op op = slot.open->op;
      op.type = OpType::info;
      op.time = now();
      op.error = "the client was not waited for any longer";
      slot.worker->abandon();
      slot.worker = std::make_unique<WorkerThread>(static_cast<int>(t), factory_, inbox_);
      if (auto completed = complete(g, static_cast<int>(t), std::move(op)); !completed)
        return completed;
    }
    return {};
  }

  InterpreterOptions options_;
  std::chrono::milliseconds op_deadline_{0};
  std::shared_ptr<const WorkerFactory> factory_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  Recorder& recorder_;
  Clock::time_point start_;
  std::vector<Process> processes_;
  Context context_;
  std::vector<Slot> slots_;
  std::uint64_t calls_ = 0;
  std::int64_t last_time_ = 0;
};

Interpreter::Interpreter(InterpreterOptions options, WorkerFactory factory, Recorder& recorder,
                         Clock::time_point start)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(factory), recorder, start)) {}
Interpreter::~Interpreter() = default;
Status Interpreter::run(Gen g, std::chrono::milliseconds op_deadline, std::stop_token stop) {
  return impl_->run(std::move(g), op_deadline, std::move(stop));
}
void Interpreter::post(std::string f, Json value) { impl_->post(std::move(f), std::move(value)); }
std::int64_t Interpreter::now() const { return impl_->now(); }

}  // namespace gameday::run
