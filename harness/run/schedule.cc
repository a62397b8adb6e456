#include "harness/run/schedule.h"

#include <algorithm>

namespace gameday::run {
namespace {

constexpr double kLeadIn = 1.0;       // s of healthy service first
constexpr double kLeadOut = 1.5;      // and last: something has to happen after the last heal
constexpr double kSlot = 4.7;         // what a fault needs at most: 3.5 s, and a gap of 1.2 s
constexpr double kGap = 1.2;
constexpr double kMeanStep = 2.6;     // from one beginning to the next, with the overlaps
constexpr double kShortest = 0.25;    // times that: shorter faults find a cluster still busy electing
constexpr double kLong = 9.0;         // s; of the one fault that lasts long enough to judge what a
                                      // cluster does under it once it has settled
constexpr double kOverlap = 0.35;     // chance that a fault begins before the last one is healed

double slot_of(const FaultKind& kind) { return kind.seconds > 0 ? kind.seconds + kGap : kSlot; }

double room_for(const std::vector<FaultKind>& kinds) {
  double needed = 0;
  for (const auto& kind : kinds) needed += slot_of(kind);
  return needed;
}

// The kinds for which there is time, in their order; which ones is drawn.
std::vector<FaultKind> those_that_fit(std::vector<FaultKind> kinds, double room, double scale, Rng rng,
                                      std::vector<std::string>& left_out) {
  while (kinds.size() > 1 && room_for(kinds) * scale > room) {
    const auto which = static_cast<std::ptrdiff_t>(rng.below(kinds.size()));
    left_out.push_back(kinds[static_cast<std::size_t>(which)].name);
    kinds.erase(kinds.begin() + which);
  }
  return kinds;
}

class Drawing {
 public:
  Drawing(std::vector<FaultKind> kinds, const std::vector<std::string>& nodes, Rng rng, double scale,
          double end)
      : kinds_(std::move(kinds)), nodes_(nodes), rng_(rng), scale_(scale), end_(end) {}

  std::vector<PlannedFault> draw(std::optional<std::size_t> which_is_long) {
    double begin = kLeadIn;
    double last_end = 0;
    for (std::size_t number = 0;; ++number) {
      const FaultKind& kind = next_kind();
      const bool is_long = number == which_is_long;
      const double duration = is_long ? kLong
                              : kind.seconds > 0 ? scale_ * kind.seconds
                                                 : scale_ * (1.5 + 2.0 * rng_.unit());
      if (begin + duration > end_) return std::move(schedule_);
      add(kind, begin, begin + duration);
      last_end = std::max(last_end, begin + duration);
      const double gap = scale_ * (0.4 + 0.8 * rng_.unit());
      const bool overlap = rng_.chance(kOverlap) && !is_long && number + 1 != which_is_long;
      begin = overlap ? begin + duration * (0.3 + 0.4 * rng_.unit()) : last_end + gap;
    }
  }

 private:
  const FaultKind& next_kind() {
    if (round_.empty()) {
      for (const auto& kind : kinds_) round_.push_back(&kind);
      rng_.shuffle(round_);
    }
    const FaultKind& kind = *round_.back();
    round_.pop_back();
    return kind;
  }

  void add(const FaultKind& kind, double begin, double end) {
    Rng own = rng_.fork(kind.name);
    PlannedFault planned{begin, end, kind.name, kind.plan(own, nodes_)};
    if (!kind.expand) return schedule_.push_back(std::move(planned));
    for (auto& part : kind.expand(planned, nodes_)) schedule_.push_back(std::move(part));
  }

  const std::vector<FaultKind> kinds_;
  const std::vector<std::string>& nodes_;
  Rng rng_;
  const double scale_, end_;
  std::vector<const FaultKind*> round_;
  std::vector<PlannedFault> schedule_;
};

}  // namespace

DrawnSchedule draw_schedule(const std::vector<FaultKind>& kinds, const std::vector<std::string>& nodes,
                            std::uint64_t seed, double seconds, double interval) {
  DrawnSchedule drawn;
  const double room = seconds - kLeadIn - kLeadOut;
  if (kinds.empty() || room < 0.1) return drawn;
  Rng rng = Rng(seed).fork("schedule");
  const double shortest = interval > 0 ? interval / kMeanStep : kShortest;
  auto fitting = those_that_fit(kinds, room, shortest, rng.fork("fitting"), drawn.left_out);
  const double needed = room_for(fitting);
  const double scale = interval > 0 ? std::min(shortest, room / slot_of(fitting.front()))
                                    : std::min(1.0, room / needed);
  const bool has_long = interval == 0 && room >= needed - kSlot + kLong + kGap;
  std::optional<std::size_t> which_is_long;
  if (has_long) which_is_long = rng.fork("long").below(fitting.size());
  drawn.faults = Drawing(std::move(fitting), nodes, rng, scale, seconds - kLeadOut).draw(which_is_long);
  return drawn;
}

}  // namespace gameday::run
