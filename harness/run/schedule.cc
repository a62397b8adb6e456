#include "harness/run/schedule.h"

#include <algorithm>

namespace gameday::run {
namespace {

constexpr double kLeadIn = 1.0;       // s of healthy service first
constexpr double kLeadOut = 1.5;      // and last: something has to happen after the last heal
constexpr double kLatest = 1e8;       // s; keeps ns well inside 64 bits
constexpr double kLong = 9.0;         // s; of the one fault that lasts long enough to judge what a
                                      // cluster does under it once it has settled
constexpr double kOverlap = 0.35;     // chance that a fault begins before the last one is healed

}  // namespace

std::vector<PlannedFault> draw_schedule(const std::vector<FaultKind>& kinds,
                                        const std::vector<std::string>& nodes,
                                        std::uint64_t seed, double seconds) {
  std::vector<PlannedFault> schedule;
  if (kinds.empty()) return schedule;
  Rng rng = Rng(seed).fork("schedule");
  // A short run gets shorter faults rather than fewer kinds of them.
  const double room = seconds - kLeadIn - kLeadOut;
  // Every kind has to fit once even if each lasts 3.5 s and is followed by a gap of 1.2 s.
  constexpr double kSlot = 4.7;
  const auto count = static_cast<double>(kinds.size());
  const double scale = std::min(1.0, room / (kSlot * count));
  if (scale <= 0.02) return schedule;
  const bool has_long = room >= kSlot * (count - 1) + kLong + 1.2;
  const std::size_t which_is_long = rng.fork("long").below(kinds.size());
  double begin = kLeadIn;
  double last_end = 0;
  std::vector<const FaultKind*> round;
  while (true) {
    if (round.empty()) {
      for (const auto& kind : kinds) round.push_back(&kind);
      rng.shuffle(round);
    }
    const FaultKind& kind = *round.back();
    round.pop_back();
    const bool is_long = has_long && schedule.size() == which_is_long;
    const double duration = is_long ? kLong : scale * (1.5 + 2.0 * rng.unit());
    const double end = begin + duration;
    if (end > seconds - kLeadOut) break;
    Rng own = rng.fork(kind.name);
    schedule.push_back({begin, end, kind.name, kind.plan(own, nodes)});
    last_end = std::max(last_end, end);
    const double gap = scale * (0.4 + 0.8 * rng.unit());
    const bool next_is_long = has_long && schedule.size() == which_is_long;
    const bool overlap = rng.chance(kOverlap) && !is_long && !next_is_long;
    begin = overlap ? begin + duration * (0.3 + 0.4 * rng.unit()) : last_end + gap;
  }
  return schedule;
}

Gen schedule_generator(const std::vector<PlannedFault>& schedule, std::int64_t begin) {
  std::vector<Op> ops;
  int id = 0;
  for (const auto& planned : schedule) {
    ++id;
    for (const bool inject : {true, false}) {
      Op op;
      op.process = kNemesis;
      op.f = inject ? "inject" : "heal";
      const double at = std::min(inject ? planned.at : planned.until, kLatest);
      op.time = begin + static_cast<std::int64_t>(at * 1e9);
      op.value = {{"id", id}, {"fault", planned.fault}};
      if (inject) op.value["parameters"] = planned.parameters;
      ops.push_back(std::move(op));
    }
  }
  std::stable_sort(ops.begin(), ops.end(), [](auto& a, auto& b) { return a.time < b.time; });
  return gen::nemesis(gen::schedule(std::move(ops)));
}

}  // namespace gameday::run
