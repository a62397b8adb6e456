// A disk that fails, is slow, or has become read-only: chosen calls on a node's files get an error, or
// their answer late.
// Nothing is done to the files: a call that failed was not executed, and what it was about stays as
// it was. So a failed fsync leaves the data dirty and not lost, unlike a kernel that marks the pages
// clean (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020); with a power loss
// afterwards it is.
//
// "read-only" is what a node sees of a file system that was remounted so under it (errors=remount-ro of
// ext4(5)): all that would change it fails with EROFS, also on files that it had open for writing. A
// real remount is refused while there are such, and after a forced one only a reboot would heal. What
// differs: opening an existing file for writing still works, and then its first write fails.
#include "harness/lab/syscall_supervisor.h"
#include "nemesis/entries.h"
#include "nemesis/file_rules.h"

namespace gameday::nemesis {
namespace io_error_fault {
namespace {

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 60, .minority = 25, .majority = 10, .all = 5});
  Json parameters = {{"style", "nth"}, {"order", draw_order(rng, nodes)}, {"count", count}};
  const double style = rng.unit();
  if (style < 0.35) {
    parameters["nth"] = rng.between(1, 50);
  } else if (style < 0.6) {
    parameters["style"] = "random";
    parameters["probability"] = static_cast<double>(rng.between(2, 40)) / 100;
    parameters["seed"] = rng.between(1, 1'000'000);
  } else if (style < 0.65) {
    parameters["style"] = "read-only";
  } else if (style < 0.75) {
    parameters["style"] = "window";
    parameters["calls"] = rng.pick(std::vector<std::string>{"fsync", "create", "rename", "write"});
  } else {
    parameters["style"] = "slow";
    parameters["delay_ms"] = rng.between(5, 400);
    parameters["jitter_ms"] = rng.between(0, 200);
    parameters["seed"] = rng.between(1, 1'000'000);
  }
  return parameters;
}

std::chrono::milliseconds duration(const Json& parameters, const char* name, int otherwise) {
  return std::chrono::milliseconds(parameters.value(name, otherwise));
}

bool read_only(const Json& parameters) { return parameters.value("style", "nth") == "read-only"; }

lab::CallClasses calls_of(const Json& parameters) {
  if (read_only(parameters))
    return lab::kSyncCalls | lab::kWriteCalls | lab::kCreateCalls | lab::kNameCalls;
  return lab::call_class(parameters.value("calls", "fsync"));
}

lab::FileRule rule_of(const Json& parameters) {
  const std::string style = parameters.value("style", "nth");
  lab::FileRule rule;
  rule.match = {.calls = calls_of(parameters), .path = parameters.value("path", "*")};
  rule.error = errno_of(parameters.value("errno", read_only(parameters) ? "EROFS" : "EIO"));
  rule.probability = parameters.value("probability", style == "random" ? 0.1 : 1.0);
  rule.seed = parameters.value("seed", std::uint64_t{1});
  if (style == "nth") rule.nth = parameters.value("nth", std::uint64_t{1});
  if (style == "slow") {
    if (!parameters.contains("errno")) rule.error = 0;
    rule.delay = duration(parameters, "delay_ms", 100);
    rule.jitter = duration(parameters, "jitter_ms", 0);
  }
  return rule;
}

std::string describe(const Json& parameters) {
  const lab::FileRule rule = rule_of(parameters);
  if (read_only(parameters))
    return fmt::format("the disk of {} is read-only ({})", describe_targets(parameters),
                       word_of(rule.error));
  std::string calls = fmt::format("{} of {}", parameters.value("calls", "fsync"),
                                  describe_targets(parameters));
  if (rule.match.path != "*") calls += fmt::format(" on {}", rule.match.path);
  std::string what;
  if (rule.nth != 0)
    what = fmt::format("{} number {} from now", calls, rule.nth);
  else if (rule.probability < 1)
    what = fmt::format("each {} with probability {:g}", calls, rule.probability);
  else
    what = fmt::format("every {}", calls);
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  const auto least = duration_cast<milliseconds>(rule.delay).count();
  const auto most = duration_cast<milliseconds>(rule.delay + rule.jitter).count();
  if (most > 0) {
    what += least == most ? fmt::format(" takes {} ms longer", least)
                          : fmt::format(" takes {} to {} ms longer", least, most);
    if (rule.error != 0) what += " and";
  }
  if (rule.error != 0) what += fmt::format(" fails with {}", word_of(rule.error));
  return what;
}

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return inject_rule(context.lab, std::move(*targets), rule_of(parameters));
}

constexpr std::string_view kStyles[]{"nth", "random", "window", "slow", "read-only"};
constexpr std::string_view kCalls[]{"fsync", "write", "read", "open", "create", "rename"};
constexpr Parameter kParameters[]{
    {.name = "style", .words = kStyles},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "calls", .words = kCalls},
    {.name = "path", .kind = Parameter::Kind::text},
    {.name = "errno", .words = kErrors},
    {.name = "nth", .kind = Parameter::Kind::whole, .least = 1, .most = 1e9},
    {.name = "probability", .kind = Parameter::Kind::number, .least = 0, .most = 1},
    {.name = "seed", .kind = Parameter::Kind::whole, .least = 0, .most = 1e15},
    {.name = "delay_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6},
    {.name = "jitter_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kIoError, context, inject);
}

lab::Preparation needs_of(const Json& parameters) { return {.syscalls = calls_of(parameters)}; }

}  // namespace
}  // namespace io_error_fault

constinit const Entry kIoError{
    .name = "io-error",
    .summary = "calls on files fail (n-th, random, all of a class), are slow, or find the disk read-only",
    .plan = io_error_fault::plan,
    .describe = io_error_fault::describe,
    .parameters = io_error_fault::kParameters,
    .make = io_error_fault::make,
    .needs_of = io_error_fault::needs_of,
    .available = lab::syscalls_available,
    .family = "disk"};

}  // namespace gameday::nemesis
