#include "harness/core/membership.h"

#include <gtest/gtest.h>

namespace gameday::membership {
namespace {

using Names = std::vector<std::string>;

Names names(int count) {
  Names result;
  for (int i = 1; i <= count; ++i) result.push_back(fmt::format("n{}", i));
  return result;
}

MemberView view(std::int64_t version, std::set<std::string> members) {
  return {version, std::move(members)};
}

// All nodes of the view tell it.
State told(State state, const MemberView& view) {
  for (const auto& node : view.members) state = observe(std::move(state), node, view);
  return state;
}

State three() { return told(start(names(5)), view(1, {"n1", "n2", "n3"})); }

State must_begin(const State& state, const MemberChange& change, std::size_t floor = 1) {
  auto begun = begin(state, change, floor, 0);
  EXPECT_TRUE(begun) << (begun ? "" : begun.error().message);
  return begun.value_or(state);
}

TEST(Membership, TheFirstViewIsThatOfMost) {
  State s = start(names(3));
  s = observe(s, "n2", view(9, {"n2"}));  // lies
  EXPECT_FALSE(s.merged);
  s = observe(s, "n1", view(1, {"n1", "n2", "n3"}));
  EXPECT_FALSE(s.merged);
  s = observe(s, "n3", view(1, {"n1", "n2", "n3"}));
  EXPECT_EQ(s.merged, view(1, {"n1", "n2", "n3"}));
}

TEST(Membership, MergesTheNewestViewThatAMajorityOfItsMembersTell) {
  State s = three();
  const MemberView next = view(2, {"n1", "n2", "n3", "n4"});
  s = observe(s, "n1", next);
  s = observe(s, "n4", next);
  EXPECT_EQ(s.merged->version, 1);  // two of four are no majority
  s = observe(s, "n2", next);
  EXPECT_EQ(s.merged, next);
  // Those who lag behind do not bring the old one back.
  s = told(s, view(1, {"n1", "n2", "n3"}));
  EXPECT_EQ(s.merged, next);
}

TEST(Membership, OneLiarAmongThreeIsOutvoted) {
  for (const auto& lie : {view(7, {"n1"}), view(7, {"n1", "n2", "n3", "n4"}), view(7, {"n1", "n4"}),
                          view(7, {}), view(0, {"n1", "n2"})})
    EXPECT_EQ(observe(three(), "n1", lie).merged, three().merged) << to_json(lie);
}

TEST(Membership, ANodeThatWasTakenOutIsNotAskedForItsConsent) {
  State s = told(start(names(2)), view(1, {"n1", "n2"}));
  s = must_begin(s, {"n2", ""});
  s = observe(s, "n1", view(2, {"n1"}));
  EXPECT_EQ(s.merged, view(2, {"n1"}));
}

TEST(Membership, SystemsWithoutVersionsAreFollowedToo) {
  State s = told(start(names(3)), view(0, {"n1", "n2", "n3"}));
  s = must_begin(s, {"n3", ""});
  s = observe(s, "n1", view(0, {"n1", "n2"}));
  EXPECT_EQ(s.merged->members.size(), 3U);
  s = observe(s, "n2", view(0, {"n1", "n2"}));
  EXPECT_EQ(s.merged->members.size(), 2U);
}

TEST(Membership, OnlyChangesThatChangeSomethingBegin) {
  const State s = three();
  const std::vector<std::pair<MemberChange, std::string>> cases{
      {{"", ""}, "empty"},
      {{"n4", ""}, "n4 is not a member"},
      {{"", "n1"}, "n1 is a member already"},
      {{"n4", "n5"}, "n4 is not a member"}};
  for (const auto& [change, said] : cases) {
    const auto begun = begin(s, change, 1, 0);
    ASSERT_FALSE(begun) << describe(change);
    EXPECT_NE(begun.error().message.find(said), std::string::npos) << begun.error().message;
  }
  EXPECT_FALSE(begin(start(names(3)), {"n1", ""}, 1, 0));
  EXPECT_EQ(possible(start(names(3)), 1).size(), 0U);
}

TEST(Membership, ConflictingChangesAreNeverPendingTogether) {
  State s = must_begin(three(), {"n1", "n4"});
  for (const MemberChange& change :
       {MemberChange{"n1", ""}, {"", "n4"}, {"n2", "n4"}, {"n1", "n5"}})
    EXPECT_FALSE(begin(s, change, 1, 0)) << describe(change);
  EXPECT_TRUE(begin(s, {"n2", "n5"}, 1, 0));
}

TEST(Membership, TheFloorCountsWhatIsPendingAndWhatWasGivenUp) {
  State s = three();
  EXPECT_FALSE(begin(s, {"n1", ""}, 3, 0));
  EXPECT_FALSE(begin(s, {"n1", "n4"}, 3, 0));  // who comes may come late
  s = must_begin(s, {"n1", ""}, 2);
  EXPECT_FALSE(begin(s, {"n2", ""}, 2, 0));
  s = resolve(s, 100, 100).state;
  EXPECT_TRUE(s.pending.empty());
  EXPECT_FALSE(begin(s, {"n2", ""}, 2, 0));  // n1 may still leave
  s = told(s, view(2, {"n2", "n3"}));
  s = told(s, view(3, {"n1", "n2", "n3"}));
  EXPECT_TRUE(begin(s, {"n2", ""}, 2, 0));  // it has left and is back
}

TEST(Membership, PossibleChangesAreThoseThatBegin) {
  EXPECT_EQ(possible(three(), 3).size(), 2U);       // add n4, add n5
  EXPECT_EQ(possible(three(), 2).size(), 2U + 3U + 6U);
  const State s = must_begin(three(), {"n1", ""}, 2);
  EXPECT_EQ(possible(s, 2).size(), 2U);
}

TEST(Membership, TheViewsDecideNotTheAnswers) {
  const MemberChange change{"n3", ""};
  for (const OpType type : {OpType::ok, OpType::info, OpType::fail}) {
    State s = answer(must_begin(three(), change), 1, type);
    s = told(s, view(2, {"n1", "n2"}));
    const auto r = resolve(s, 10, 100);
    ASSERT_EQ(r.resolved.size(), 1U);
    EXPECT_EQ(r.resolved[0].outcome, Outcome::done);  // seen is seen, also after "fail"
    EXPECT_TRUE(resolve(r.state, 20, 100).resolved.empty());
  }
  const State asked = must_begin(three(), change);
  EXPECT_TRUE(resolve(answer(asked, 1, OpType::ok), 10, 100).resolved.empty());
  EXPECT_EQ(resolve(answer(asked, 1, OpType::fail), 10, 100).resolved.at(0).outcome, Outcome::refused);
  EXPECT_EQ(resolve(answer(asked, 1, OpType::info), 100, 100).resolved.at(0).outcome, Outcome::given_up);
}

TEST(Membership, LateIsNotTwice) {
  State s = resolve(must_begin(three(), {"n3", ""}), 100, 100).state;
  s = told(s, view(2, {"n1", "n2"}));
  EXPECT_TRUE(resolve(s, 200, 100).resolved.empty());
  EXPECT_TRUE(s.may_leave.empty());
}

// A cluster that changes its members one configuration after the other, seen through nodes of which
// each knows what it happens to have heard, and of which one may lie.
class Cluster {
 public:
  Cluster(Rng rng, Names nodes, std::size_t members, bool conditional)
      : rng_(rng), nodes_(std::move(nodes)), conditional_(conditional) {
    chain_.push_back(view(1, {nodes_.begin(), nodes_.begin() + static_cast<std::ptrdiff_t>(members)}));
    if (rng_.chance(0.5)) liar_ = rng_.pick(nodes_);
  }

  void ask(int id, const MemberChange& change) {
    const int copies = rng_.chance(0.1) ? 2 : 1;  // a client that tries again
    for (int i = 0; i < copies; ++i) requests_.push_back({id, change, chain_.back().version});
  }

  // One request takes effect, is refused, or is lost; its answer too may be lost.
  std::optional<std::pair<int, OpType>> step() {
    for (auto& [node, known] : known_)
      if (rng_.chance(0.3)) known = rng_.between(known, static_cast<std::int64_t>(chain_.size()) - 1);
    if (requests_.empty() || rng_.chance(0.6)) return std::nullopt;
    const auto at = static_cast<std::ptrdiff_t>(rng_.below(requests_.size()));
    const Request request = requests_[static_cast<std::size_t>(at)];
    requests_.erase(requests_.begin() + at);
    if (rng_.chance(0.15)) return std::pair{request.id, OpType::info};
    const bool again = std::any_of(requests_.begin(), requests_.end(),
                                   [&](auto& other) { return other.id == request.id; });
    const OpType told = apply(request) ? OpType::ok : again ? OpType::info : OpType::fail;
    if (told == OpType::ok) done_.insert(request.id);
    if (rng_.chance(0.3)) return std::pair{request.id, OpType::info};
    // A copy that finds its work done is no failure of the change.
    return std::pair{request.id, told == OpType::fail && done_.contains(request.id) ? OpType::ok : told};
  }

  MemberView ask_view(const std::string& node) {
    if (node == liar_ && rng_.chance(0.7)) return lie();
    return chain_[static_cast<std::size_t>(known_.try_emplace(node, 0).first->second)];
  }

  void come_to_rest() {
    liar_.clear();
    requests_.clear();
    for (const auto& node : nodes_) known_[node] = static_cast<std::int64_t>(chain_.size()) - 1;
  }

  const std::vector<MemberView>& chain() const { return chain_; }

 private:
  struct Request {
    int id;
    MemberChange change;
    std::int64_t version;
  };

  bool apply(const Request& request) {
    MemberView next = chain_.back();
    if (conditional_ && request.version != next.version) return false;
    if (!request.change.out.empty() && next.members.erase(request.change.out) == 0) return false;
    if (!request.change.in.empty() && !next.members.insert(request.change.in).second) return false;
    ++next.version;
    chain_.push_back(std::move(next));
    return true;
  }

  MemberView lie() {
    MemberView result = rng_.pick(chain_);
    result.version += rng_.between(-2, 5);
    if (rng_.chance(0.4)) result.members = {liar_};
    if (rng_.chance(0.3)) result.members.insert(rng_.pick(nodes_));
    if (rng_.chance(0.3)) result.members.erase(rng_.pick(nodes_));
    return result;
  }

  Rng rng_;
  const Names nodes_;
  const bool conditional_;
  std::string liar_;
  std::vector<MemberView> chain_;
  std::map<std::string, std::int64_t> known_;
  std::vector<Request> requests_;
  std::set<int> done_;
};

struct Seen {
  int done = 0, refused = 0, given_up = 0, together = 0, largest = 0;
};

void expect_no_conflicts(const State& state) {
  for (std::size_t i = 0; i < state.pending.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_FALSE(conflict(state.pending[i].change, state.pending[j].change));
}

void walk(std::uint64_t seed, Seen& seen) {
  Rng rng(seed);
  constexpr std::size_t kFloor = 3;
  const auto nodes = names(static_cast<int>(rng.between(4, 9)));
  const auto members = static_cast<std::size_t>(rng.between(4, static_cast<std::int64_t>(nodes.size())));
  Cluster cluster(rng.fork("cluster"), nodes, members, rng.chance(0.5));
  State state = start(nodes);
  std::map<int, int> resolved;
  std::map<int, MemberChange> begun;
  const auto settle = [&](std::int64_t now, std::int64_t patience) {
    auto resolution = resolve(std::move(state), now, patience);
    state = std::move(resolution.state);
    for (const auto& r : resolution.resolved) {
      ++resolved[r.pending.id];
      ++(r.outcome == Outcome::done      ? seen.done
         : r.outcome == Outcome::refused ? seen.refused
                                         : seen.given_up);
      EXPECT_EQ(begun.at(r.pending.id), r.pending.change);
      EXPECT_TRUE(r.outcome != Outcome::done || shows(*state.merged, r.pending.change));
    }
  };
  for (std::int64_t now = 0; now < 300; ++now) {
    const auto before = state.merged;
    const auto& node = rng.pick(nodes);
    if (rng.chance(0.7)) state = observe(std::move(state), node, cluster.ask_view(node));
    if (state.merged) {
      const auto& chain = cluster.chain();
      EXPECT_NE(std::find(chain.begin(), chain.end(), *state.merged), chain.end())
          << seed << ": " << to_json(*state.merged) << " never was";
      EXPECT_TRUE(!before || state.merged->version >= before->version) << seed;
    }
    const auto choices = possible(state, kFloor);
    if (!choices.empty() && rng.chance(0.3)) {
      const MemberChange change = rng.pick(choices);
      state = *begin(std::move(state), change, kFloor, now);
      begun[state.pending.back().id] = change;
      cluster.ask(state.pending.back().id, change);
    }
    if (const auto answered = cluster.step())
      state = answer(std::move(state), answered->first, answered->second);
    settle(now, 40);
    expect_no_conflicts(state);
    seen.together += state.pending.size() > 1;
    EXPECT_GE(cluster.chain().back().members.size(), kFloor) << seed;
    seen.largest = std::max(seen.largest, static_cast<int>(cluster.chain().back().members.size()));
  }
  cluster.come_to_rest();
  for (const auto& node : nodes) state = observe(std::move(state), node, cluster.ask_view(node));
  EXPECT_EQ(state.merged, cluster.chain().back()) << seed;
  settle(1000, 40);
  EXPECT_TRUE(state.pending.empty());
  for (const auto& [id, change] : begun) EXPECT_EQ(resolved[id], 1) << seed << ": " << describe(change);
  EXPECT_EQ(resolved.size(), begun.size());
}

TEST(Membership, RandomWalksKeepTheInvariants) {
  Seen seen;
  for (std::uint64_t seed = 0; seed < 200 && !::testing::Test::HasFailure(); ++seed) walk(seed, seen);
  EXPECT_GT(seen.done, 1000);
  fmt::print("  {} done, {} refused, {} given up\n", seen.done, seen.refused, seen.given_up);
  EXPECT_GT(seen.refused, 100);
  EXPECT_GT(seen.given_up, 1000);
  EXPECT_GT(seen.together, 1000);
  EXPECT_EQ(seen.largest, 9);
}

}  // namespace
}  // namespace gameday::membership
