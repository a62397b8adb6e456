// A node gets less than it wants: a CPU quota, a memory limit at which the kernel kills, or so many
// bytes/s of its disk. Limits are the cgroup's, so they also hold for the lives that other faults give
// the node meanwhile. A node which the limit killed stays dead until this fault heals.
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace resources_fault {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 50, .minority = 15, .majority = 20, .all = 15});
  Json parameters = {{"order", draw_order(rng, nodes)}, {"count", count}};
  const double kind = rng.unit();
  if (kind < 0.5) {
    parameters["kind"] = "cpu";
    parameters["cpu_percent"] = rng.between(4, 40);
  } else if (kind < 0.75) {
    parameters["kind"] = "memory";
    parameters["memory_percent"] = rng.between(70, 120);
  } else {
    parameters["kind"] = "io";
    parameters["write_kbps"] = rng.between(64, 1024);
    parameters["read_kbps"] = rng.between(64, 1024);
  }
  return parameters;
}

std::string describe(const Json& parameters) {
  const std::string who = describe_targets(parameters);
  const std::string kind = parameters.value("kind", "cpu");
  if (kind == "cpu")
    return fmt::format("leave {} only {} % of a processor", who, parameters.value("cpu_percent", 10.0));
  if (kind == "memory" && parameters.contains("memory_mb"))
    return fmt::format("limit the memory of {} to {} MiB", who, parameters.value("memory_mb", 0));
  if (kind == "memory")
    return fmt::format("limit the memory of {} to {} % of what it uses", who,
                       parameters.value("memory_percent", 90.0));
  return fmt::format("throttle the disk of {} to {} kB/s of writes and {} kB/s of reads", who,
                     parameters.value("write_kbps", 256), parameters.value("read_kbps", 256));
}

lab::Limits limits_of(const Json& parameters, const lab::Usage& usage) {
  const std::string kind = parameters.value("kind", "cpu");
  lab::Limits limits;
  if (kind == "cpu") limits.cpus = parameters.value("cpu_percent", 10.0) / 100;
  if (kind == "memory") {
    const double share = parameters.value("memory_percent", 90.0) / 100;
    limits.memory = parameters.contains("memory_mb")
                        ? parameters["memory_mb"].get<std::int64_t>() * kMiB
                        : std::max(kMiB, static_cast<std::int64_t>(
                                             static_cast<double>(usage.memory) * share));
  }
  if (kind == "io") {
    limits.write_bps = parameters.value("write_kbps", std::int64_t{256}) * 1000;
    limits.read_bps = parameters.value("read_kbps", std::int64_t{256}) * 1000;
  }
  return limits;
}

class ActiveResources : public ActiveFault {
 public:
  ActiveResources(lab::Lab& lab, const Json& parameters, std::vector<std::string> targets)
      : lab_(lab),
        deaths_(lab),
        kind_(parameters.value("kind", "cpu")),
        parameters_(parameters),
        targets_(std::move(targets)) {}
  ~ActiveResources() override { (void)lift_all(); }

  Status begin() {
    for (const auto& node : targets_) {
      auto cgroup = lab_.cgroup(node);
      if (!cgroup) return tl::make_unexpected(cgroup.error());
      Item item{node, *cgroup, 0, (*cgroup)->usage(), {}, {}};
      lab::Limits limits = limits_of(parameters_, item.before);
      if (kind_ == "io" && !(*cgroup)->without_io().empty()) {
        reasons_.push_back((*cgroup)->without_io());
        continue;
      }
      if (kind_ == "io") {
        const auto device = lab::device_behind(lab_.node(node)->data);
        if (!device) {
          reasons_.push_back(device.error().message);
          continue;
        }
        limits.device = *device;
      }
      auto id = (*cgroup)->limit(limits);
      if (!id) return fail("cannot limit {}: {}", node, id.error().message);
      item.id = *id;
      item.memory_limit = kind_ == "memory" ? (*cgroup)->memory_limit() : std::nullopt;
      items_.push_back(std::move(item));
    }
    return {};
  }

  Json description() const override {
    Json result = {{"targets", targets_}, {"kind", kind_}};
    for (const auto& item : items_)
      if (item.memory_limit) result["memory_limits"][item.node] = *item.memory_limit;
    return result;
  }

  Result<Proof> heal() override {
    Proof proof;
    std::vector<std::string> facts = reasons_;
    Json nodes = Json::object();
    for (auto& item : items_) {
      item.after = item.cgroup->usage();
      facts.push_back(fact(item, proof.effective));
      nodes[item.node] = to_json(item);
    }
    if (auto status = lift_all(); !status) return tl::make_unexpected(status.error());
    proof.summary = join(facts);
    proof.detail["nodes"] = std::move(nodes);
    deaths_.report(proof);
    return proof;
  }

 private:
  struct Item {
    std::string node;
    lab::Cgroup* cgroup;
    int id;
    lab::Usage before, after;
    std::optional<std::int64_t> memory_limit;  // in force
  };

  // All are tried; the first error is said. Those which the limit killed run again.
  Status lift_all() {
    Status status;
    for (const auto& item : std::exchange(items_, {})) {
      auto lifted = item.cgroup->lift(item.id);
      const auto exit = lab_.last_exit(item.node);
      if (lifted && item.memory_limit && !lab_.alive(item.node) && exit && exit->out_of_memory)
        lifted = lab_.restart(item.node);
      if (status) status = lifted;
    }
    return status;
  }

  static std::optional<std::int64_t> stalled_us(const Item& item) {
    if (!item.after.io_stalled_us || !item.before.io_stalled_us) return std::nullopt;
    return *item.after.io_stalled_us - *item.before.io_stalled_us;
  }

  std::string fact(const Item& item, bool& effective) const {
    const auto &then = item.before, &now = item.after;
    if (kind_ == "cpu") {
      const auto periods = now.periods_throttled - then.periods_throttled;
      effective |= periods > 0;
      return fmt::format("{} waited {:.2f} s for its quota, in {} periods", item.node,
                         static_cast<double>(now.throttled_us - then.throttled_us) / 1e6, periods);
    }
    if (kind_ == "memory") {
      const auto kills = now.oom_kills - then.oom_kills, hits = now.memory_hits - then.memory_hits;
      effective |= kills > 0 || hits > 0;
      return fmt::format("{} was at its limit of {:.1f} MiB {} times, and {} of its processes killed "
                         "for it",
                         item.node, static_cast<double>(item.memory_limit.value_or(0)) / kMiB, hits,
                         kills);
    }
    const auto bytes = now.read_bytes - then.read_bytes + now.write_bytes - then.write_bytes;
    const auto stalled = stalled_us(item);
    effective |= bytes > 0 && stalled.value_or(1) > 0;
    return fmt::format("{} got {} bytes through{}", item.node, bytes,
                       stalled ? fmt::format(" and waited {:.2f} s for its disk",
                                             static_cast<double>(*stalled) / 1e6)
                               : "");
  }

  Json to_json(const Item& item) const {
    const auto &then = item.before, &now = item.after;
    if (kind_ == "cpu")
      return {{"nr_throttled", now.periods_throttled - then.periods_throttled},
              {"throttled_us", now.throttled_us - then.throttled_us}};
    if (kind_ == "memory")
      return {{"limit", item.memory_limit.value_or(0)},
              {"used_before", then.memory},
              {"at_limit", now.memory_hits - then.memory_hits},
              {"oom_kill", now.oom_kills - then.oom_kills}};
    return {{"read_bytes", now.read_bytes - then.read_bytes},
            {"write_bytes", now.write_bytes - then.write_bytes},
            {"stalled_us", stalled_us(item).value_or(-1)}};
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const std::string kind_;
  const Json parameters_;
  const std::vector<std::string> targets_;
  std::vector<Item> items_;
  std::vector<std::string> reasons_;  // why some have no limit
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return begun(std::make_unique<ActiveResources>(context.lab, parameters, std::move(*targets)));
}

using Kind = Parameter::Kind;
constexpr std::string_view kKinds[]{"cpu", "memory", "io"};
constexpr Parameter kParameters[]{
    {.name = "kind", .words = kKinds},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "cpu_percent", .kind = Kind::number, .least = 2, .most = 6400},
    {.name = "memory_mb", .kind = Kind::whole, .least = 1, .most = 1e7},
    {.name = "memory_percent", .kind = Kind::number, .least = 1, .most = 1e4},
    {.name = "write_kbps", .kind = Kind::whole, .least = 1, .most = 1e8},
    {.name = "read_kbps", .kind = Kind::whole, .least = 1, .most = 1e8}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kResources, context, inject);
}

}  // namespace
}  // namespace resources_fault

constinit const Entry kResources{
    .name = "resources",
    .summary = "give nodes less: a CPU quota, a memory limit (OOM kill), a throttled disk",
    .plan = resources_fault::plan,
    .describe = resources_fault::describe,
    .parameters = resources_fault::kParameters,
    .make = resources_fault::make,
    .needs = {.limits = true},
    .available = lab::limits_available,
    .family = "process"};

}  // namespace gameday::nemesis
