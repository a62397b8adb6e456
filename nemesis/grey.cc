// Grey failure: some threads of a node stand still while the others go on, so that it half works. It
// answers, and holds its connections and its leadership, but part of what it promised never happens.
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "harness/lab/thread_hold.h"
#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace grey_fault {
namespace {

using Clock = std::chrono::steady_clock;
using Threads = std::vector<lab::ThreadState>;

constexpr std::chrono::milliseconds kLook{100};  // for which thread is the busiest
constexpr std::chrono::milliseconds kStandstill{2000};

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 75, .minority = 15, .majority = 10, .all = 0});
  Json parameters = {{"order", draw_order(rng, nodes)}, {"count", count}};
  if (rng.chance(0.6)) {
    parameters["pick"] = "busiest";
  } else {
    parameters["pick"] = "index";
    parameters["index"] = rng.between(0, 15);
  }
  if (rng.chance(0.2)) parameters["threads"] = 2;
  return parameters;
}

std::string describe(const Json& parameters) {
  const auto threads = parameters.value("threads", 1);
  const std::string pick = parameters.value("pick", "busiest");
  const std::string which =
      pick == "name"    ? fmt::format("{} threads named {}", threads, parameters.value("name", "*"))
      : pick == "index" ? fmt::format("{} of the threads, from number {},", threads,
                                      parameters.value("index", 0))
      : threads == 1    ? "the busiest thread"
                        : fmt::format("the {} busiest threads", threads);
  return fmt::format("hold {} of {} still while the others go on", which, describe_targets(parameters));
}

// The index counts round, so that every plan hits somebody.
Threads pick_threads(const lab::Lab& lab, const std::string& node, const Json& parameters) {
  Threads all = lab.threads(node);
  std::erase_if(all, [](const auto& thread) { return thread.state == 't'; });
  if (all.empty()) return {};
  const std::string pick = parameters.value("pick", "busiest");
  if (pick == "index") {
    const auto first = parameters.value("index", std::ptrdiff_t{0}) % std::ssize(all);
    std::rotate(all.begin(), all.begin() + first, all.end());
  } else {
    std::map<pid_t, std::int64_t> before;
    for (const auto& thread : all) before[thread.tid] = thread.run_ns;
    std::this_thread::sleep_for(kLook);
    all = lab.threads(node);
    std::erase_if(all, [&](const auto& thread) {
      return thread.state == 't' ||
             (pick == "name" &&
              ::fnmatch(parameters.value("name", "*").c_str(), thread.name.c_str(), 0) != 0);
    });
    const auto work = [&](const auto& thread) {
      const auto then = before.find(thread.tid);
      return std::pair(then == before.end() ? 0 : thread.run_ns - then->second, thread.run_ns);
    };
    std::stable_sort(all.begin(), all.end(),
                     [&](const auto& a, const auto& b) { return work(a) > work(b); });
  }
  all.resize(std::min(all.size(), parameters.value("threads", std::size_t{1})));
  return all;
}

class ActiveGrey : public ActiveFault {
 public:
  ActiveGrey(lab::Lab& lab, Json parameters, std::vector<std::string> targets)
      : lab_(lab), deaths_(lab), parameters_(std::move(parameters)), targets_(std::move(targets)) {}

  Status begin() {
    for (const auto& node : targets_) {
      if (!lab_.alive(node)) continue;
      // Threads come and go: another try if one was gone before it could be held.
      Status status;
      for (int attempt = 0; attempt < 5 && !(status = hold(node)) && lab_.alive(node); ++attempt) {
      }
      if (!status && lab_.alive(node)) return fail("{}: {}", node, status.error().message);
    }
    return {};
  }

  Json description() const override {
    Json threads = Json::object();
    for (const auto& item : items_)
      for (const auto& thread : item.held) threads[item.node].push_back(words(thread));
    return Json{{"targets", targets_}, {"threads", threads}};
  }

  Result<Proof> heal() override {
    Proof proof;
    std::vector<std::string> facts;
    std::string error;
    for (auto& item : items_) {
      const auto now = lab_.threads(item.node);
      Json detail = Json::object();
      facts.push_back(fact(item, now, proof.effective, detail));
      item.hold->release();
      for (const auto& thread : lab_.threads(item.node))
        if (thread.state == 't' && is_one(item.held, thread))
          error = fmt::format("{} of {} is still held", words(thread), item.node);
      proof.detail["nodes"][item.node] = std::move(detail);
    }
    items_.clear();
    if (!error.empty()) return fail("{}", error);
    proof.summary = facts.empty() ? fmt::format("{} had no thread to hold", join(targets_))
                                  : fmt::format("{}", join(facts));
    deaths_.report(proof);
    return proof;
  }

 private:
  struct Item {
    std::string node;
    std::unique_ptr<lab::ThreadHold> hold;
    Threads held, others;  // as they were then
    Clock::time_point since;
    unsigned incarnation;
  };

  static std::string words(const lab::ThreadState& thread) {
    return fmt::format("thread {} ({})", thread.tid, thread.name);
  }
  static bool is_one(const Threads& threads, const lab::ThreadState& thread) {
    return std::any_of(threads.begin(), threads.end(),
                       [&](const auto& other) { return other.tid == thread.tid; });
  }

  Status hold(const std::string& node) {
    const auto chosen = pick_threads(lab_, node, parameters_);
    if (chosen.empty()) return {};
    std::vector<pid_t> tids;
    for (const auto& thread : chosen) tids.push_back(thread.tid);
    auto held = lab::ThreadHold::create(tids, kStandstill);
    if (!held) return tl::make_unexpected(held.error());
    Item item{node, std::move(*held), {}, {}, Clock::now(), lab_.incarnation(node)};
    for (const auto& thread : lab_.threads(node))
      (is_one(chosen, thread) ? item.held : item.others).push_back(thread);
    items_.push_back(std::move(item));
    return {};
  }

  // What the scheduler says: those held were on no processor since, others were.
  std::string fact(const Item& item, const Threads& now, bool& effective, Json& detail) const {
    if (!lab_.lives_on(item.node, item.incarnation)) {
      effective = true;
      detail["life_ended"] = true;
      return fmt::format("{} had threads held until its life ended otherwise", item.node);
    }
    std::int64_t held_switches = 0, other_switches = 0;
    std::vector<std::string> names;
    std::size_t still = 0;
    for (const auto& then : item.held) {
      const auto here = std::find_if(now.begin(), now.end(), [&](auto& t) { return t.tid == then.tid; });
      if (here == now.end()) continue;
      held_switches += here->switches - then.switches;
      still += here->state == 't' && here->switches == then.switches && here->run_ns == then.run_ns;
      names.push_back(words(then));
    }
    for (const auto& then : item.others)
      for (const auto& here : now)
        if (here.tid == then.tid) other_switches += here.switches - then.switches;
    const bool held = still > 0 && still == item.held.size();
    effective |= held && (other_switches > 0 || item.others.empty());
    detail = {{"threads", names},
              {"held_all_along", held},
              {"held_switches", held_switches},
              {"others", item.others.size()},
              {"other_switches", other_switches}};
    const double seconds = std::chrono::duration<double>(Clock::now() - item.since).count();
    return fmt::format("{} of {} {} {:.2f} s, while {} others were on a processor {} times", join(names),
                       item.node, held ? "stood still for" : "ran within", seconds,
                       item.others.size(), other_switches);
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  const Json parameters_;
  const std::vector<std::string> targets_;
  std::vector<Item> items_;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  return begun(std::make_unique<ActiveGrey>(context.lab, parameters, std::move(*targets)));
}

constexpr std::string_view kPicks[]{"busiest", "index", "name"};
constexpr Parameter kParameters[]{
    {.name = "pick", .words = kPicks},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "threads", .kind = Parameter::Kind::whole, .least = 1, .most = 1000},
    {.name = "index", .kind = Parameter::Kind::whole, .least = 0, .most = 1e6},
    {.name = "name", .kind = Parameter::Kind::text}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kGrey, context, inject);
}

}  // namespace
}  // namespace grey_fault

constinit const Entry kGrey{
    .name = "grey",
    .summary = "hold some threads of nodes still while the others go on: nodes that half work",
    .plan = grey_fault::plan,
    .describe = grey_fault::describe,
    .parameters = grey_fault::kParameters,
    .make = grey_fault::make,
    .available = lab::grey_available,
    .family = "process"};

}  // namespace gameday::nemesis
