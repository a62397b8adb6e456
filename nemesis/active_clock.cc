#include "nemesis/active_clock.h"


#include "harness/core/duration.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::system_clock;

// Beyond the time that the question takes; well below what plan() draws.
constexpr milliseconds kTolerance{40};
constexpr int kLookMs = 7;  // from one reading to the next

double seconds(nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace

std::string describe(const lab::ClockSkew& skew) {
  if (skew.still) return "standing still";
  std::vector<std::string> parts;
  const double offset = seconds(skew.offset);
  if (offset != 0)
    parts.push_back(
        fmt::format("{:.1f} s {}{}", std::abs(offset), offset > 0 ? "ahead" : "behind",
                    skew.period.count() == 0
                        ? ""
                        : fmt::format(" and right by turns, every {:.0f} ms", ms(skew.period))));
  if (skew.rate != 0)
    parts.push_back(
        fmt::format("{:.2f} % too {}", std::abs(skew.rate) * 100, skew.rate > 0 ? "fast" : "slow"));
  if (skew.monotonic.count() != 0)
    parts.push_back(fmt::format("monotonic {:.1f} s on", seconds(skew.monotonic)));
  return parts.empty() ? "right" : join(parts);
}

Status ActiveClock::put_in_force(Skew& skew) {
  auto id = skew.clock->add(skew.skew);
  if (!id) return tl::make_unexpected(id.error());
  skew.id = *id;
  return {};
}

Status ActiveClock::begin(const std::vector<std::string>& targets) {
  for (std::size_t i = 0; i < targets.size(); ++i) {
    auto clock = context_.lab.clock(targets[i]);
    if (!clock) return tl::make_unexpected(clock.error());
    skews_.push_back(
        {targets[i], *clock, plan_.skews[i % plan_.skews.size()], 0, {}, {}, false, 0, 0});
  }
  const bool suspends = plan_.hold.count() > 0;
  for (auto& skew : skews_) {
    if (suspends && context_.lab.alive(skew.node)) {
      auto pause = context_.lab.pause(skew.node);
      if (pause)
        skew.pause = std::move(*pause);
      else if (context_.lab.alive(skew.node))
        return tl::make_unexpected(pause.error());
    } else if (auto status = put_in_force(skew); !status) {
      return status;
    }
  }
  if (suspends)
    sleeper_ = std::jthread([this](const std::stop_token& stop) { sleep(stop); });
  else
    for (auto& skew : skews_) confirm(skew, 3);
  return {};
}

// The clocks leap while the node stands still, so that it wakes up to them.
Status ActiveClock::wake_up(Skew& skew) {
  if (!skew.pause) return {};
  const lab::Pause pause = *std::exchange(skew.pause, std::nullopt);
  const Status status = put_in_force(skew);
  if (auto resumed = context_.lab.resume(pause); !resumed)
    return tl::make_unexpected(resumed.error());
  return status;
}

void ActiveClock::sleep(const std::stop_token& stop) {
  (void)sleep_for(stop, plan_.hold);  // they are woken up in any case
  for (auto& skew : skews_)
    if (auto status = wake_up(skew); !status && error_.empty()) error_ = status.error().message;
}

Json ActiveClock::description() const {
  Json nodes = Json::object();
  for (const auto& skew : skews_) nodes[skew.node] = describe(skew.skew);
  return Json{{"style", plan_.style}, {"clocks", std::move(nodes)}};
}

// Asks the node's process; the quickest of some answers.
std::optional<ActiveClock::Reading> ActiveClock::read(const Skew& skew) const {
  std::optional<Reading> best;
  if (!context_.wall_clock || !context_.lab.alive(skew.node)) return best;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const Time before = system_clock::now();
    const auto theirs = context_.wall_clock(skew.node);
    const nanoseconds took = system_clock::now() - before;
    if (!theirs) return best;
    const Time at = before + took / 2;
    const nanoseconds offset = nanoseconds(*theirs) - at.time_since_epoch();
    if (!best || took / 2 + kTolerance < best->tolerance)
      best = {offset, took / 2 + kTolerance, at};
    if (took < kTolerance) break;
  }
  return best;
}

// Whether what the process shows is what it should, and would not be so without this fault.
void ActiveClock::confirm(Skew& skew, int attempts) const {
  if (skew.id == 0) return;
  if (const auto pids = context_.lab.pids(skew.node); !pids.empty()) {
    skew.processes = pids.size();
    skew.followed = skew.clock->followed_by(pids);
  }
  for (bool shown = false; attempts > 0 && !shown; --attempts) {
    const auto reading = read(skew);
    if (!reading) return;
    const Offset expected = skew.clock->offset_at(reading->at);
    const Offset without = skew.clock->offset_without(skew.id, reading->at);
    const bool as_told = std::chrono::abs(reading->offset - expected) <= reading->tolerance;
    const bool told_apart = std::chrono::abs(expected - without) > reading->tolerance;
    shown = as_told && told_apart;
    skew.too_small = as_told && !told_apart;
    if (shown || !skew.confirmed) skew.seen = reading;
    skew.confirmed |= shown;
    // Elsewhere in the period of a strobe, or on in a drift.
    if (!shown) std::this_thread::sleep_for(milliseconds(kLookMs));
  }
}

// A leap of the monotonic clock, which nobody can be asked for, is proven by the page that says it
// being mapped in the node's processes.
bool ActiveClock::proven(const Skew& skew) const {
  return skew.confirmed || (skew.skew.monotonic.count() > 0 && skew.followed > 0);
}

Result<Proof> ActiveClock::heal() {
  if (sleeper_.joinable()) {
    sleeper_.request_stop();
    sleeper_.join();
  }
  // Through all of a strobe's period, up to a second.
  for (auto& skew : skews_)
    confirm(skew, std::clamp(static_cast<int>(2 * ms(skew.skew.period) / kLookMs), 20, 140));
  Proof proof;
  std::vector<std::string> facts;
  Json nodes = Json::object();
  for (const auto& skew : skews_) {
    proof.effective |= proven(skew);
    facts.push_back(fact(skew));
    Json entry{{"clock", describe(skew.skew)},
               {"confirmed", proven(skew)},
               {"processes", skew.processes},
               {"follow", skew.followed}};
    if (skew.seen) {
      entry["read_back_ms"] = ms(skew.seen->offset);
      entry["tolerance_ms"] = ms(skew.seen->tolerance);
    }
    nodes[skew.node] = std::move(entry);
  }
  if (auto status = undo(); !status) return tl::make_unexpected(status.error());
  for (const auto& skew : skews_)
    if (auto status = check_healed(skew, nodes[skew.node]); !status)
      return tl::make_unexpected(status.error());
  if (!error_.empty()) return fail("{}", error_);
  proof.summary = join(facts);
  proof.detail = {{"nodes", std::move(nodes)}};
  if (!skews_.empty()) proof.detail["mechanism"] = skews_.front().clock->mechanism();
  deaths_.report(proof);
  return proof;
}

// What the process shows afterwards is the truth, but for the other faults in force.
Status ActiveClock::check_healed(const Skew& skew, Json& entry) const {
  for (int attempt = 0;; ++attempt) {
    const auto after = read(skew);
    if (!after) return {};
    const Offset wrong = after->offset - skew.clock->offset_at(after->at);
    entry["after_ms"] = ms(after->offset);
    if (std::chrono::abs(wrong) <= after->tolerance) return {};
    if (attempt == 10)
      return fail("the clock of {} is still wrong by {:.0f} ms", skew.node, ms(wrong));
    std::this_thread::sleep_for(milliseconds(5));
  }
}

std::string ActiveClock::fact(const Skew& skew) const {
  std::string text = fmt::format("clock of {}: {}", skew.node, describe(skew.skew));
  if (skew.skew.monotonic.count() > 0)
    text += fmt::format(" (in {} of {} processes; a monotonic clock never goes back)",
                        skew.followed, skew.processes);
  if (skew.skew.monotonic.count() > 0 && skew.skew.offset.count() == 0) return text;
  if (!context_.wall_clock) return text + " (nobody can be asked what it shows)";
  if (!skew.seen) return text + " (it does not answer what it shows)";
  text += fmt::format(", it showed {:+.3f} s", seconds(skew.seen->offset));
  if (skew.confirmed) return text;
  if (!skew.too_small) return text + ": without effect";
  return text + fmt::format(": too little to tell from the truth (± {:.0f} ms)", ms(skew.seen->tolerance));
}

Status ActiveClock::undo() {
  if (sleeper_.joinable()) {
    sleeper_.request_stop();
    sleeper_.join();
  }
  Status result;
  for (auto& skew : skews_) {
    if (skew.pause)  // the fault's begin has failed
      if (auto resumed = context_.lab.resume(*std::exchange(skew.pause, std::nullopt)); !resumed)
        result = tl::make_unexpected(resumed.error());
    if (skew.id != 0)
      if (auto status = skew.clock->remove(std::exchange(skew.id, 0)); !status) result = status;
  }
  return result;
}

}  // namespace gameday::nemesis
