// A full disk: what needs room fails with ENOSPC (writes, allocations, new files and folders), at once
// or after so many bytes more. What is there stays, can be read and made smaller; nothing that is
// removed makes room. Unlike on a real disk, writing over what is there needs room, too.
#include <cerrno>

#include "harness/lab/syscall_supervisor.h"
#include "nemesis/entries.h"
#include "nemesis/file_rules.h"

namespace gameday::nemesis {
namespace disk_full_fault {
namespace {

constexpr lab::CallClasses kCalls = lab::kWriteCalls | lab::kCreateCalls;

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 60, .minority = 20, .majority = 10, .all = 10});
  Json parameters = {{"order", draw_order(rng, nodes)}, {"count", count}};
  if (rng.chance(0.5)) parameters["after_bytes"] = rng.between(1, 200'000);
  return parameters;
}

std::string describe(const Json& parameters) {
  std::string text = fmt::format("the disk of {} is full (ENOSPC)", describe_targets(parameters));
  if (const auto after = parameters.value("after_bytes", std::uint64_t{0}); after > 0)
    text += fmt::format(", after {} bytes more", after);
  if (const auto path = parameters.value("path", "*"); path != "*")
    text += fmt::format(", for {}", path);
  return text;
}

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  lab::FileRule rule;
  rule.match = {.calls = kCalls, .path = parameters.value("path", "*"), .only_growing = true};
  rule.after_bytes = parameters.value("after_bytes", std::uint64_t{0});
  rule.error = ENOSPC;
  return inject_rule(context.lab, std::move(*targets), rule);
}

constexpr Parameter kParameters[]{
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "path", .kind = Parameter::Kind::text},
    {.name = "after_bytes", .kind = Parameter::Kind::whole, .least = 0, .most = 1e15}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kDiskFull, context, inject);
}

}  // namespace
}  // namespace disk_full_fault

constinit const Entry kDiskFull{
    .name = "disk-full",
    .summary = "nodes' disks have no room (ENOSPC), at once or after some bytes more",
    .plan = disk_full_fault::plan,
    .describe = disk_full_fault::describe,
    .parameters = disk_full_fault::kParameters,
    .make = disk_full_fault::make,
    .needs = {.syscalls = disk_full_fault::kCalls},
    .available = lab::syscalls_available,
    .family = "disk"};

}  // namespace gameday::nemesis
