// A clock fault in force: its skews, on one node each.
#pragma once

#include <thread>

#include "nemesis/entries.h"

namespace gameday::nemesis {

struct ClockPlan {
  std::string style;
  std::vector<lab::ClockSkew> skews;  // one for each node hit, repeated where there are fewer
  std::chrono::milliseconds hold{0};  // the nodes are stopped that long first, as in a suspend
};

class ActiveClock : public ActiveFault {
 public:
  ActiveClock(const NemesisContext& context, ClockPlan plan)
      : context_(context), deaths_(context.lab), plan_(std::move(plan)) {}
  ~ActiveClock() override { (void)undo(); }

  Status begin(const std::vector<std::string>& targets);
  Json description() const override;
  Result<Proof> heal() override;

 private:
  using Time = std::chrono::system_clock::time_point;
  using Offset = std::chrono::nanoseconds;
  struct Reading {
    Offset offset, tolerance;
    Time at;
  };
  struct Skew {
    std::string node;
    lab::ClockControl* clock = nullptr;
    lab::ClockSkew skew;
    int id = 0;                       // 0: not in force
    std::optional<lab::Pause> pause;  // until the skew takes effect
    std::optional<Reading> seen;      // while in force
    bool confirmed = false;           // seen, as it should be, and not so without this fault
    bool too_small = false;           // what it changed is less than a reading is exact
    std::size_t processes = 0, followed = 0;  // of the node, and of these that read the page
  };

  Status put_in_force(Skew& skew);
  Status wake_up(Skew& skew);
  void sleep(const std::stop_token& stop);
  std::optional<Reading> read(const Skew& skew) const;
  void confirm(Skew& skew, int attempts) const;
  bool proven(const Skew& skew) const;
  Status undo();
  Status check_healed(const Skew& skew, Json& entry) const;
  std::string fact(const Skew& skew) const;

  NemesisContext context_;
  DeathWatch deaths_;
  const ClockPlan plan_;
  std::vector<Skew> skews_;
  std::string error_;  // of the sleeper; read after it was joined
  std::jthread sleeper_;
};

// "60.0 s ahead", "standing still": what such a skew does to a clock, for people.
std::string describe(const lab::ClockSkew& skew);

}  // namespace gameday::nemesis
