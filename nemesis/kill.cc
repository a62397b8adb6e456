// Every process of a node dies at once, by kill -9 or after a SIGTERM. Restarted when the fault heals or
// after a delay ("down", "term"), or killed again each time it has run for a while: some times
// ("bounce"), or until the fault heals ("crash-loop"). Or killed at chosen fsyncs (crash_at_fsync.h).
#include <signal.h>

#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "harness/core/duration.h"
#include "nemesis/crash_at_fsync.h"
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace kill_fault {
namespace {

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 45, .minority = 15, .majority = 20, .all = 20});
  Json parameters = {{"style", "down"}, {"order", draw_order(rng, nodes)}, {"count", count}};
  const double style = rng.unit();
  if (style < 0.3) {
    parameters["style"] = "bounce";
    parameters["rounds"] = rng.between(2, 4);
  } else if (style < 0.4) {
    parameters["style"] = "crash-loop";
  } else if (style < 0.55) {
    parameters["style"] = "term";
  }
  // A life; the gap between two is the restart's, or this delay.
  if (style < 0.4) parameters["up_ms"] = rng.between(50, 500);
  if (style > 0.3 && rng.chance(0.25)) parameters["delay_ms"] = rng.between(100, 1500);
  return parameters;
}

constexpr int kGraceMs = 5000;

struct Style {
  bool term = false;
  std::optional<int> rounds;  // kills, none: until healed
  std::chrono::milliseconds up, delay, grace;
  bool by_itself = false;  // it restarts the nodes before it is healed
};

Style parse(const Json& parameters) {
  const std::string name = parameters.value("style", "down");
  Style style;
  style.term = name == "term";
  if (name != "crash-loop") style.rounds = name == "bounce" ? parameters.value("rounds", 2) : 1;
  style.up = std::chrono::milliseconds(parameters.value("up_ms", 100));
  style.delay = std::chrono::milliseconds(parameters.value("delay_ms", 0));
  style.grace = std::chrono::milliseconds(parameters.value("grace_ms", kGraceMs));
  style.by_itself = name == "bounce" || name == "crash-loop" || parameters.contains("delay_ms");
  return style;
}

bool at_fsync(const Json& parameters) { return parameters.value("style", "down") == kAtFsync; }

std::string describe(const Json& parameters) {
  if (at_fsync(parameters)) return describe_crash_at_fsync(parameters);
  const Style style = parse(parameters);
  std::string text = style.term
                         ? fmt::format("SIGTERM to {}, SIGKILL after {} ms",
                                       describe_targets(parameters), style.grace.count())
                         : fmt::format("kill -9 {}", describe_targets(parameters));
  if (style.rounds != 1)
    text += style.rounds ? fmt::format(" {} times", *style.rounds) : " over and over";
  text += !style.by_itself             ? ", restart at the end"
          : style.delay.count() == 0 ? ", restarted at once"
                                       : fmt::format(", restarted after {} ms", style.delay.count());
  if (style.rounds != 1) text += fmt::format(" and killed again after {} ms", style.up.count());
  return text;
}

class ActiveKill : public ActiveFault {
 public:
  ActiveKill(lab::Lab& lab, const Json& parameters, std::vector<std::string> targets)
      : lab_(lab),
        deaths_(lab),
        style_(parse(parameters)),
        name_(parameters.value("style", "down")),
        targets_(std::move(targets)) {}
  ~ActiveKill() override { (void)restart_all(); }

  Status begin() {
    Status status = kill_all();
    if (status && style_.by_itself)
      cycler_ = std::jthread([this](std::stop_token stop) { cycle(stop); });
    return status;
  }

  Json description() const override {
    Json result = {{"targets", targets_}, {"style", name_}};
    if (style_.by_itself) result["delay_ms"] = style_.delay.count();
    return result;
  }

  Result<Proof> heal() override {
    auto status = restart_all();
    const std::lock_guard lock(mutex_);
    if (!error_.empty()) return fail("{}", error_);
    if (!status) return tl::make_unexpected(status.error());
    Proof proof;
    proof.effective = kills_ > 0;
    proof.summary = proof.effective
                        ? fmt::format("killed {} ({} kill{}), dead within {:.1f} ms; running again",
                                      join({killed_.begin(), killed_.end()}), kills_,
                                      kills_ == 1 ? "" : "s", ms(longest_))
                        : fmt::format("{} did not run: nothing to kill", join(targets_));
    for (const auto& ending : endings_) proof.summary += "; " + ending;
    proof.detail = {{"kills", kills_}, {"dead_within_ms", ms(longest_)}, {"nodes", nodes_}};
    if (style_.term) proof.detail["terminated"] = terminated_;
    deaths_.report(proof);
    return proof;
  }

 private:
  // Those of the targets which run. A node found dead is not ours to restart later.
  Status kill_all() {
    const std::lock_guard lock(mutex_);
    for (const auto& node : targets_) {
      if (!lab_.alive(node)) continue;
      auto took = style_.term ? terminate(node) : lab_.kill(node);
      if (!took && lab_.alive(node)) return tl::make_unexpected(took.error());
      if (!took) continue;  // it died by itself in between
      ++kills_;
      longest_ = std::max(longest_, *took);
      killed_.insert(node);
      down_.insert(node);
    }
    return {};
  }

  Result<std::chrono::nanoseconds> terminate(const std::string& node) {
    const auto begin = std::chrono::steady_clock::now();
    const auto exit = lab_.terminate(node, style_.grace);
    if (!exit) return tl::make_unexpected(exit.error());
    const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - begin;
    const bool obeyed = exit->signal != SIGKILL;
    endings_.push_back(obeyed ? fmt::format("{} {:.0f} ms after SIGTERM", lab::describe(*exit), ms(took))
                              : fmt::format("{} ignored SIGTERM for {} ms and was killed", node,
                                            style_.grace.count()));
    Json& detail = terminated_[node] = {{"grace_exceeded", !obeyed}, {"took_ms", ms(took)}};
    if (exit->code) detail["code"] = *exit->code;
    if (exit->signal) detail["signal"] = *exit->signal;
    return took;
  }

  Status restart() {
    const std::lock_guard lock(mutex_);
    while (!down_.empty()) {
      const std::string node = *down_.begin();
      down_.erase(down_.begin());
      if (lab_.alive(node)) continue;  // by another fault
      if (auto status = lab_.restart(node); !status) return status;
      nodes_[node] = {{"pids", lab_.pids(node)}, {"incarnation", lab_.incarnation(node)}};
    }
    return {};
  }

  // After the first kill: down for the delay, up for a life, and again.
  void cycle(const std::stop_token& stop) {
    Status status;
    for (int kills = 1; status && sleep_for(stop, style_.delay); ++kills) {
      status = restart();
      if (!status || style_.rounds == kills || !sleep_for(stop, style_.up)) break;
      status = kill_all();
    }
    const std::lock_guard guard(mutex_);
    if (!status) error_ = status.error().message;
  }

  Status restart_all() {
    if (cycler_.joinable()) {
      cycler_.request_stop();
      cycler_.join();
    }
    return restart();
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const Style style_;
  const std::string name_;
  const std::vector<std::string> targets_;
  std::mutex mutex_;  // for all below, between the cycler and us
  std::set<std::string> killed_, down_;
  int kills_ = 0;
  std::chrono::nanoseconds longest_{0};
  Json nodes_ = Json::object();
  Json terminated_ = Json::object();
  std::vector<std::string> endings_;  // what SIGTERM did, in words
  std::string error_;
  std::jthread cycler_;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  if (at_fsync(parameters)) return crash_at_fsync(context.lab, parameters, std::move(*targets));
  return begun(std::make_unique<ActiveKill>(context.lab, parameters, std::move(*targets)));
}

constexpr std::string_view kStyles[]{"down", "term", "bounce", "crash-loop", kAtFsync};
constexpr Parameter kParameters[]{
    {.name = "style", .words = kStyles},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "rounds", .kind = Parameter::Kind::whole, .least = 1, .most = 1e4},
    {.name = "up_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6},
    {.name = "delay_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6},
    {.name = "grace_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6},
    kEveryParameter,
    kMomentParameter};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kKill, context, inject);
}

lab::Preparation needs_of(const Json& parameters) {
  return {.syscalls = at_fsync(parameters) ? lab::kSyncCalls : lab::CallClasses{0}};
}

}  // namespace
}  // namespace kill_fault

constinit const Entry kKill{
    .name = "kill",
    .summary = "end nodes, by kill -9 or SIGTERM, and restart them: later, at once, or over and over",
    .plan = kill_fault::plan,
    .describe = kill_fault::describe,
    .parameters = kill_fault::kParameters,
    .make = kill_fault::make,
    .needs_of = kill_fault::needs_of,
    .family = "process"};

}  // namespace gameday::nemesis
