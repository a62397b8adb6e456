// Who is a member of the cluster, changed through the system's own interface while it runs: a node is
// taken out, brought in, or replaced, by one that is no member or, where all are, by itself with an
// empty disk. Healed: all are members again. What the cluster answers is not believed: the nodes' views
// are (roster.h).
#include <algorithm>
#include <thread>

#include "harness/core/duration.h"
#include "harness/core/finisher.h"
#include "nemesis/entries.h"
#include "nemesis/roster.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace membership_fault {
namespace {

using namespace std::chrono_literals;
using Leaver = Roster::Leaver;

constexpr auto kLearnLimit = 2s;
constexpr auto kHealLimit = 4s;     // while other faults may be in the way
constexpr auto kFinishLimit = 20s;  // when none is
constexpr auto kPollInterval = 50ms;

constexpr std::string_view kChanges[]{"remove", "replace", "add"};
constexpr std::string_view kLeavers[]{"stays", "stops", "wiped"};

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const std::size_t change = rng.chance(0.6) ? 0 : rng.chance(0.75) ? 1 : 2;
  Json parameters = {{"change", kChanges[change]}, {"order", draw_order(rng, nodes)}};
  if (change < 2) parameters["leaver"] = kLeavers[rng.below(std::size(kLeavers))];
  return parameters;
}

std::string change_of(const Json& parameters) { return parameters.value("change", "remove"); }
Leaver leaver_of(const Json& parameters) {
  const std::string word =
      parameters.value("leaver", change_of(parameters) == "replace" ? "wiped" : "stays");
  return static_cast<Leaver>(std::find(std::begin(kLeavers), std::end(kLeavers), word) - kLeavers);
}

std::string describe(const Json& parameters) {
  const std::string who = describe_first(parameters, 1);
  if (change_of(parameters) == "add") return "bring in a node that is no member";
  const std::string_view what[]{"its server goes on", "its server is stopped",
                                "its server is stopped and its data deleted"};
  const auto leaver = what[static_cast<std::size_t>(leaver_of(parameters))];
  if (change_of(parameters) == "replace")
    return fmt::format("replace {}, in the cluster's membership; {}", who, leaver);
  return fmt::format("take {} out of the cluster's membership; {}", who, leaver);
}

class ActiveMembership : public ActiveFault {
 public:
  ActiveMembership(const NemesisContext& context, std::shared_ptr<Roster> roster, const Json& parameters,
                   std::vector<std::string> order)
      : roster_(std::move(roster)),
        deaths_(context.lab),
        leaver_(leaver_of(parameters)),
        kind_(change_of(parameters)),
        order_(std::move(order)),
        floor_(parameters.value("floor", count_of("majority", order_.size()))) {}
  ~ActiveMembership() override {
    stop();
    if (!healed_) (void)undo();
  }

  Status begin() {
    before_ = *roster_->merged();
    choose();
    if (change_ == MemberChange{}) return {};
    if (auto asked = ask(change_); !asked) return asked;
    follower_ = std::jthread([this](const std::stop_token& stop) { follow(stop); });
    return {};
  }

  Json description() const override {
    return {{"change", change_ == MemberChange{} ? "none" : gameday::describe(change_)},
            {"back", back_},
            {"before", to_json(before_)}};
  }

  Result<Proof> heal() override {
    stop();
    healed_ = true;
    if (change_ != MemberChange{} && !during_) (void)look();
    const auto undone = undo();
    if (!undone) return tl::make_unexpected(undone.error());
    if (!error_.empty()) return fail("{}", error_);
    Proof proof;
    const auto after = roster_->merged();
    proof.effective = during_.has_value();
    proof.summary = sentence() + *undone;
    proof.detail = {{"before", to_json(before_)}, {"after", to_json(*after)}, {"answers", answers_}};
    if (during_) proof.detail["during"] = to_json(*during_);
    deaths_.report(proof);
    return proof;
  }

 private:
  // The first node of the order with which it can be done. None: there is nothing to do.
  void choose() {
    const auto possible = roster_->possible(floor_);
    const auto can = [&](const MemberChange& change) {
      return std::find(possible.begin(), possible.end(), change) != possible.end();
    };
    for (const auto& node : order_) {
      if (kind_ == "add" && can({"", node})) return void(change_ = {"", node});
      if (kind_ == "remove" && can({node, ""})) return void(change_ = {node, ""});
      if (kind_ != "replace") continue;
      for (const auto& spare : order_)
        if (can({node, spare})) return void(change_ = {node, spare});
      back_ = can({node, ""});
      if (back_) return void(change_ = {node, ""});
    }
  }

  Status ask(const MemberChange& change) {
    auto id = roster_->begin(change, change.out.empty() ? 0 : floor_);
    if (!id) return fail("cannot {}: {}", gameday::describe(change), id.error().message);
    pending_ = *id;
    answers_.push_back(roster_->answers(*id));
    if (!change.out.empty()) out_ = change.out;
    return {};
  }

  // Until the change is resolved, and then what comes after it. One that was refused is asked for again.
  void follow(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (const auto outcome = look(); outcome == membership::Outcome::done) {
        if (!change_.out.empty() && gone(change_.out) && back_) come_back(stop);
        return;
      } else if (outcome == membership::Outcome::given_up ||
                 (outcome == membership::Outcome::refused && !ask(change_))) {
        return;
      }
      (void)sleep_for(stop, kPollInterval);
    }
  }

  // What has become of the change.
  std::optional<membership::Outcome> look() {
    roster_->poll();
    const auto outcome = roster_->outcome(pending_);
    if (outcome == membership::Outcome::done && !during_) during_ = roster_->merged();
    return outcome;
  }

  bool gone(const std::string& node) {
    const auto status = roster_->let_go(node, leaver_);
    if (!status) error_ = status.error().message;
    return status.has_value();
  }

  void come_back(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto back = roster_->bring_back(change_.out, 200ms);
      if (!back) error_ = back.error().message;
      if (!back || *back) return;
    }
  }

  void stop() {
    if (!follower_.joinable()) return;
    follower_.request_stop();
    follower_.join();
  }

  // Who left is brought back. What to say of it.
  Result<std::string> undo() {
    if (out_.empty()) return std::string();
    const auto back = roster_->bring_back(out_, kHealLimit);
    if (!back) return tl::make_unexpected(back.error());
    if (*back) return fmt::format("; {} is a member again", out_);
    return fmt::format("; {} cannot be brought back yet, which is left to the end", out_);
  }

  std::string sentence() const {
    if (change_ == MemberChange{}) {
      if (kind_ == "add") return "every node is a member: nobody to bring in";
      return fmt::format("to take one of {} members out would leave fewer than {}", before_.members.size(),
                         floor_);
    }
    if (!during_)
      return fmt::format("asked to {}, which no majority has seen happen", gameday::describe(change_));
    return fmt::format("{}: done, the members were {}", gameday::describe(change_),
                       join({during_->members.begin(), during_->members.end()}));
  }

  const std::shared_ptr<Roster> roster_;
  DeathWatch deaths_;
  const Leaver leaver_;
  const std::string kind_;
  const std::vector<std::string> order_;
  const std::size_t floor_;
  MemberChange change_;
  bool back_ = false;  // who is taken out is to come back itself
  bool healed_ = false;
  MemberView before_;
  // Of the follower, and of us when it has ended:
  std::optional<MemberView> during_;  // when it was done
  std::string out_;
  int pending_ = 0;
  Json answers_ = Json::array();
  std::string error_;
  std::jthread follower_;
};

class MembershipNemesis final : public EntryNemesis, public Finisher {
 public:
  explicit MembershipNemesis(const NemesisContext& context)
      : EntryNemesis(kMembership, context, nullptr), context_(context) {
    if (context.membership != nullptr) roster_ = std::make_shared<Roster>(context);
  }

  Status finish() override {
    if (!roster_) return {};
    return roster_->settle(kFinishLimit);
  }

 protected:
  Result<std::unique_ptr<ActiveFault>> do_inject(const Json& parameters) override {
    if (!roster_) return fail("the system offers no membership changes");
    auto order = resolve_order(parameters, context_);
    if (!order) return tl::make_unexpected(order.error());
    if (auto learned = roster_->learn(kLearnLimit); !learned) return tl::make_unexpected(learned.error());
    return begun(std::make_unique<ActiveMembership>(context_, roster_, parameters, std::move(*order)));
  }

 private:
  const NemesisContext context_;
  std::shared_ptr<Roster> roster_;
};

constexpr Parameter kParameters[]{
    {.name = "change", .words = kChanges},
    kOrderParameter,
    {.name = "leaver", .words = kLeavers},
    {.name = "floor", .kind = Parameter::Kind::whole, .least = 1, .most = 64}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<MembershipNemesis>(context);
}

}  // namespace
}  // namespace membership_fault

constinit const Entry kMembership{
    .name = "membership",
    .summary = "take nodes out of the cluster, bring them in, replace them",
    .plan = membership_fault::plan,
    .describe = membership_fault::describe,
    .parameters = membership_fault::kParameters,
    .make = membership_fault::make,
    .least_nodes = 3,
    .needs_membership = true,
    .family = "cluster"};

}  // namespace gameday::nemesis
