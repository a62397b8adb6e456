// Wall clocks that are wrong: bumped by an offset, or strobing between the offset and the truth.
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "nemesis/entries.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// Beyond the time that the question takes; well below the smallest offset that plan() draws.
constexpr milliseconds kTolerance{40};
constexpr double kSmallestMs = 100, kLargestMs = 60'000;

std::int64_t draw_offset_ms(Rng& rng) {
  const double size = kSmallestMs * std::pow(kLargestMs / kSmallestMs, rng.unit());  // log-uniform
  return std::llround(rng.chance(0.5) ? size : -size);
}

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 50, .minority = 15, .majority = 20, .all = 15});
  Json offsets = Json::array();
  for (std::size_t i = 0; i < count; ++i) offsets.push_back(draw_offset_ms(rng));
  Json parameters = {{"style", "bump"},
                     {"order", draw_order(rng, nodes)},
                     {"count", count},
                     {"offsets_ms", offsets}};
  if (rng.chance(0.25)) {
    parameters["style"] = "strobe";
    parameters["period_ms"] = rng.between(20, 500);
  }
  return parameters;
}

std::string describe(const Json& parameters) {
  std::string offsets;
  for (const auto& offset : parameters.value("offsets_ms", Json::array()))
    offsets += fmt::format("{}{:+.1f} s", offsets.empty() ? "" : ", ", offset.get<double>() / 1e3);
  if (parameters.value("style", "bump") == "strobe")
    return fmt::format("strobe the clock of {} between the truth and {} every {} ms",
                       describe_targets(parameters), offsets, parameters.value("period_ms", 100));
  return fmt::format("set the clock of {} wrong by {}", describe_targets(parameters), offsets);
}

// The clock of a node against ours, and how exact that is.
struct Reading {
  nanoseconds offset, tolerance;
};

class ActiveClock : public ActiveFault {
 public:
  struct Skew {
    std::string node;
    lab::ClockControl* clock = nullptr;
    nanoseconds offset{0};
    int id = 0;
    std::optional<Reading> seen;  // while in force
    bool confirmed = false;       // seen, and as it should be
  };

  ActiveClock(const NemesisContext& context, Json parameters)
      : context_(context), deaths_(context.lab), parameters_(std::move(parameters)) {}
  ~ActiveClock() override { (void)undo(); }

  Status begin(const std::vector<std::string>& targets, const std::vector<nanoseconds>& offsets) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      auto clock = context_.lab.clock(targets[i]);
      if (!clock) return tl::make_unexpected(clock.error());
      auto id = (*clock)->add(offsets[i % offsets.size()]);
      if (!id) return tl::make_unexpected(id.error());
      skews_.push_back({targets[i], *clock, offsets[i % offsets.size()], *id, {}, false});
    }
    for (auto& skew : skews_) confirm(skew);
    const milliseconds period(parameters_.value("period_ms", 100));
    if (parameters_.value("style", "bump") == "strobe")
      strober_ = std::jthread([this, period](std::stop_token stop) { strobe(stop, period); });
    return {};
  }

  Json description() const override {
    Json offsets = Json::object();
    for (const auto& skew : skews_)
      offsets[skew.node] = std::chrono::duration<double, std::milli>(skew.offset).count();
    return Json{{"style", parameters_.value("style", "bump")}, {"offsets_ms", offsets}};
  }

  Result<Proof> heal() override {
    const bool strobed = strober_.joinable();
    stop_strobe();
    for (auto& skew : skews_)
      if (!skew.confirmed && !strobed) confirm(skew);  // it may not have answered at injection
    if (auto status = undo(); !status) return tl::make_unexpected(status.error());

    Proof proof;
    std::vector<std::string> facts;
    Json nodes = Json::object();
    for (const auto& skew : skews_) {
      proof.effective |= skew.confirmed;
      facts.push_back(fact(skew));
      Json entry{{"offset_ms", ms(skew.offset)}, {"confirmed", skew.confirmed}};
      if (skew.seen) entry["read_back_ms"] = ms(skew.seen->offset);
      if (skew.seen) entry["tolerance_ms"] = ms(skew.seen->tolerance);
      const auto healed = read(skew, skew.clock->offset());
      if (healed) entry["after_ms"] = ms(healed->offset);
      if (healed && !matches(*healed, skew.clock->offset()))
        return fail("the clock of {} is still wrong by {:.0f} ms", skew.node, ms(healed->offset));
      nodes[skew.node] = std::move(entry);
    }
    proof.summary = join(facts);
    if (strobed) proof.summary += fmt::format("; {} changes", changes_);
    proof.detail = {{"nodes", std::move(nodes)}, {"changes", changes_}};
    deaths_.report(proof);
    return proof;
  }

 private:
  static double ms(nanoseconds duration) {
    return std::chrono::duration<double, std::milli>(duration).count();
  }
  static bool matches(const Reading& reading, nanoseconds expected) {
    return std::chrono::abs(reading.offset - expected) <= reading.tolerance;
  }

  // Asks the node's process, a few times if the answer is not the expected one or slow.
  std::optional<Reading> read(const Skew& skew, nanoseconds expected) const {
    std::optional<Reading> result;
    if (!context_.wall_clock || !context_.lab.alive(skew.node)) return result;
    for (int attempt = 0; attempt < 5; ++attempt) {
      using std::chrono::system_clock;
      const nanoseconds before = system_clock::now().time_since_epoch();
      const auto theirs = context_.wall_clock(skew.node);
      const nanoseconds after = system_clock::now().time_since_epoch();
      if (!theirs) return result;
      const nanoseconds half = (after - before) / 2;
      result = Reading{nanoseconds(*theirs) - before - half, kTolerance + half};
      if (matches(*result, expected) && half < kTolerance) return result;
      std::this_thread::sleep_for(milliseconds(2));
    }
    return result;
  }

  void confirm(Skew& skew) const {
    const nanoseconds expected = skew.clock->offset();  // with those of other faults
    skew.seen = read(skew, expected);
    skew.confirmed = skew.seen && matches(*skew.seen, expected) &&
                     std::chrono::abs(skew.offset) > skew.seen->tolerance;
  }

  std::string fact(const Skew& skew) const {
    const std::string set =
        fmt::format("the clock of {} was set {:+.3f} s wrong", skew.node, ms(skew.offset) / 1e3);
    if (!context_.wall_clock) return set + " (nobody can be asked what it shows)";
    if (!skew.seen) return set + " (it does not answer what it shows)";
    return set + fmt::format(", it showed {:+.3f} s{}", ms(skew.seen->offset) / 1e3,
                             skew.confirmed ? "" : ": without effect");
  }

  void strobe(const std::stop_token& stop, milliseconds period) {
    std::mutex unused;
    std::condition_variable_any sleeper;
    std::unique_lock lock(unused);
    for (bool on = false; !stop.stop_requested(); on = !on) {
      for (auto& skew : skews_)
        (void)skew.clock->change(skew.id, on ? skew.offset : nanoseconds{0});
      ++changes_;
      sleeper.wait_for(lock, stop, period, [] { return false; });
    }
  }

  void stop_strobe() {
    if (!strober_.joinable()) return;
    strober_.request_stop();
    strober_.join();
  }

  Status undo() {
    stop_strobe();
    Status result;
    for (auto& skew : skews_)
      if (skew.id != 0)
        if (auto status = skew.clock->remove(std::exchange(skew.id, 0)); !status) result = status;
    return result;
  }

  NemesisContext context_;
  DeathWatch deaths_;
  const Json parameters_;
  std::vector<Skew> skews_;
  std::int64_t changes_ = 0;  // of the strober; read after it was joined
  std::jthread strober_;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  std::vector<nanoseconds> offsets;
  for (const auto& offset : parameters.at("offsets_ms"))
    offsets.push_back(milliseconds(std::llround(offset.get<double>())));
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  auto fault = std::make_unique<ActiveClock>(context, parameters);
  if (auto status = fault->begin(*targets, offsets); !status)
    return tl::make_unexpected(status.error());
  return fault;
}

constexpr std::string_view kStyles[]{"bump", "strobe"};
constexpr Parameter kParameters[]{
    {.name = "style", .words = kStyles},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    // One for each node hit, repeated where there are fewer; a century at most.
    {.name = "offsets_ms",
     .kind = Parameter::Kind::numbers,
     .least = -3.2e12,
     .most = 3.2e12,
     .required = true},
    {.name = "period_ms", .kind = Parameter::Kind::whole, .least = 1, .most = 1e6}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kClock, context, inject);
}

}  // namespace

constinit const Entry kClock{
    .name = "clock",
    .summary = "set wall clocks wrong by up to a minute, steadily or strobing",
    .plan = plan,
    .describe = describe,
    .parameters = kParameters,
    .make = make,
    .needs = {.clocks = true},
    .family = "clock"};

}  // namespace gameday::nemesis
