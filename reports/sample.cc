#include "reports/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <tuple>

#include "harness/core/checker.h"
#include "harness/core/rng.h"

namespace gameday {
namespace {

constexpr double kSeconds = 30;
const std::vector<std::string> kFaults{
    "partition",  "packet",     "kill",            "pause",    "freeze",    "grey",      "clock",
    "power-loss", "torn-write", "file-corruption", "io-error", "disk-full", "resources", "membership"};

int clients_of(const SampleOptions& options) { return std::max(10, options.ops / 1500); }

std::int64_t ns(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

struct Stretch {
  double from, to;
  bool covers(double t) const { return t >= from && t < to; }
};
constexpr Stretch kCut{6.02, 14.11}, kKilled{11.3, 13.05}, kSkew{18, 23.5};

// One client thread: it works op after op, and takes a new process number after an info.
struct Thread {
  int process = 0;
  double time = 0;
};

struct Sampler {
  const SampleOptions& options;
  Rng rng{7};
  std::vector<Op> events{};
  std::vector<int> lost{};
  int next_value = 1, next_job = 1;

  void one(Thread& thread) {
    const std::string node = fmt::format("n{}", thread.process % 3 + 1);
    Op op;
    op.process = thread.process;
    op.node = node;
    op.time = ns(thread.time);
    Json result = choose(op);
    events.push_back(op);
    const bool stuck =
        kCut.covers(thread.time) && node == "n1" && op.f != "get" && op.f != "search";
    const bool down = kKilled.covers(thread.time) && node == "n2";
    double latency =
        0.0012 + rng.exponential(0.0016) + (rng.chance(0.01) ? rng.exponential(0.04) : 0);
    if (kCut.covers(thread.time)) latency += rng.exponential(0.006);
    if (kSkew.covers(thread.time)) latency *= 1.6;
    Op done = op;
    done.type = OpType::ok;
    done.value = result.is_null() ? op.value : result;
    if (down) {
      done.type = OpType::fail;
      done.value = op.value;
      done.error = "connection refused";
      latency = 0.0006;
    } else if (stuck && !(options.invalid && lost.size() < 3 && op.f == "append")) {
      done.type = rng.chance(0.75) ? OpType::info : OpType::fail;
      done.value = op.value;
      done.error = done.type == OpType::info ? "timeout after 1000 ms" : "not the leader";
      latency = done.type == OpType::info ? 1.0 : 0.002 + rng.exponential(0.003);
    } else if (op.f == "cas" && rng.chance(0.3)) {
      done.type = OpType::fail;
      done.error = "the document holds another value";
    } else if (stuck) {
      lost.push_back(static_cast<int>(events.size()) - 1);
    }
    if (!done.error.empty() && !options.attack.empty()) done.error += options.attack;
    done.time = ns(thread.time + latency);
    events.push_back(done);
    const double pause = rng.exponential(kSeconds * clients_of(options) / options.ops);
    thread.time += latency + std::max(0.0, pause - 0.003);
    if (done.type == OpType::info) thread.process += clients_of(options);
  }

  // Fills in f and value; returns the result, null where it is the value.
  Json choose(Op& op) {
    const auto key = rng.between(1, 9);
    const int value = next_value++;
    const double draw = rng.unit();
    if (draw < 0.4) {
      op.f = "append";
      op.value = {key, value};
      return {key, value, next_job++};
    }
    if (draw < 0.55) {
      op.f = "write";
      op.value = {key, value};
      return nullptr;
    }
    if (draw < 0.62) {
      op.f = "cas";
      op.value = {key, {value - 9, value}};
      return nullptr;
    }
    if (draw < 0.8) {
      op.f = "read";
      op.value = {key, nullptr};
      return {key, value - 3};
    }
    if (draw < 0.9) {
      op.f = "get";
      op.value = {key, nullptr};
      return {key, value - 5};
    }
    op.f = "search";
    op.value = "harbour" + options.attack;
    return rng.between(0, 40);
  }
};

Op nemesis(double time, const std::string& f, int id, const std::string& fault) {
  Op op;
  op.process = kNemesis;
  op.type = OpType::info;
  op.time = ns(time);
  op.f = f;
  op.value = {{"id", id}, {"fault", fault}};
  return op;
}

void add_final_reads(std::vector<Op>& events) {
  for (int node = 1; node <= 3; ++node) {
    Op op;
    op.process = 10'000 + node;
    op.node = fmt::format("n{}", node);
    op.time = ns(kSeconds + 0.6 + 0.02 * node);
    op.f = "lists";
    events.push_back(op);
    op.type = OpType::ok;
    op.time += ns(0.031);
    op.value = Json::object();
    for (int key = 1; key <= 9; ++key) {
      Json list = Json::array();
      for (int i = 1; i <= 40; ++i) list.push_back(600 + key + 9 * i);
      op.value[std::to_string(key)] = list;
    }
    events.push_back(op);
  }
}

FaultRecord fault(int id, const std::string& name, const std::string& summary, Stretch stretch,
                  const std::string& proof) {
  FaultRecord record;
  record.id = id;
  record.fault = name;
  record.summary = summary;
  record.requested = ns(stretch.from - 0.012);
  record.in_force = ns(stretch.from);
  record.heal_requested = ns(stretch.to - 0.009);
  record.healed = ns(stretch.to);
  record.proof = {!proof.empty(), proof, Json::object()};
  return record;
}

void add_faults(const SampleOptions& options, RunRecord& run) {
  run.faults = {fault(0, "partition", "cut n1 from n2, n3 in both directions", kCut,
                      "dropped 312 packets between n1 and n2, n3"),
                fault(1, "kill", "kill n2 with SIGKILL, start it again", kKilled,
                      "process 4121 of n2 was seen dead, 4188 was started"),
                fault(2, "clock", "put the clock of n3 forward by 60 s", kSkew,
                      "n3 read an offset of +60.001 s"),
                fault(3, "packet", "delay all packets to n2 by 80 ms", {20.5, 25}, "")};
  FaultRecord broken = fault(4, "io-error", "fail fsync on n2 with EIO" + options.attack, {26, 27}, "");
  broken.in_force = broken.heal_requested = broken.healed = -1;
  broken.error = "no loop device is free: losetup -f" + options.attack;
  run.faults.push_back(broken);
  // As many kinds as a run may have, some in force together.
  const std::tuple<const char*, const char*, Stretch, const char*> further[] = {
      {"pause", "stop every process of n3", {1.2, 2.1}, "3 threads of n3 stood still for 0.9 s"},
      {"freeze", "freeze the cgroup of n2", {2.4, 3.1}, "4 processes of n2 were frozen"},
      {"grey", "stop one thread of n1", {3.0, 4.4}, "thread 4127 did not run for 1.4 s"},
      {"resources", "let n3 have 10 % of a CPU", {4.6, 5.6}, "n3 was throttled 96 times"},
      {"power-loss", "cut the power of n2", {14.6, 15.1}, "9 unsynced writes were lost"},
      {"torn-write", "tear what n3 wrote last", {15.3, 15.9}, "3 of 8 sectors kept their old content"},
      {"file-corruption", "flip bits in n1's log", {15.8, 16.6}, "4 bits of raft.log were flipped"},
      {"io-error", "fail the 5th fsync of n1 with EIO", {16.2, 17.3}, "1 of 5 fsyncs failed"},
      {"disk-full", "let the disk of n3 be full", {17.0, 17.8}, "12 writes failed with ENOSPC"},
      {"membership", "add n4, then remove n1", {23.9, 25.6}, "the cluster went from 3 to 4 members"}};
  for (const auto& [name, summary, stretch, proof] : further)
    run.faults.push_back(fault(static_cast<int>(run.faults.size()), name, summary, stretch, proof));
  FaultRecord missed = fault(15, "kill", "kill -9 the leader", {0, 0}, "");
  missed.requested = missed.in_force = missed.heal_requested = missed.healed = -1;
  missed.error = "its moment never came: at the 9th new leader";
  run.faults.push_back(missed);
}

CheckResult checker(const std::string& name, Verdict verdict, const std::string& summary,
                    double seconds) {
  CheckResult result;
  result.checker = name;
  result.verdict = verdict;
  result.summary = summary;
  result.seconds = seconds;
  result.stats = {{"events", 10'000}, {"keys", 9}};
  return result;
}

// The appends that the sampler let n1 acknowledge, as the checker of lost writes would tell them.
CheckResult lost_writes(const RunRecord& run, const SampleOptions& options) {
  auto result = checker("lost-writes", Verdict::invalid, "3 acknowledged writes were lost", 0.41);
  std::int64_t last_read = static_cast<std::int64_t>(run.history.size()) - 1;
  while (last_read > 0 &&
         run.history.name(run.history.f(static_cast<std::size_t>(last_read))) != "lists")
    --last_read;
  for (std::size_t i = 0; i < run.history.size() && result.anomalies.size() < 3; ++i) {
    const Op op = run.history.op(i);
    if (op.f != "append" || op.type != OpType::ok || op.node != "n1" || op.time < ns(kCut.from))
      continue;
    Anomaly anomaly;
    anomaly.type = "lost-write";
    anomaly.invariant = "I3";
    anomaly.summary = fmt::format(
        "append {} to list {}, acknowledged by n1 with job {} at {:.2f} s while n1 was cut off, is "
        "on no node at the "
        "end",
        op.value[1].dump(), op.value[0].dump(), op.value[2].dump(),
        static_cast<double>(op.time) / 1e9);
    anomaly.explanation = {
        fmt::format("n1 acknowledged job {} in term 2; n2 was elected for term 3 at 6.94 s without "
                    "having it.",
                    op.value[2].dump()),
        "From 6.02 s to 14.11 s no packet passed between n1 and the two other nodes, so no "
        "majority can have "
        "stored the job when it was acknowledged.",
        fmt::format("The final lists of n1, n2 and n3 do not hold {}.", op.value[1].dump())};
    if (!options.attack.empty()) anomaly.explanation.push_back("n1 answered: " + options.attack);
    anomaly.ops = {static_cast<std::int64_t>(i), last_read};
    anomaly.detail = {
        {"key", op.value[0]}, {"value", op.value[1]}, {"term", 2}, {"text", options.attack}};
    result.anomalies.push_back(anomaly);
  }
  result.anomaly_count = result.anomalies.size();
  return result;
}

void add_results(const SampleOptions& options, RunRecord& run) {
  std::vector<CheckResult> results;
  if (options.invalid) results.push_back(lost_writes(run, options));
  results.push_back(checker("linearizable-register", Verdict::valid,
                            "9 keys, 2,104 ops, all linearizable", 1.92));
  results.push_back(
      checker("convergence", Verdict::valid, "the nodes agreed 0.61 s after the last heal", 0.02));
  if (options.invalid)
    results.push_back(checker("session-guarantees", Verdict::unknown,
                              "ran out of its budget of 60 s after 812 of 1,033 sessions", 60));
  results.push_back(checker("availability", Verdict::valid,
                            "97.1 % of local reads were answered within 50 ms", 0.01));
  Json checkers = Json::array();
  for (const auto& result : results) checkers.push_back(to_json(result));
  run.results = {{"verdict", options.invalid ? "INVALID" : "VALID"},
                 {"checkers", checkers},
                 {"duration", 31.2}};
}

}  // namespace

RunRecord sample_run(const SampleOptions& options) {
  RunRecord run;
  run.folder = "store/search/20261103T021455Z";
  run.nodes = {"n1", "n2", "n3"};
  run.test = {{"name", "search" + options.attack},
              {"system", "search"},
              {"workload", "all"},
              {"seed", 7},
              {"nodes", run.nodes},
              {"faults", kFaults},
              {"faults-left-out", {{{"fault", "x"}, {"reason", "not here"}}}},
              {"fault-families",
               {{"partition", "network"}, {"packet", "network"}, {"kill", "process"}, {"pause", "process"},
                {"freeze", "process"}, {"grey", "process"}, {"resources", "process"}, {"clock", "clock"},
                {"power-loss", "disk"}, {"torn-write", "disk"}, {"file-corruption", "disk"},
                {"io-error", "disk"}, {"disk-full", "disk"}, {"membership", "cluster"}}},
              {"bugs", options.invalid ? Json{"ack-before-commit"} : Json::array()},
              {"clients", clients_of(options)},
              {"rate", options.ops / 30},
              {"time-limit", 30},
              {"command",
               "gameday run search --workload all --faults all --bug "
               "ack-before-commit --nodes 3 --clients 10 --time-limit 30 --seed 7"},
              {"started", "2026-11-03T02:14:55Z"},
              {"version", "0.1.0"}};
  Sampler sampler{options};
  for (int client = 0; client < clients_of(options); ++client)
    for (Thread thread{client, 0.002 * client}; thread.time < kSeconds;) sampler.one(thread);
  add_faults(options, run);
  for (const auto& record : run.faults) {
    if (record.in_force < 0) continue;
    sampler.events.push_back(
        nemesis(static_cast<double>(record.in_force) / 1e9, "inject", record.id, record.fault));
    sampler.events.push_back(
        nemesis(static_cast<double>(record.healed) / 1e9, "heal", record.id, record.fault));
  }
  sampler.events.push_back(nemesis(kSeconds + 0.5, "heal-all", 0, ""));
  add_final_reads(sampler.events);
  std::stable_sort(sampler.events.begin(), sampler.events.end(),
                   [](const Op& a, const Op& b) { return a.time < b.time; });
  for (const Op& op : sampler.events)
    if (const auto added = run.history.append(op); !added)
      throw std::logic_error(added.error().message);
  add_results(options, run);
  return run;
}

}  // namespace gameday
