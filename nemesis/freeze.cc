// The cgroup freezer: every process of a node stands still, those that it forks meanwhile too, and no
// SIGCONT wakes them, as when the machine under a node is suspended. Nothing is told to them: unlike
// after SIGSTOP, no waiting call comes back with EINTR when they go on.
#include "harness/core/duration.h"
#include "harness/lab/file_faults.h"
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace freeze_fault {
namespace {

using Clock = std::chrono::steady_clock;

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 60, .minority = 15, .majority = 25, .all = 0});
  return Json{{"order", draw_order(rng, nodes)}, {"count", count}};
}

std::string describe(const Json& parameters) {
  return fmt::format("freeze {} (cgroup)", describe_targets(parameters));
}

class ActiveFreeze : public ActiveFault {
 public:
  ActiveFreeze(lab::Lab& lab, std::vector<std::string> targets)
      : lab_(lab), deaths_(lab), targets_(std::move(targets)) {}
  ~ActiveFreeze() override {
    for (const auto& item : freezes_) (void)item.cgroup->thaw(item.life);
  }

  Status begin() {
    for (const auto& node : targets_) {
      if (!lab_.alive(node)) {
        dead_.push_back(node);
        continue;
      }
      auto cgroup = lab_.cgroup(node);
      if (!cgroup) return tl::make_unexpected(cgroup.error());
      const auto files = lab_.files(node);  // an Error: none of its calls is ever held
      const auto begin = Clock::now();
      // The kernel waits for threads that are held in a call, as long as the call is delayed.
      if (files) (*files)->let_go(true);
      auto life = (*cgroup)->freeze();
      if (files) (*files)->let_go(false);
      if (!life) return fail("cannot freeze {}: {}", node, life.error().message);
      freezes_.push_back({node, *cgroup, *life, lab_.incarnation(node), Clock::now(),
                          Clock::now() - begin, lab_.processes(node).value_or(Processes())});
    }
    return {};
  }

  Json description() const override { return Json{{"targets", targets_}}; }

  Result<Proof> heal() override {
    Proof proof;
    std::vector<std::string> facts;
    Json nodes = Json::object();
    std::string error;
    for (const auto& item : std::exchange(freezes_, {})) {
      const bool ended = gone(item), still = !ended && stood_still(item);
      auto thawed = item.cgroup->thaw(item.life);
      if (!thawed && error.empty()) error = thawed.error().message;
      proof.effective |= still || ended;
      facts.push_back(fact(item, ended, still));
      nodes[item.node] = {{"processes", item.processes.size()},
                          {"frozen_within_ms", ms(item.took)},
                          {"stood_still", still},
                          {"thawed", thawed.value_or(false)},
                          {"life_ended", ended}};
    }
    if (!error.empty()) return fail("{}", error);
    if (!dead_.empty()) facts.push_back(join(dead_) + " did not run");
    proof.summary = join(facts) + (nodes.empty() ? ": nothing to freeze" : "");
    proof.detail["nodes"] = std::move(nodes);
    deaths_.report(proof);
    return proof;
  }

 private:
  using Processes = std::vector<lab::ProcessState>;
  struct Item {
    std::string node;
    lab::Cgroup* cgroup;
    int life;
    unsigned incarnation;
    Clock::time_point since;
    std::chrono::nanoseconds took;
    Processes processes;
  };

  // Killed (and perhaps restarted) since: the freeze ended with that life.
  bool gone(const Item& item) const {
    return !lab_.lives_on(item.node, item.incarnation);
  }

  // The same processes, and none has used the processor since.
  bool stood_still(const Item& item) const {
    const auto now = lab_.processes(item.node);
    return item.cgroup->frozen() && now && !now->empty() &&
           std::equal(now->begin(), now->end(), item.processes.begin(), item.processes.end(),
                      [](const auto& here, const auto& then) {
                        return here.pid == then.pid && here.cpu_ticks == then.cpu_ticks;
                      });
  }

  std::string fact(const Item& item, bool ended, bool still) const {
    if (ended) return fmt::format("{} was frozen until its life ended otherwise", item.node);
    if (!still) return fmt::format("{} ran although it should have been frozen", item.node);
    return fmt::format("{} stood still for {:.2f} s, {}", item.node,
                       std::chrono::duration<double>(Clock::now() - item.since).count(),
                       item.cgroup->frozen() ? "and does for another fault" : "and runs again");
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const std::vector<std::string> targets_;
  std::vector<Item> freezes_;
  std::vector<std::string> dead_;  // when it began
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return begun(std::make_unique<ActiveFreeze>(context.lab, std::move(*targets)));
}

constexpr Parameter kParameters[]{kOrderParameter, kCountParameter, kTargetsParameter};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kFreeze, context, inject);
}

}  // namespace
}  // namespace freeze_fault

constinit const Entry kFreeze{
    .name = "freeze",
    .summary = "freeze nodes with all their processes (cgroup), which nothing wakes, and thaw them later",
    .plan = freeze_fault::plan,
    .describe = freeze_fault::describe,
    .parameters = freeze_fault::kParameters,
    .make = freeze_fault::make,
    .needs = {.cgroups = true},
    .available = lab::freezing_available,
    .family = "process"};

}  // namespace gameday::nemesis
