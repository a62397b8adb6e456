#include <fmt/format.h>

#include "harness/lab/test_server.h"
#include "harness/lab/thread_hold.h"
#include "nemesis/bench/bench.h"

namespace gameday::nemesis::bench {

namespace {

constexpr int kRuns = 30;

// Both halves of something that is done and undone: each is timed alone.
struct Pair {
  std::vector<double> done, undone;
};
template <typename Do, typename Undo>
Pair pair_of(Do&& act, Undo&& undo) {
  Pair result;
  for (int i = 0; i < kRuns; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    auto what = act();
    const auto middle = std::chrono::steady_clock::now();
    undo(what);
    const auto end = std::chrono::steady_clock::now();
    result.done.push_back(std::chrono::duration<double, std::nano>(middle - begin).count());
    result.undone.push_back(std::chrono::duration<double, std::nano>(end - middle).count());
  }
  return result;
}

Row row(std::string measure, const std::vector<double>& ns, std::string bar) {
  return {std::move(measure), fmt::format("{:.2f} ms, at most {:.2f} ms", median(ns) / 1e6,
                                          percentile(ns, 100) / 1e6),
          std::move(bar), {}, {}};
}

}  // namespace

// Of one node of three, whose server is a small one.
Rows process() {
  const lab::testing::TempFolder folder;
  const bool cgroups = bool(lab::freezing_available());
  lab::LabOptions options;
  options.directory = folder.path();
  options.prepare.cgroups = cgroups;
  auto made = lab::Lab::create(options);
  if (!made) return {{"process", made.error().message, {}, {}, {}}};
  lab::Lab& lab = **made;
  for (const auto& node : lab.nodes()) (void)lab.start(node.name, lab::testing::server_spec());
  lab::testing::wait_until_ready(lab);
  Rows rows;
  std::vector<double> dead;
  for (int i = 0; i < kRuns; ++i) {
    if (auto took = lab.kill("n1")) dead.push_back(static_cast<double>(took->count()));
    (void)lab.restart("n1");
    lab::testing::wait_until_ready(lab);
  }
  rows.push_back(row("kill -9 of a node to all its processes seen dead", dead, "under 2 ms"));
  const auto pauses =
      pair_of([&] { return lab.pause("n1"); }, [&](auto& pause) { (void)lab.resume(*pause); });
  rows.push_back(row("pause (SIGSTOP) to every thread seen stopped", pauses.done, "under 2 ms"));
  rows.push_back(row("resume to seen running", pauses.undone, "under 2 ms"));
  if (cgroups) {
    lab::Cgroup* cgroup = *lab.cgroup("n1");
    const auto freezes =
        pair_of([&] { return cgroup->freeze(); }, [&](auto& life) { (void)cgroup->thaw(*life); });
    rows.push_back(row("freeze of its cgroup", freezes.done, "under 2 ms"));
    rows.push_back(row("thaw", freezes.undone, "under 2 ms"));
  } else {
    rows.push_back({"freeze of its cgroup", lab::freezing_available().error().message, {}, {}, {}});
  }
  const pid_t thread = lab.threads("n1").at(0).tid;
  const auto holds =
      pair_of([&] { return lab::ThreadHold::create({thread}, std::chrono::seconds(1)); },
              [](auto& hold) { (*hold)->release(); });
  rows.push_back(row("one thread held (grey), seen standing", holds.done, "under 2 ms"));
  rows.push_back(row("the thread let go", holds.undone, "under 2 ms"));
  return rows;
}

}  // namespace gameday::nemesis::bench
