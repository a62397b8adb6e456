// The network between nodes, cut: by the fabric's firewall, in one transaction. Clients still reach
// every node, so that what the nodes promise them is put to the test.
#include <algorithm>

#include "nemesis/entries.h"
#include "nemesis/grudge.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using lab::Action;

struct Choice {
  Shape shape;
  double weight;
};

// With three nodes, halves, majority and one are the same, and ring is bridge; what hurts most is a
// leader alone, or half deaf.
const std::vector<Choice>& choices(std::size_t nodes) {
  static const std::vector<Choice> two{{Shape::one, 2}, {Shape::one_way, 1}};
  static const std::vector<Choice> three{
      {Shape::one, 40}, {Shape::one_way, 25}, {Shape::bridge, 15}, {Shape::isolate_majority, 20}};
  static const std::vector<Choice> more{{Shape::halves, 15},
                                        {Shape::majority, 20},
                                        {Shape::one, 15},
                                        {Shape::ring, 15},
                                        {Shape::bridge, 10},
                                        {Shape::one_way, 15},
                                        {Shape::isolate_majority, 10}};
  return nodes <= 2 ? two : nodes == 3 ? three : more;
}

Shape draw_shape(Rng& rng, std::size_t nodes) {
  const auto& all = choices(nodes);
  double sum = 0;
  for (const auto& choice : all) sum += choice.weight;
  double at = rng.unit() * sum;
  for (const auto& choice : all)
    if ((at -= choice.weight) < 0) return choice.shape;
  return all.back().shape;
}

std::int64_t draw_size(Rng& rng, Shape shape, std::size_t count) {
  const auto nodes = static_cast<std::int64_t>(count);
  if (shape == Shape::halves)
    return std::max<std::int64_t>(1, rng.between(nodes / 2, (nodes + 1) / 2));
  if (shape == Shape::majority) return rng.between(1, std::max<std::int64_t>(1, (nodes - 1) / 2));
  if (shape == Shape::one_way && nodes > 2 && rng.chance(0.4)) return rng.between(1, nodes - 1);
  return 1;
}

bool has_size(Shape shape) {
  return shape == Shape::halves || shape == Shape::majority || shape == Shape::one_way;
}

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const Shape shape = draw_shape(rng, nodes.size());
  Json parameters = {{"shape", to_string(shape)}, {"order", draw_order(rng, nodes)}};
  if (has_size(shape)) parameters["size"] = draw_size(rng, shape, nodes.size());
  if (shape == Shape::one_way) parameters["direction"] = rng.chance(0.5) ? "out" : "in";
  parameters["action"] = rng.chance(0.1) ? "reject" : "drop";
  return parameters;
}

struct Parsed {
  GrudgeSpec grudge;
  Action action = Action::drop;
};

Parsed parse(const Json& parameters) {
  return {{parse_shape(parameters.value("shape", "one")).value_or(Shape::one),
           parameters.value("size", std::size_t{1}), parameters.value("direction", "out") == "out"},
          parameters.value("action", "drop") == "drop" ? Action::drop : Action::reject};
}

std::string describe(const Json& parameters) {
  const auto [grudge, action] = parse(parameters);
  const std::string first = describe_first(parameters, grudge.size);
  const std::string who = describe_first(parameters, 1);
  const auto sentence = [&]() -> std::string {
    switch (grudge.shape) {
      case Shape::halves:
        return fmt::format("cut {} from the rest, in two halves", first);
      case Shape::majority:
        return fmt::format("cut {}, a minority, from the rest", first);
      case Shape::one:
        return fmt::format("cut {} from all others", who);
      case Shape::ring:
        return "let each node reach a majority, but no two the same one";
      case Shape::bridge:
        return fmt::format(
            "cut the cluster in two with one node in between that reaches both; {} "
            "is not that node",
            who);
      case Shape::one_way:
        return grudge.outward
                   ? fmt::format("lose everything from {} to the rest, not the other way", first)
                   : fmt::format("lose everything from the rest to {}, not the other way", first);
      case Shape::isolate_majority:
        return fmt::format("isolate a majority of the nodes, each alone, {} among them", who);
    }
    return {};
  };
  return sentence() + (action == Action::reject ? ", with connections refused" : "");
}

Json to_json(const Grudge& grudge) {
  Json result = Json::object();
  for (const auto& [node, from] : grudge) result[node] = from;
  return result;
}

class ActivePartition : public ActiveFault {
 public:
  ActivePartition(lab::Lab& lab, Json parameters, Grudge grudge, Action action)
      : lab_(lab), deaths_(lab), parameters_(std::move(parameters)), grudge_(std::move(grudge)) {
    for (const auto& [to, froms] : grudge_)
      for (const auto& from : froms) {
        rules_.push_back({lab.node(from)->address, lab.node(to)->address, action});
        pairs_.push_back(from + ">" + to);
      }
  }
  ~ActivePartition() override {
    if (id_ != 0) (void)lab_.firewall().remove(id_);
  }

  Status begin() {
    auto id = lab_.firewall().add(rules_);
    if (!id) return tl::make_unexpected(id.error());
    id_ = *id;
    apply_ms_ = transaction_ms();
    return {};
  }

  Json description() const override {
    return Json{{"shape", parameters_.value("shape", "one")},
                {"grudge", to_json(grudge_)},
                {"action", parameters_.value("action", "drop")}};
  }

  Result<Proof> heal() override {
    const auto before = lab_.firewall().rules_in_force();
    auto counters = lab_.firewall().remove(id_);
    if (!counters) return tl::make_unexpected(counters.error());
    id_ = 0;
    heal_ms_ = transaction_ms();
    const auto after = lab_.firewall().rules_in_force();
    if (!before || !after) return fail("cannot check that the partition is healed");
    if (*after >= *before) return fail("the partition's rules are still in force");
    return proof(*counters);
  }

 private:
  double transaction_ms() const {
    return std::chrono::duration<double, std::milli>(lab_.firewall().last_transaction()).count();
  }

  Proof proof(const std::vector<lab::Counter>& counters) const {
    Proof proof;
    std::int64_t packets = 0, bytes = 0;
    Json per_pair = Json::object();
    for (std::size_t i = 0; i < counters.size(); ++i) {
      packets += counters[i].packets;
      bytes += counters[i].bytes;
      per_pair[pairs_[i]] = counters[i].packets;
    }
    proof.effective = packets > 0;
    std::vector<std::string> cuts;
    for (const auto& [to, froms] : grudge_)
      cuts.push_back(fmt::format("to {} from {}", to, join({froms.begin(), froms.end()})));
    proof.summary = proof.effective
                        ? fmt::format("dropped {} packets {}", packets, join(cuts))
                        : fmt::format("no packet was there to be dropped {}", join(cuts));
    proof.detail = {{"packets", packets},
                    {"bytes", bytes},
                    {"packets_by_pair", per_pair},
                    {"apply_ms", apply_ms_},
                    {"heal_ms", heal_ms_}};
    deaths_.report(proof);
    return proof;
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  Json parameters_;
  Grudge grudge_;
  std::vector<lab::Rule> rules_;
  std::vector<std::string> pairs_;
  double apply_ms_ = 0, heal_ms_ = 0;
  int id_ = 0;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  const auto [grudge, action] = parse(parameters);
  auto order = resolve_order(parameters, context);
  if (!order) return tl::make_unexpected(order.error());
  if (order->size() < 2) return fail("a partition needs two nodes");
  auto fault =
      std::make_unique<ActivePartition>(context.lab, parameters, grudge_of(grudge, *order), action);
  if (auto status = fault->begin(); !status) return tl::make_unexpected(status.error());
  return fault;
}

constexpr std::string_view kDirections[]{"out", "in"};
constexpr std::string_view kActions[]{"drop", "reject"};
constexpr Parameter kParameters[]{
    {.name = "shape", .words = kShapeNames},
    kOrderParameter,
    {.name = "size", .kind = Parameter::Kind::whole, .least = 1, .most = 1e6},
    {.name = "direction", .words = kDirections},
    {.name = "action", .words = kActions}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kPartition, context, inject);
}

}  // namespace

constinit const Entry kPartition{
    .name = "partition",
    .summary = "cut the network between nodes: halves, minorities, rings, bridges, one way",
    .plan = plan,
    .describe = describe,
    .parameters = kParameters,
    .make = make,
    .least_nodes = 2,
    .family = "network"};

}  // namespace gameday::nemesis
