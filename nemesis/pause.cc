// SIGSTOP: a node that neither works nor closes its connections, as in a long garbage collection or
// a virtual machine that is moved; it goes on later as if no time had passed.
#include "harness/core/duration.h"
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace pause_fault {
namespace {

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 60, .minority = 15, .majority = 25, .all = 0});
  return Json{{"order", draw_order(rng, nodes)}, {"count", count}};
}

std::string describe(const Json& parameters) {
  return fmt::format("pause {} (SIGSTOP)", describe_targets(parameters));
}

class ActivePause : public ActiveFault {
 public:
  ActivePause(lab::Lab& lab, std::vector<std::string> targets)
      : lab_(lab), deaths_(lab), targets_(std::move(targets)) {}
  ~ActivePause() override {
    for (const auto& item : pauses_) (void)lab_.resume(item.pause);
  }

  Status begin() {
    for (const auto& node : targets_) {
      if (!lab_.alive(node)) {
        dead_.push_back(node);
        continue;
      }
      auto pause = lab_.pause(node);
      if (pause)
        pauses_.push_back({std::move(*pause), std::chrono::steady_clock::now()});
      else if (lab_.alive(node))
        return tl::make_unexpected(pause.error());
    }
    return {};
  }

  Json description() const override { return Json{{"targets", targets_}}; }

  Result<Proof> heal() override {
    Proof proof;
    std::vector<std::string> facts;
    Json nodes = Json::object();
    std::string error;
    for (const auto& item : std::exchange(pauses_, {})) {
      const bool stopped = was_stopped_all_along(item.pause);
      auto resumed = lab_.resume(item.pause);
      if (!resumed && error.empty()) error = resumed.error().message;
      proof.effective |= stopped || gone(item.pause);
      facts.push_back(fact(item, stopped));
      nodes[item.pause.node] = to_json(item, stopped, resumed.value_or(false));
    }
    if (!error.empty()) return fail("{}", error);
    if (!dead_.empty()) facts.push_back(join(dead_) + " did not run");
    proof.summary = join(facts) + (nodes.empty() ? ": nothing to pause" : "");
    proof.detail["nodes"] = std::move(nodes);
    deaths_.report(proof);
    return proof;
  }

 private:
  struct Item {
    lab::Pause pause;
    std::chrono::steady_clock::time_point since;
  };

  // Killed (and perhaps restarted) since: the pause ended with that life.
  bool gone(const lab::Pause& pause) const {
    return !lab_.lives_on(pause.node, pause.incarnation);
  }

  // No thread has been on a processor since: state T, and not one context switch more. One that was
  // frozen or held as well may have been, for the moment in which it changed from one to the other.
  bool was_stopped_all_along(const lab::Pause& pause) const {
    if (gone(pause)) return false;
    const auto now = lab_.processes(pause.node);
    if (!now || now->size() != pause.processes.size()) return false;
    for (std::size_t i = 0; i < now->size(); ++i) {
      const auto &then = pause.processes[i], &here = (*now)[i];
      const bool only_paused = then.state == 'T' && then.held == here.held;
      if (here.pid != then.pid || here.cpu_ticks != then.cpu_ticks ||
          (only_paused && (here.state != 'T' || here.switches != then.switches)))
        return false;
    }
    return true;
  }

  std::string fact(const Item& item, bool stopped) const {
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - item.since).count();
    if (gone(item.pause))
      return fmt::format("{} was stopped until its life ended otherwise", item.pause.node);
    if (!stopped)
      return fmt::format("{} ran although it should have been stopped", item.pause.node);
    return fmt::format(
        "{} stood still for {:.2f} s, {}", item.pause.node, seconds,
        lab_.paused(item.pause.node) ? "and does for another fault" : "and runs again");
  }

  Json to_json(const Item& item, bool stopped, bool resumed) const {
    return Json{
        {"processes", item.pause.processes.size()},
        {"stopped_within_ms", ms(item.pause.took)},
        {"stopped_all_along", stopped},
        {"resumed", resumed},
        {"life_ended", gone(item.pause)}};
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const std::vector<std::string> targets_;
  std::vector<Item> pauses_;
  std::vector<std::string> dead_;  // when it began
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return begun(std::make_unique<ActivePause>(context.lab, std::move(*targets)));
}

constexpr Parameter kParameters[]{kOrderParameter, kCountParameter, kTargetsParameter};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kPause, context, inject);
}

}  // namespace
}  // namespace pause_fault

constinit const Entry kPause{
    .name = "pause",
    .summary = "stop nodes (SIGSTOP) and let them go on later",
    .plan = pause_fault::plan,
    .describe = pause_fault::describe,
    .parameters = pause_fault::kParameters,
    .make = pause_fault::make,
    .family = "process"};

}  // namespace gameday::nemesis
