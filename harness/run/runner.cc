#include "harness/run/runner.h"

#include <thread>

#include "harness/run/cluster.h"
#include "harness/run/interpreter.h"
#include "harness/run/journal.h"
#include "harness/run/log.h"
#include "harness/run/nemesis_driver.h"
#include "harness/run/progress.h"
#include "harness/run/store.h"

namespace gameday::run {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kFinalDeadline = 20s;  // of one final read: it may return every job of the run
constexpr auto kProbeInterval = 100ms;
constexpr auto kStatusLimit = 400ms;  // a probe must not wait for a paused node

// history.jsonl, and the live figures beside it.
class HistoryRecorder final : public Recorder {
 public:
  HistoryRecorder(LineFile file, Progress& progress)
      : file_(std::move(file)), progress_(progress) {}
  // From now on; nullptr: no more.
  void watch_with(Watcher* watcher) { watcher_ = watcher; }
  Status record(Op& op) override {
    op.index = next_++;
    progress_.count(op);
    if (watcher_ != nullptr) watcher_->record(op);
    return file_.append(dump(to_json(op)));
  }

 private:
  LineFile file_;
  Progress& progress_;
  Watcher* watcher_ = nullptr;
  std::int64_t next_ = 0;
};

// A client thread: one open client a node, all of them new when the process is.
class ClientWorker final : public Worker {
 public:
  ClientWorker(const System& system, const std::vector<Node>& nodes)
      : system_(system), nodes_(nodes) {}

  Completion invoke(const Op& op, Deadline deadline) override {
    if (op.process != process_) clients_.clear();
    process_ = op.process;
    for (const auto& node : nodes_) {
      if (node.name != op.node) continue;
      auto& client = clients_[op.node];
      if (op.f == "status" || op.f == "final-status") return status(node, deadline);
      if (!client) client = system_.client(node, nodes_);
      return client->invoke(op, deadline);
    }
    return {OpType::fail, nullptr, "there is no node " + op.node};
  }

 private:
  // What a node says of itself, as checkers and schedules read it.
  Completion status(const Node& node, Deadline deadline) const {
    const auto status = system_.status(node, std::min<Deadline>(deadline, Clock::now() + kStatusLimit));
    if (!status) return {OpType::fail, nullptr, "no answer"};
    Json value = status->raw;
    if (!value.contains("role")) value["role"] = status->primary ? "leader" : "follower";
    if (!value.contains("term") && status->term) value["term"] = *status->term;
    return {OpType::ok, std::move(value), ""};
  }

  const System& system_;
  const std::vector<Node> nodes_;  // a worker that is not waited for may outlive the cluster
  Process process_ = kAnyProcess;
  std::map<std::string, std::unique_ptr<Client>> clients_;
};

class NemesisWorker final : public Worker {
 public:
  explicit NemesisWorker(std::shared_ptr<NemesisDriver> driver) : driver_(std::move(driver)) {}
  Completion invoke(const Op& op, Deadline) override { return driver_->perform(op); }

 private:
  std::shared_ptr<NemesisDriver> driver_;  // a worker that is not waited for may outlive the run
};

// Every node is asked for its status all the time, by a thread of its own: roles, terms and state
// hashes over time are what the election and apply-order checkers judge.
Gen probe_generator() {
  return gen::each_thread(
      gen::delay(std::chrono::nanoseconds(kProbeInterval).count(),
                 gen::stream(0, [](Rng&, std::int64_t) {
                   Op op;
                   op.f = "status";
                   return op;
                 })));
}

// The state of a run, built up phase by phase.
class Run {
 public:
  Run(const RunPlan& plan, const StopSignals& signals, fs::path folder, Log log, Journal journal,
      LineFile history)
      : plan_(plan),
        signals_(signals),
        folder_(std::move(folder)),
        log_(std::move(log)),
        journal_(std::move(journal)),
        progress_(plan.quiet),
        recorder_(std::move(history), progress_) {}

  Status execute() {
    for (const auto& [fault, reason] : plan_.left_out) say(fmt::format("without {}: {}", fault, reason));
    if (auto planned = journal_.plan(plan_.schedule); !planned) return planned;
    if (auto started = start_cluster(); !started) return started;
    make_nemeses();
    Interpreter interpreter(interpreter_options(), worker_factory(), recorder_, start_);
    if (auto ran = run_clients_and_faults(interpreter); !ran) return ran;
    if (auto healed = heal(interpreter); !healed) return healed;
    if (auto read = final_reads(interpreter); !read) return read;
    return {};
  }

  // Ends the servers; their exit status is part of what is stored.
  void stop_cluster() {
    if (!cluster_) return;
    progress_.phase("stopping the cluster");
    // Faults are undone in a lab that still stands; also when the run has failed half-way.
    progress_.watch_faults({});
    if (driver_) (void)driver_->heal_all();
    driver_.reset();
    cluster_->stop();
    cluster_.reset();
    log_.write("cluster stopped");
  }

  Progress& progress() { return progress_; }
  Log& log() { return log_; }

 private:
  void say(const std::string& text) {
    progress_.message(text);
    log_.write(text);
  }

  Status start_cluster() {
    progress_.phase("starting the cluster");
    auto cluster = Cluster::start(*plan_.system, cluster_options(), log_);
    if (!cluster) return tl::make_unexpected(cluster.error());
    cluster_ = std::move(*cluster);
    auto ready = cluster_->wait_ready(Clock::now() + plan_.system->patience(), signals_.everything());
    if (!ready) return tl::make_unexpected(ready.error());
    log_.write(fmt::format("lab in {:.0f} ms, first write acknowledged after {:.0f} ms",
                           cluster_->lab_ms(), *ready));
    const Json startup = {{"lab-ms", cluster_->lab_ms()}, {"first-write-ms", *ready}};
    return write_file(folder_ / "startup.json", dump(startup) + "\n");
  }

  ClusterOptions cluster_options() const {
    ClusterOptions options;
    options.nodes = plan_.nodes;
    options.folder = folder_;
    for (const auto& planned : plan_.schedule)
      for (const auto& kind : plan_.faults)
        if (kind.name == planned.fault && kind.needs) options.prepare |= kind.needs(planned.parameters);
    for (const auto& planned : plan_.schedule)
      if (planned.when.event == kFsync) options.prepare |= {.syscalls = lab::kSyncCalls};
    return options;
  }

  void make_nemeses() {
    const NemesisPorts ports{cluster_->lab(), [this] { return cluster_->primaries(); },
                             [this](const std::string& node) { return cluster_->wall_clock(node); },
                             plan_.system->membership()};
    std::vector<std::unique_ptr<Nemesis>> nemeses;
    for (const auto& kind : plan_.faults) nemeses.push_back(kind.make(ports));
    driver_ = std::make_shared<NemesisDriver>(std::move(nemeses), journal_,
                                              [this] { return since_start(); });
    progress_.watch_faults([driver = driver_] { return driver->in_force(); });
  }

  InterpreterOptions interpreter_options() const {
    InterpreterOptions options;
    options.clients = plan_.nodes + plan_.clients;  // a probe for every node comes first
    for (const auto& node : cluster_->nodes()) options.nodes.push_back(node.name);
    return options;
  }

  WorkerFactory worker_factory() {
    return [this](int thread) -> std::unique_ptr<Worker> {
      if (thread == kNemesisThread) return std::make_unique<NemesisWorker>(driver_);
      return std::make_unique<ClientWorker>(*plan_.system, cluster_->nodes());
    };
  }

  Status run_clients_and_faults(Interpreter& interpreter) {
    progress_.phase(fmt::format("running for {:g} s", plan_.seconds));
    log_.write("clients begin");
    const Gen clients = gen::clients(gen::reserve({{plan_.nodes, probe_generator()}},
                                                  plan_.workload->clients(plan_.workload_options)));
    const auto watches = watch_nodes(interpreter);
    if (!watches) return tl::make_unexpected(watches.error());
    const Gen faults = schedule_generator(plan_.schedule, interpreter.now());
    const Gen all = gen::time_limit(static_cast<std::int64_t>(plan_.seconds * 1e9),
                                    gen::any({faults, clients}));
    auto ran = run_watched(interpreter, all);
    if (!violation_.empty()) progress_.message("--fail-fast: " + violation_);
    if (signals_.requested()) {
      interrupted_ = true;
      progress_.message("interrupted: healing, then final reads and the report (once more to skip)");
      log_.write("interrupted");
    }
    return ran;
  }

  // Tells the schedule of what happens in nodes, for as long as the result lives.
  Result<std::vector<lab::FileFaults::Watch>> watch_nodes(Interpreter& interpreter) {
    std::vector<lab::FileFaults::Watch> watches;
    for (std::size_t i = 0; i < plan_.schedule.size(); ++i) {
      const Moment& when = plan_.schedule[i].when;
      if (when.event != kFsync) continue;
      std::string node = when.node;
      if (node == "leader") {
        const auto primaries = cluster_->primaries();
        node = primaries.empty() ? cluster_->nodes().front().name : primaries.front();
      }
      auto files = cluster_->lab().files(node);
      if (!files) return tl::make_unexpected(files.error());
      const Json event = {{"event", kFsync}, {"id", i + 1}, {"node", node}, {"nth", when.count}};
      auto watch = (*files)->watch({}, static_cast<std::uint64_t>(when.count), false,
                                   [&interpreter, event](const lab::FileFaults::Event&) {
                                     interpreter.post("event", event);
                                   });
      if (!watch) return tl::make_unexpected(watch.error());
      watches.push_back(std::move(*watch));
    }
    return watches;
  }

  // Until the generator ends, somebody stops the run, or what is watched for is seen.
  Status run_watched(Interpreter& interpreter, const Gen& all) {
    if (!plan_.watch) return interpreter.run(all, plan_.op_deadline, signals_.main_phase());
    std::stop_source stop;
    const std::stop_callback on_signal(signals_.main_phase(), [&] { stop.request_stop(); });
    std::string violation;  // written by the watcher's thread, read when that has ended
    Status ran;
    {
      Watcher watcher(plan_.watch, [&](const std::string& found) {
        violation = found;
        log_.write("fail-fast: " + found);
        stop.request_stop();
      });
      recorder_.watch_with(&watcher);
      ran = interpreter.run(all, plan_.op_deadline, stop.get_token());
      recorder_.watch_with(nullptr);
    }
    violation_ = std::move(violation);
    return ran;
  }

  Status heal(Interpreter& interpreter) {
    progress_.phase("healing");
    const Status healed = driver_->heal_all();
    if (!interrupted_ && violation_.empty()) driver_->never_came(plan_.schedule);
    if (auto noted = note(interpreter, "heal-all", interruption()); !noted)
      return noted;
    if (!healed) return fail("a fault could not be healed: {}", healed.error().message);
    if (const auto verified = cluster_->lab().verify_healed(); !verified)
      return fail("not everything is healed: {}", verified.error().message);
    if (auto noted = note_exits(interpreter); !noted) return noted;
    cluster_->revive();
    progress_.phase("waiting for the cluster");
    const auto begin = Clock::now();
    const bool settled = cluster_->settle(begin + plan_.system->patience(), signals_.everything());
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    log_.write(fmt::format("{} after {:.2f} s", settled ? "settled" : "not settled", seconds));
    // What was started again may have ended again: a server whose files are damaged is right to.
    if (auto noted = note_exits(interpreter); !noted) return noted;
    Json value = {{"ok", settled}, {"seconds", seconds}};
    if (const auto missing = cluster_->not_running(); !missing.empty()) {
      value["without"] = missing;
      value["running"] = cluster_->nodes().size() - missing.size();
    }
    return note(interpreter, "settled", std::move(value));
  }

  Status note_exits(const Interpreter& interpreter) {
    for (const auto& exit : cluster_->new_exits()) {
      const std::string what = lab::describe(exit);
      progress_.message("a server ended by itself: " + what);
      const auto at = std::chrono::duration_cast<std::chrono::nanoseconds>(exit.at - start_).count();
      if (auto noted = note(interpreter, "node-exit",
                            {{"node", exit.node}, {"what", what}, {"time", at}});
          !noted)
        return noted;
    }
    return {};
  }

  Json interruption() const {
    Json value = {{"interrupted", interrupted_}};
    if (interrupted_) value["signal"] = signals_.name();
    if (!violation_.empty()) value["fail-fast"] = violation_;
    return value;
  }

  Status final_reads(Interpreter& interpreter) {
    if (signals_.everything().stop_requested()) return {};
    progress_.phase("final reads");
    std::vector<Gen> reads;
    for (const auto& node : cluster_->nodes()) {
      Op op;
      op.f = "final-status";
      op.node = node.name;
      reads.push_back(gen::once(std::move(op)));
    }
    if (Gen own = plan_.workload->final_reads(plan_.workload_options)) reads.push_back(std::move(own));
    auto read = interpreter.run(gen::clients(gen::sequence(std::move(reads))), kFinalDeadline,
                                signals_.everything());
    log_.write("final reads done");
    return read;
  }

  // An event of the run itself, in the history for checkers to see.
  Status note(const Interpreter& interpreter, std::string f, Json value) {
    Op op;
    op.process = kNemesis;
    op.type = OpType::info;
    op.f = std::move(f);
    op.time = interpreter.now();
    op.value = std::move(value);
    return recorder_.record(op);
  }

  std::int64_t since_start() const { return std::chrono::nanoseconds(Clock::now() - start_).count(); }

  const RunPlan& plan_;
  const StopSignals& signals_;
  const fs::path folder_;
  Log log_;
  Journal journal_;
  Progress progress_;
  HistoryRecorder recorder_;
  const Clock::time_point start_ = Clock::now();
  bool interrupted_ = false;
  std::string violation_;  // what --fail-fast saw; empty: nothing
  std::unique_ptr<Cluster> cluster_;
  std::shared_ptr<NemesisDriver> driver_;
};

}  // namespace

Judged judge(const fs::path& folder, const RunPlan& plan) {
  Judged judged{load_run(folder), {}};
  judged.record.results = plan.check(judged.record);
  judged.stored = write_file(folder / "results.json", dump(judged.record.results, 2) + "\n");
  if (judged.stored) judged.stored = plan.report(judged.record);
  return judged;
}

Result<Judged> execute(const RunPlan& plan, const StopSignals& signals) {
  auto folder = create_run_folder(plan.store, plan.name);
  if (!folder) return tl::make_unexpected(folder.error());
  if (auto written = write_file(*folder / "test.json", dump(plan.test, 2) + "\n"); !written)
    return tl::make_unexpected(written.error());
  auto log = Log::create(*folder / "gameday.log");
  if (!log) return tl::make_unexpected(log.error());
  auto faults = LineFile::create(*folder / "faults.jsonl");
  if (!faults) return tl::make_unexpected(faults.error());
  auto history = LineFile::create(*folder / "history.jsonl");
  if (!history) return tl::make_unexpected(history.error());

  Run run(plan, signals, *folder, std::move(*log), Journal(std::move(*faults)),
          std::move(*history));
  const Status executed = [&]() -> Status {
    try {
      return run.execute();
    } catch (const std::exception& e) {  // of a library: out of files, out of threads
      return fail("{}", e.what());
    }
  }();
  run.stop_cluster();
  if (!executed) {
    run.log().write("failed: " + executed.error().message);
    run.progress().end();
    // What was recorded before is still worth a report; the failure stays the answer.
    (void)judge(*folder, plan);
    return fail("{} (the run's folder: {})", executed.error().message, folder->string());
  }
  run.progress().phase("checking");
  auto judged = judge(*folder, plan);
  run.log().write(judged.stored ? "checked and reported" : judged.stored.error().message);
  run.progress().end();
  return judged;
}

}  // namespace gameday::run
