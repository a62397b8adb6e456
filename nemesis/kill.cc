// kill -9: every process of a node at once, restarted when the fault heals ("down"), or at once and
// several times in a row ("bounce").
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 45, .minority = 15, .majority = 20, .all = 20});
  Json parameters = {{"style", "down"}, {"order", draw_order(rng, nodes)}, {"count", count}};
  if (rng.chance(0.3)) {
    parameters["style"] = "bounce";
    parameters["rounds"] = rng.between(2, 4);
    parameters["up_ms"] = rng.between(50, 500);  // a life; the gap between two is the restart's
  }
  return parameters;
}

std::string describe(const Json& parameters) {
  const std::string who = describe_targets(parameters);
  if (parameters.value("style", "down") == "bounce")
    return fmt::format("kill -9 {} {} times, restarted at once and killed again after {} ms", who,
                       parameters.value("rounds", 2), parameters.value("up_ms", 100));
  return fmt::format("kill -9 {}, restart at the end", who);
}

double ms(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

class ActiveKill : public ActiveFault {
 public:
  ActiveKill(lab::Lab& lab, Json parameters, std::vector<std::string> targets)
      : lab_(lab), deaths_(lab), parameters_(std::move(parameters)), targets_(std::move(targets)) {}
  ~ActiveKill() override { (void)restart_all(); }

  Status begin() {
    Status status = kill_all();
    const int rounds = parameters_.value("rounds", 2);
    const std::chrono::milliseconds up(parameters_.value("up_ms", 100));
    if (status && parameters_.value("style", "down") == "bounce")
      bouncer_ =
          std::jthread([this, rounds, up](std::stop_token stop) { bounce(stop, rounds, up); });
    return status;
  }

  Json description() const override {
    return Json{{"targets", targets_}, {"style", parameters_.value("style", "down")}};
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
    proof.detail = {{"kills", kills_}, {"dead_within_ms", ms(longest_)}, {"nodes", nodes_}};
    deaths_.report(proof);
    return proof;
  }

 private:
  // Those of the targets which run. A node found dead is not ours to restart later.
  Status kill_all() {
    const std::lock_guard lock(mutex_);
    for (const auto& node : targets_) {
      if (!lab_.alive(node)) continue;
      auto took = lab_.kill(node);
      if (!took && lab_.alive(node)) return tl::make_unexpected(took.error());
      if (!took) continue;  // it died by itself in between
      ++kills_;
      longest_ = std::max(longest_, *took);
      killed_.insert(node);
      down_.insert(node);
    }
    return {};
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

  void bounce(const std::stop_token& stop, int rounds, std::chrono::milliseconds up) {
    std::mutex unused;
    std::condition_variable_any sleeper;
    std::unique_lock lock(unused);
    Status status = restart();
    for (int round = 1; round < rounds && status; ++round) {
      sleeper.wait_for(lock, stop, up, [] { return false; });
      if (stop.stop_requested()) return;
      status = kill_all();
      if (status) status = restart();
    }
    const std::lock_guard guard(mutex_);
    if (!status) error_ = status.error().message;
  }

  Status restart_all() {
    if (bouncer_.joinable()) {
      bouncer_.request_stop();
      bouncer_.join();
    }
    return restart();
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const Json parameters_;
  const std::vector<std::string> targets_;
  std::mutex mutex_;  // for all below, between the bouncer and us
  std::set<std::string> killed_, down_;
  int kills_ = 0;
  std::chrono::nanoseconds longest_{0};
  Json nodes_ = Json::object();
  std::string error_;
  std::jthread bouncer_;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  auto fault = std::make_unique<ActiveKill>(context.lab, parameters, std::move(*targets));
  if (auto status = fault->begin(); !status) return tl::make_unexpected(status.error());
  return fault;
}

constexpr std::string_view kStyles[]{"down", "bounce"};
constexpr Parameter kParameters[]{
    {.name = "style", .words = kStyles},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "rounds", .kind = Parameter::Kind::whole, .least = 1, .most = 1e4},
    {.name = "up_ms", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kKill, context, inject);
}

}  // namespace

constinit const Entry kKill{
    "kill",      "kill -9 nodes and restart them, later or at once and repeatedly",
    plan,        describe,
    kParameters, make};

}  // namespace gameday::nemesis
