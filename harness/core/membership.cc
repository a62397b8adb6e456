#include "harness/core/membership.h"

#include <algorithm>

namespace gameday {

Json to_json(const MemberView& view) {
  return {{"version", view.version}, {"members", view.members}};
}

std::string describe(const MemberChange& change) {
  if (change.out.empty()) return "add " + change.in;
  if (change.in.empty()) return "remove " + change.out;
  return fmt::format("replace {} by {}", change.out, change.in);
}

bool shows(const MemberView& view, const MemberChange& change) {
  return (change.out.empty() || !view.members.contains(change.out)) &&
         (change.in.empty() || view.members.contains(change.in));
}

bool conflict(const MemberChange& a, const MemberChange& b) {
  for (const auto& name : {a.out, a.in})
    if (!name.empty() && (name == b.out || name == b.in)) return true;
  return false;
}

namespace membership {
namespace {

// Those who leave if everything happens that may.
std::set<std::string> leaving(const State& state) {
  std::set<std::string> names(state.may_leave.begin(), state.may_leave.end());
  for (const auto& pending : state.pending)
    if (!pending.change.out.empty()) names.insert(pending.change.out);
  return names;
}

std::size_t tellers_among(const State& state, const MemberView& view,
                          const std::set<std::string>& names) {
  return static_cast<std::size_t>(
      std::count_if(names.begin(), names.end(), [&](const std::string& name) {
        const auto told = state.views.find(name);
        return told != state.views.end() && told->second == view;
      }));
}

std::set<std::string> staying(const State& state) {
  std::set<std::string> names = state.merged->members;
  for (const auto& name : leaving(state)) names.erase(name);
  return names;
}

bool is_established(const State& state, const MemberView& view) {
  if (view.members.empty() || 2 * tellers_among(state, view, view.members) <= view.members.size())
    return false;
  if (!state.merged) return true;
  const auto before = staying(state);
  return 2 * tellers_among(state, view, before) >= before.size();
}

// Whether `view` should take the place of what was established.
bool is_better(const State& state, const MemberView& view) {
  if (!is_established(state, view)) return false;
  if (!state.merged) return true;
  if (view.version != state.merged->version) return view.version > state.merged->version;
  // Without versions: whatever a majority tells now, unless the old view still has one.
  return !is_established(state, *state.merged);
}

// At the beginning nobody can be called a liar: what most tell, once most have told something.
std::optional<MemberView> first_view(const State& state) {
  if (2 * state.views.size() <= state.nodes.size()) return std::nullopt;
  for (const auto& [node, view] : state.views) {
    const auto tellers = std::count_if(state.views.begin(), state.views.end(),
                                       [&view = view](auto& told) { return told.second == view; });
    if (is_established(state, view) && 2 * static_cast<std::size_t>(tellers) > state.views.size())
      return view;
  }
  return std::nullopt;
}

// Departures that no pending change explains were those of changes that had been given up.
void forget_the_gone(State& state, const MemberView& before) {
  for (const auto& name : before.members) {
    if (state.merged->members.contains(name)) continue;
    const bool asked = std::any_of(state.pending.begin(), state.pending.end(),
                                   [&](const Pending& p) { return p.change.out == name; });
    const auto expected = state.may_leave.find(name);
    if (!asked && expected != state.may_leave.end()) state.may_leave.erase(expected);
  }
}

std::size_t least_members(const State& state, const MemberChange& change) {
  auto names = staying(state);
  names.erase(change.out);
  return names.size();
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::done:
      return "done";
    case Outcome::refused:
      return "refused";
    case Outcome::given_up:
      return "given up";
  }
  return {};
}

State start(std::vector<std::string> nodes) {
  State state;
  state.nodes = std::move(nodes);
  return state;
}

State observe(State state, const std::string& node, MemberView view) {
  state.views[node] = std::move(view);
  if (!state.merged) {
    state.merged = first_view(state);
    return state;
  }
  const MemberView before = *state.merged;
  for (const auto& [teller, told] : state.views)
    if (is_better(state, told)) state.merged = MemberView(told);
  forget_the_gone(state, before);
  return state;
}

namespace {

Status may_begin(const State& state, const MemberChange& change, std::size_t floor) {
  if (!state.merged) return fail("nobody knows yet who the members are");
  const auto& members = state.merged->members;
  if (change.out.empty() && change.in.empty()) return fail("an empty change");
  if (!change.out.empty() && !members.contains(change.out))
    return fail("{} is not a member", change.out);
  if (!change.in.empty() && members.contains(change.in))
    return fail("{} is a member already", change.in);
  for (const auto& pending : state.pending)
    if (conflict(pending.change, change))
      return fail("cannot {} while \"{}\" is pending", describe(change), describe(pending.change));
  if (!change.out.empty() && least_members(state, change) < floor)
    return fail("to {} could leave fewer than {} members", describe(change), floor);
  return {};
}

}  // namespace

Result<State> begin(State state, const MemberChange& change, std::size_t floor, std::int64_t now) {
  if (auto may = may_begin(state, change, floor); !may) return tl::make_unexpected(may.error());
  state.pending.push_back({state.next_id++, change, now, false});
  return state;
}

State answer(State state, int id, OpType type) {
  for (auto& pending : state.pending)
    if (pending.id == id && type == OpType::fail) pending.refused = true;
  return state;
}

Resolution resolve(State state, std::int64_t now, std::int64_t patience) {
  Resolution result;
  std::vector<Pending> open;
  for (auto& pending : state.pending) {
    if (state.merged && shows(*state.merged, pending.change)) {
      result.resolved.push_back({pending, Outcome::done});
    } else if (pending.refused) {
      result.resolved.push_back({pending, Outcome::refused});
    } else if (now - pending.since >= patience) {
      if (!pending.change.out.empty()) state.may_leave.insert(pending.change.out);
      result.resolved.push_back({pending, Outcome::given_up});
    } else {
      open.push_back(pending);
    }
  }
  state.pending = std::move(open);
  result.state = std::move(state);
  return result;
}

std::vector<MemberChange> possible(const State& state, std::size_t floor) {
  std::vector<std::string> outs{""}, ins{""};
  if (!state.merged) return {};
  for (const auto& node : state.nodes)
    (state.merged->members.contains(node) ? outs : ins).push_back(node);
  std::vector<MemberChange> result;
  for (const auto& out : outs)
    for (const auto& in : ins)
      if (may_begin(state, {out, in}, floor)) result.push_back({out, in});
  return result;
}

}  // namespace membership
}  // namespace gameday
