#include "harness/cli/check_model.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <thread>

#include "checkers/events/read.h"
#include "checkers/independent.h"
#include "checkers/txn/consistency.h"
#include "harness/cli/commands.h"
#include "harness/run/store.h"

namespace gameday::cli {
namespace {

using Clock = std::chrono::steady_clock;

// The first Ctrl-C asks the check to say what it knows; the second ends the program.
std::atomic<bool> stop_requested = false;
extern "C" void on_signal(int signal) {
  stop_requested.store(true);
  std::signal(signal, SIG_DFL);
}

// "512M", "4G", "1.5GiB", "4096" (bytes).
Result<std::size_t> parse_size(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  std::string unit(end);
  for (const std::string_view suffix : {"iB", "ib", "B", "b"})
    if (unit.ends_with(suffix)) {
      unit.resize(unit.size() - suffix.size());
      break;
    }
  static const std::string_view kUnits = "KMGT";
  const auto power = unit.empty() ? std::size_t{0}
                     : unit.size() == 1 ? kUnits.find(static_cast<char>(std::toupper(unit[0]))) + 1
                                        : std::string_view::npos;
  const double bytes = number * std::pow(1024.0, static_cast<double>(power % 8));
  if (end == text.c_str() || power > 4 || !(bytes >= 1 << 20) || bytes > 1e15)
    return fail("--memory must be a size of at least 1M such as 512M or 4G, not \"{}\"", text);
  return static_cast<std::size_t>(bytes);
}

std::size_t kilobytes_of(const char* file, const std::string& field) {
  std::ifstream in(file);
  for (std::string name, rest; in >> name && std::getline(in, rest);)
    if (name == field) return std::strtoull(rest.c_str(), nullptr, 10);
  return 0;
}

std::size_t free_memory() {
  const std::size_t available = kilobytes_of("/proc/meminfo", "MemAvailable:") << 10;
  return available == 0 ? std::size_t{4} << 30 : available;
}

// What goes beyond the limit is std::bad_alloc where it is asked for, and UNKNOWN with that reason,
// rather than a process that the kernel kills.
void limit_memory(std::size_t bytes) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return;
  const rlim_t wanted = bytes + (kilobytes_of("/proc/self/status", "VmData:") << 10);
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limit.rlim_max);
  ::setrlimit(RLIMIT_DATA, &limit);
}

struct Judgement {
  std::string file;
  CheckResult result;
  std::string error;  // it could not be read
  std::size_t ops = 0;
  double read_seconds = 0;
};

Judgement judge(const Model& model, const ModelCheckOptions& o, const std::string& file,
                std::size_t memory) {
  Judgement j;
  j.file = file;
  const auto begin = Clock::now();
  const unsigned threads = o.threads != 0 ? o.threads : std::max(1u, std::thread::hardware_concurrency());
  std::atomic<bool> out_of_memory = false;
  const ReadOptions reading{*parse_format(o.format), threads, memory, &stop_requested, &out_of_memory};
  auto events = read_events(file, reading);
  j.read_seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  if (!events) {
    if (stop_requested) {
      j.result.summary = "interrupted while reading";
    } else if (out_of_memory) {
      j.result.summary = events.error().message;
    } else {
      j.error = events.error().message;
    }
    return j;
  }
  j.ops = events->pairs().size();
  Limits limits;
  limits.memory_bytes = memory > events->bytes() ? memory - events->bytes() : 0;
  if (o.timeout > 0)
    limits.deadline = begin + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(std::min(o.timeout, 1e9)));
  limits.stop = &stop_requested;
  limits.threads = threads;
  const ModelInput input{*events, o.options, limits};
  if (!o.independent) {
    j.result = check_model(model, input);
    return j;
  }
  const auto check_begin = Clock::now();
  j.result = check_independent(model, input);
  j.result.seconds = std::chrono::duration<double>(Clock::now() - check_begin).count();
  return j;
}

Json valid_of(Verdict verdict) {
  if (verdict == Verdict::unknown) return "unknown";
  return verdict == Verdict::valid;
}

Json to_json(const Judgement& j, const std::string& model) {
  Json by_type = Json::object();
  for (const auto& type : j.result.anomaly_types) by_type[type] = Json::array();
  for (const auto& anomaly : j.result.anomalies) by_type[anomaly.type].push_back(to_json(anomaly));
  Json types = Json::array();
  for (const auto& [type, ignored] : by_type.items()) types.push_back(type);
  Json json = {{"file", j.file},
               {"model", model},
               {"valid", valid_of(j.result.verdict)},
               {"summary", j.error.empty() ? j.result.summary : j.error},
               {"anomaly-types", std::move(types)},
               {"anomaly-count", j.result.anomaly_count},
               {"anomalies", std::move(by_type)},
               {"not", j.result.not_models},
               {"also-not", j.result.also_not},
               {"stats", j.result.stats},
               {"ops", j.ops},
               {"time", {{"read-seconds", j.read_seconds}, {"check-seconds", j.result.seconds}}},
               {"memory", {{"peak-bytes", kilobytes_of("/proc/self/status", "VmHWM:") << 10}}}};
  if (!j.error.empty()) json["error"] = j.error;
  return json;
}

// What a person needs beside the word: why, for everything but VALID.
void explain(const Judgement& j) {
  if (!j.error.empty()) {
    fmt::print(stderr, "gameday: {}\n", j.error);
    return;
  }
  const CheckResult& r = j.result;
  if (r.verdict == Verdict::valid) return;
  fmt::print(stderr, "{}: {}: {}\n", j.file, to_string(r.verdict), r.summary);
  if (!r.not_models.empty())
    fmt::print(stderr, "  not {}; also not {}\n", fmt::join(r.not_models, ", "),
               fmt::join(r.also_not, ", "));
  constexpr std::size_t kShown = 3;
  std::map<std::string, std::size_t> shown;
  for (const auto& anomaly : r.anomalies) {
    if (++shown[anomaly.type] > kShown) continue;
    fmt::print(stderr, "  {}: {}\n", anomaly.type, anomaly.summary);
    for (const auto& line : anomaly.explanation) fmt::print(stderr, "    {}\n", line);
  }
  for (const auto& [type, count] : shown)
    if (count > kShown)
      fmt::print(stderr, "  ... and {} more of {}; --json shows them\n", count - kShown, type);
  if (r.anomaly_count > r.anomalies.size())
    fmt::print(stderr, "  {} anomalies in all, of which {} are described\n", r.anomaly_count,
               r.anomalies.size());
}

int worse(int a, int b) {
  static const int kOrder[] = {exit_code::valid, exit_code::unknown, exit_code::invalid,
                               exit_code::bad_arguments};
  for (const int code : kOrder)
    if (a == code) return b;
    else if (b == code) return a;
  return a;
}

}  // namespace

int check_model_command(const ModelCheckOptions& o) {
  const Model* model = find_model(o.model);
  if (model == nullptr)
    return complain(exit_code::bad_arguments,
                    fmt::format("--model: there is no model \"{}\"; `gameday list models` shows them",
                                o.model));
  if (o.independent && model->keyed)
    return complain(exit_code::bad_arguments,
                    fmt::format("{} judges the pairs [k v] of independent keys itself: leave out "
                                "--independent", model->name));
  if (!parse_format(o.format))
    return complain(exit_code::bad_arguments,
                    fmt::format("--format: there is no format \"{}\"; known: auto, jsonl, json, edn, "
                                "text, etcd, kv, awdit", o.format));
  for (const auto& name : o.options.consistency)
    if (!txn::is_model(name))
      return complain(exit_code::bad_arguments,
                      fmt::format("--consistency: there is no model \"{}\"; `gameday list "
                                  "consistency-models` shows them", name));
  for (const auto& name : o.options.anomalies)
    if (!txn::is_anomaly(name))
      return complain(exit_code::bad_arguments,
                      fmt::format("--anomalies: there is no anomaly \"{}\"; `gameday list "
                                  "consistency-models` shows them", name));
  std::size_t memory = free_memory() / 4 * 3;
  if (!o.memory.empty()) {
    const auto size = parse_size(o.memory);
    if (!size) return complain(exit_code::bad_arguments, size.error().message);
    memory = *size;
  }
  limit_memory(memory);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, on_signal);

  int code = exit_code::valid;
  for (const auto& file : o.files) {
    if (stop_requested) {
      fmt::print(stderr, "gameday: interrupted before {} was judged\n", file);
      code = worse(code, exit_code::unknown);
      break;
    }
    const Judgement j = judge(*model, o, file, memory);
    if (o.json) {
      fmt::print("{}\n", run::dump(to_json(j, o.model)));
    } else if (j.error.empty()) {
      const Json valid = valid_of(j.result.verdict);
      fmt::print("{}\t{}\n", file, valid.is_string() ? valid.get<std::string>() : valid.dump());
    }
    std::fflush(stdout);
    if (!o.quiet && (!o.json || !j.error.empty())) explain(j);
    code = worse(code, j.error.empty() ? exit_code_of(j.result.verdict) : exit_code::bad_arguments);
  }
  if (const int failed = flushed(); failed != 0) return failed;
  return code;
}

}  // namespace gameday::cli
