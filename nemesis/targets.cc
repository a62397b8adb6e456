#include "nemesis/targets.h"

#include <algorithm>

namespace gameday::nemesis {

namespace {

// Those that claim to be primary and are nodes, the most credible first.
std::vector<std::string> primaries_of(const NemesisContext& context) {
  const auto names = node_names(context.lab);
  auto claims = context.primaries ? context.primaries() : std::vector<std::string>();
  std::erase_if(claims, [&](const std::string& claim) {
    return std::find(names.begin(), names.end(), claim) == names.end();
  });
  return claims;
}

}  // namespace

std::size_t count_of(std::string_view word, std::size_t nodes) {
  if (word == "minority") return std::max<std::size_t>(1, (nodes - 1) / 2);
  if (word == "majority") return nodes / 2 + 1;
  if (word == "minority-third") return std::max<std::size_t>(1, (nodes - 1) / 3);
  return word == "all" ? nodes : 1;
}

Json draw_order(Rng& rng, const std::vector<std::string>& nodes) {
  auto order = nodes;
  rng.shuffle(order);
  if (rng.chance(0.5)) order.insert(order.begin(), kLeader);
  return order;
}

std::size_t draw_count(Rng& rng, std::size_t nodes, const CountWeights& weights) {
  double at = rng.unit() * (weights.one + weights.minority + weights.majority + weights.all);
  if ((at -= weights.one) < 0) return 1;
  if ((at -= weights.minority) < 0) return count_of("minority", nodes);
  if ((at -= weights.majority) < 0) return count_of("majority", nodes);
  return weights.all > 0 ? nodes : 1;
}

Result<std::vector<std::string>> resolve_order(const Json& parameters, const std::string& leader,
                                               const std::vector<std::string>& nodes) {
  std::vector<std::string> result;
  const auto add = [&](const std::string& name) {
    if (std::find(result.begin(), result.end(), name) == result.end()) result.push_back(name);
  };
  const Json order = parameters.value("order", Json::array());
  if (!order.is_array()) return fail("\"order\" must be a list of nodes");
  for (const auto& item : order) {
    const std::string name = item.is_string() ? item.get<std::string>() : item.dump();
    if (name == kLeader) {
      if (!leader.empty()) add(leader);
    } else if (name == kFollower) {
      for (const auto& node : nodes)
        if (!leader.empty() && node != leader) add(node);
    } else if (std::find(nodes.begin(), nodes.end(), name) != nodes.end()) {
      add(name);
    } else {
      return fail("\"order\" names {}, which is no node", name);
    }
  }
  for (const auto& name : nodes) add(name);
  return result;
}

Result<std::vector<std::string>> resolve_order(const Json& parameters,
                                               const NemesisContext& context) {
  const Json order = parameters.value("order", Json::array());
  std::string leader;
  if (std::any_of(order.begin(), order.end(),
                  [](const Json& name) { return name == kLeader || name == kFollower; }))
    if (const auto claims = primaries_of(context); !claims.empty()) leader = claims.front();
  return resolve_order(parameters, leader, node_names(context.lab));
}

Result<std::vector<std::string>> resolve_targets(const Json& parameters,
                                                 const NemesisContext& context) {
  auto order = resolve_order(parameters, context);
  if (!order) return order;
  if (const auto targets = parameters.find("targets"); targets != parameters.end()) {
    if (targets->is_array()) return targets->get<std::vector<std::string>>();
    if (*targets == "primaries") return primaries_of(context);
    order->resize(count_of(targets->get<std::string>(), order->size()));
    return order;
  }
  order->resize(std::min(order->size(), parameters.value("count", std::size_t{1})));
  return order;
}

std::vector<std::string> node_names(const lab::Lab& lab) {
  std::vector<std::string> result;
  for (const auto& node : lab.nodes()) result.push_back(node.name);
  return result;
}

std::string join(const std::vector<std::string>& items) {
  if (items.empty()) return "nobody";
  std::string result = items[0];
  for (std::size_t i = 1; i < items.size(); ++i)
    result += (i + 1 == items.size() ? " and " : ", ") + items[i];
  return result;
}

std::string describe_first(const Json& parameters, std::size_t count) {
  const Json order = parameters.value("order", Json::array());
  if (order.empty()) return count == 1 ? "a node" : fmt::format("{} nodes", count);
  // Who comes after the leader is known only if the leader is not one of them.
  if (order[0] == kLeader && count > 1) {
    const std::size_t nodes = order.size() - 1;
    return count >= nodes ? "all nodes" : fmt::format("the leader and {} more", count - 1);
  }
  if (order[0] == kFollower && count > 1)
    return fmt::format("{} nodes, first of all those that do not lead", count);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < std::min<std::size_t>(count, order.size()); ++i)
    names.push_back(order[i] == kLeader     ? "the leader"
                    : order[i] == kFollower ? "a node that does not lead"
                                            : order[i].get<std::string>());
  return join(names);
}

std::string describe_targets(const Json& parameters) {
  if (const auto targets = parameters.find("targets"); targets != parameters.end()) {
    if (targets->is_array()) return join(targets->get<std::vector<std::string>>());
    if (*targets == "primaries") return "every node that leads";
    if (*targets == "one") return describe_first(parameters, 1);
    if (*targets == "all") return "all nodes";
    return fmt::format("a {} of the nodes", targets->get<std::string>());
  }
  return describe_first(parameters, parameters.value("count", std::size_t{1}));
}

void DeathWatch::report(Proof& proof) const {
  const auto exits = lab_->unexpected_exits();
  if (exits.size() <= before_) return;
  Json list = Json::array();
  for (std::size_t i = before_; i < exits.size(); ++i) {
    list.push_back(describe(exits[i]));
    proof.summary += fmt::format("; {}: {}",
                                 exits[i].provoked ? "meanwhile, after a call had been failed" : "by itself",
                                 describe(exits[i]));
  }
  proof.detail["died_by_itself"] = std::move(list);
}

}  // namespace gameday::nemesis
