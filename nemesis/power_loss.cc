// Power loss: nodes die at the same moment, what they had not synced vanishes from their disks, and
// they are started again when power is back.
#include "nemesis/power_loss.h"

#include <sys/statvfs.h>

#include <thread>

#include "harness/core/duration.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::string describe_loss(const Json& parameters) {
  return fmt::format("cut the power of {} at once, what is not synced vanishes; {}",
                     describe_targets(parameters), describe_power_back(parameters));
}

class ActivePowerLoss : public ActiveFault {
 public:
  ActivePowerLoss(lab::Lab& lab, Json parameters, std::vector<std::string> targets)
      : lab_(lab), deaths_(lab), parameters_(std::move(parameters)), targets_(std::move(targets)) {}
  ~ActivePowerLoss() override { (void)restore_all(); }

  Status begin(const std::optional<lab::Tear>& tear) {
    cut_at_ = Clock::now();
    auto losses = lab_.cut_power(targets_, tear);
    if (!losses) {  // some may be dark already
      for (const auto& node : targets_) (void)lab_.restore_power(node);
      return tl::make_unexpected(losses.error());
    }
    losses_ = std::move(*losses);
    for (const auto& loss : losses_)
      if (loss.had_power) dark_.push_back(loss.node);
    if (const auto down = parameters_.find("down_ms"); down != parameters_.end())
      timer_ = std::jthread([this, wait = milliseconds(down->get<std::int64_t>())](
                                std::stop_token stop) { restore_after(stop, wait); });
    return {};
  }

  Json description() const override { return Json{{"targets", targets_}}; }

  Result<Proof> heal() override {
    if (auto status = restore_all(); !status) return tl::make_unexpected(status.error());
    if (!error_.empty()) return fail("{}", error_);
    Proof proof;
    std::vector<std::string> facts;
    Json nodes = Json::object();
    double slowest = 0;
    for (const auto& loss : losses_) {
      if (auto status = verify(loss.node); !status) return tl::make_unexpected(status.error());
      proof.effective |= loss.had_power && (loss.ran || !loss.lost.nothing());
      facts.push_back(fact(loss));
      Json& node = nodes[loss.node] = to_json(loss.lost);
      node["had_power"] = loss.had_power;
      node["ran"] = loss.ran;
      node["disk_back_ms"] = ms(loss.took);
      if (const auto up = running_.find(loss.node); up != running_.end())
        node["running_again_ms"] = ms(up->second);
      slowest = std::max(slowest, ms(loss.took));
    }
    proof.summary = fmt::format("{}; disks back within {:.0f} ms", fmt::join(facts, "; "), slowest);
    proof.detail = {{"nodes", std::move(nodes)}, {"disk_back_within_ms", slowest}};
    deaths_.report(proof);
    return proof;
  }

 private:
  static std::string fact(const lab::PowerLoss& loss) {
    if (!loss.had_power) return loss.node + " had no power already";
    return fmt::format("{}{}: {}", loss.node, loss.ran ? "" : " (which did not run)",
                       describe(loss.lost));
  }

  // The disk was seen to work after the loss, before the node had it again: Disk::power_loss().
  Status verify(const std::string& node) const {
    if (!lab_.powered(node)) return {};  // by another power loss since
    auto disk = lab_.disk(node);
    if (!disk) return tl::make_unexpected(disk.error());
    struct statvfs info {};
    if (::statvfs((*disk)->directory().c_str(), &info) != 0)
      return fail_errno(fmt::format("the disk of {} does not work", node));
    if ((info.f_flag & ST_RDONLY) != 0) return fail("the disk of {} is read-only", node);
    return {};
  }

  void restore_after(const std::stop_token& stop, milliseconds wait) {
    if (!sleep_for(stop, wait)) return;
    if (auto status = restore(); !status) error_ = status.error().message;
  }

  Status restore() {
    Status result;
    while (!dark_.empty()) {
      const std::string node = dark_.back();
      dark_.pop_back();
      if (auto status = lab_.restore_power(node); !status) result = status;
      running_[node] = Clock::now() - cut_at_;
    }
    return result;
  }

  Status restore_all() {
    if (timer_.joinable()) {
      timer_.request_stop();
      timer_.join();
    }
    return restore();
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const Json parameters_;
  const std::vector<std::string> targets_;
  Clock::time_point cut_at_;
  std::vector<lab::PowerLoss> losses_;
  // The timer's while it runs, then ours.
  std::vector<std::string> dark_;  // without power by our doing
  std::map<std::string, std::chrono::nanoseconds> running_;
  std::string error_;
  std::jthread timer_;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  return inject_power_loss(context, parameters, {});
}

constexpr Parameter kParameters[]{kOrderParameter, kCountParameter, kTargetsParameter,
                                  kDownParameter};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kPowerLoss, context, inject);
}

}  // namespace

Json plan_power_loss(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 35, .minority = 10, .majority = 25, .all = 30});
  Json parameters = {{"order", draw_order(rng, nodes)}, {"count", count}};
  if (rng.chance(0.7)) parameters["down_ms"] = rng.chance(0.5) ? 0 : rng.between(50, 2000);
  return parameters;
}

std::string describe_power_back(const Json& parameters) {
  if (!parameters.contains("down_ms")) return "power back at the end";
  if (parameters["down_ms"] == 0) return "power back at once";
  return fmt::format("power back after {} ms", parameters["down_ms"].get<std::int64_t>());
}

Result<std::unique_ptr<ActiveFault>> inject_power_loss(const NemesisContext& context,
                                                       const Json& parameters,
                                                       const std::optional<lab::Tear>& tear) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return begun(std::make_unique<ActivePowerLoss>(context.lab, parameters, std::move(*targets)), tear);
}

constinit const Entry kPowerLoss{
    .name = "power-loss",
    .summary = "nodes lose power at once: unsynced data and metadata vanish, synced data stays",
    .plan = plan_power_loss,
    .describe = describe_loss,
    .parameters = kParameters,
    .make = make,
    .needs = {.disks = true},
    .available = lab::disks_available,
    .family = "disk"};

}  // namespace gameday::nemesis
