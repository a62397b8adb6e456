// The network between nodes, cut: by the fabric's firewall, in one transaction. But for the shapes that
// are about them, clients still reach every node, so that what the nodes promise them is put to the
// test. Established connections starve, or are reset at once where that is asked for.
#include <algorithm>

#include "harness/core/duration.h"
#include "harness/lab/fabric.h"
#include "harness/lab/sockets.h"
#include "nemesis/entries.h"
#include "nemesis/grudge.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace partition_fault {
namespace {

using lab::Action;

struct Choice {
  Shape shape;
  double weight;
};

// With three nodes, halves, majority and one are the same, and ring is bridge; what hurts most is a
// leader alone, or half deaf.
const std::vector<Choice>& choices(std::size_t nodes) {
  static const std::vector<Choice> two{
      {Shape::one, 45}, {Shape::one_way, 25}, {Shape::primaries, 15}, {Shape::clients, 15}};
  static const std::vector<Choice> three{
      {Shape::one, 30},      {Shape::one_way, 25}, {Shape::bridge, 15}, {Shape::isolate_majority, 10},
      {Shape::primaries, 10}, {Shape::clients, 5},  {Shape::clients_minority, 5}};
  static const std::vector<Choice> more{
      {Shape::halves, 8},    {Shape::random_halves, 4},    {Shape::majority, 15},
      {Shape::one, 12},      {Shape::ring, 11},            {Shape::ring_stochastic, 5},
      {Shape::bridge, 9},    {Shape::one_way, 13},         {Shape::isolate_majority, 6},
      {Shape::primaries, 4}, {Shape::leader_minority, 5},  {Shape::clients, 4},
      {Shape::clients_minority, 4}};
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
  if (shape == Shape::clients && rng.chance(0.5)) return rng.between(1, nodes);
  return 1;
}

bool has_size(Shape shape) {
  return shape == Shape::halves || shape == Shape::majority || shape == Shape::one_way ||
         shape == Shape::clients;
}

bool has_seed(Shape shape) {
  return shape == Shape::random_halves || shape == Shape::ring_stochastic;
}

bool hits_clients(Shape shape) {
  return shape == Shape::clients || shape == Shape::clients_minority;
}

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const Shape shape = draw_shape(rng, nodes.size());
  Json parameters = {{"shape", to_string(shape)}, {"order", draw_order(rng, nodes)}};
  if (has_size(shape)) parameters["size"] = draw_size(rng, shape, nodes.size());
  if (shape == Shape::one_way) parameters["direction"] = rng.chance(0.5) ? "out" : "in";
  if (has_seed(shape)) parameters["seed"] = rng.below(1'000'000);
  parameters["action"] = rng.chance(0.1) ? "reject" : "drop";
  if (rng.chance(0.2)) parameters["reset"] = true;
  return parameters;
}

struct Parsed {
  GrudgeSpec grudge;
  Action action = Action::drop;
  bool reset = false;
};

Parsed parse(const Json& parameters) {
  return {{parse_shape(parameters.value("shape", "one")).value_or(Shape::one),
           parameters.value("size", std::size_t{1}), parameters.value("direction", "out") == "out",
           parameters.value("seed", std::uint64_t{0})},
          parameters.value("action", "drop") == "drop" ? Action::drop : Action::reject,
          parameters.value("reset", false)};
}

std::string describe(const Json& parameters) {
  const auto [grudge, action, reset] = parse(parameters);
  const std::string first = describe_first(parameters, grudge.size);
  const std::string who = describe_first(parameters, 1);
  const auto sentence = [&]() -> std::string {
    switch (grudge.shape) {
      case Shape::halves:
        return fmt::format("cut {} from the rest, in two halves", first);
      case Shape::random_halves:
        return "cut the cluster in two halves drawn at random";
      case Shape::majority:
        return fmt::format("cut {}, a minority, from the rest", first);
      case Shape::one:
        return fmt::format("cut {} from all others", who);
      case Shape::ring:
        return "let each node reach a majority, but no two the same one";
      case Shape::ring_stochastic:
        return "let each node reach a majority of its own, drawn at random";
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
      case Shape::primaries:
        return "cut every node that leads from the rest";
      case Shape::leader_minority:
        return "cut the leader, with a minority of the nodes, from the rest";
      case Shape::clients:
        return fmt::format("cut clients from {}", first);
      case Shape::clients_minority:
        return fmt::format("let clients reach only a minority of the nodes, {} among it", who);
    }
    return {};
  };
  return sentence() + (action == Action::reject ? ", with connections refused" : "") +
         (reset ? ", established connections reset" : "");
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
        rules_.push_back({address(from), address(to), action});
        pairs_.push_back(from + ">" + to);
      }
  }
  ~ActivePartition() override {
    if (id_ != 0) (void)lab_.firewall().remove(id_);
  }

  Status begin(bool reset) {
    const Status able = reset ? lab::reset_available() : Status();
    if (!able) {  // then they are reset as soon as they carry something
      for (auto& rule : rules_) rule.action = Action::reject;
      reset_ = {{"instead", "connections were refused: " + able.error().message}};
    }
    auto id = lab_.firewall().add(rules_);
    if (!id) return tl::make_unexpected(id.error());
    id_ = *id;
    apply_ms_ = transaction_ms();
    return reset && able ? reset_connections() : Status();
  }

  Json description() const override {
    return Json{{"shape", parameters_.value("shape", "one")},
                {"grudge", to_json(grudge_)},
                {"action", parameters_.value("action", "drop")}};
  }

  Result<Proof> heal() override {
    auto counters = lab_.firewall().remove(id_);
    if (!counters) return tl::make_unexpected(counters.error());
    id_ = 0;
    heal_ms_ = transaction_ms();
    return proof(*counters);
  }

 private:
  std::string address(const std::string& name) const {
    return name == kClients ? lab::kClientsAddress : lab_.node(name)->address;
  }

  // At both ends of every pair, so that what an end sends because of it need not get through.
  Status reset_connections() {
    std::map<std::string, std::set<std::pair<std::string, std::string>>> by_end;
    for (const auto& [to, froms] : grudge_)
      for (const auto& from : froms) {
        by_end[to].emplace(address(to), address(from));
        by_end[from].emplace(address(from), address(to));
      }
    std::set<std::string> ended;
    Status status;
    for (const auto& [name, pairs] : by_end) {
      const auto end = [&, &pairs = pairs] {
        auto some = lab::reset_connections(pairs);
        if (some)
          ended.merge(*some);
        else
          status = tl::make_unexpected(some.error());
      };
      if (name == kClients)
        end();
      else if (auto entered = lab_.in_node_network(name, end); !entered)
        return entered;
    }
    reset_ = ended;
    return status;
  }

  double transaction_ms() const {
    return ms(lab_.firewall().last_transaction());
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
    const std::size_t resets = reset_.is_array() ? reset_.size() : 0;
    proof.effective = packets > 0 || resets > 0;
    std::vector<std::string> cuts;
    for (const auto& [to, froms] : grudge_)
      cuts.push_back(fmt::format("to {} from {}", to, join({froms.begin(), froms.end()})));
    proof.summary = packets > 0
                        ? fmt::format("dropped {} packets {}", packets, join(cuts))
                        : fmt::format("no packet was there to be dropped {}", join(cuts));
    proof.detail = {{"packets", packets},
                    {"bytes", bytes},
                    {"packets_by_pair", per_pair},
                    {"apply_ms", apply_ms_},
                    {"heal_ms", heal_ms_}};
    if (resets > 0) proof.summary += fmt::format("; reset {} connections", resets);
    if (!reset_.is_null()) proof.detail["reset"] = reset_;
    deaths_.report(proof);
    return proof;
  }

  lab::Lab& lab_;
  DeathWatch deaths_;
  Json parameters_;
  Grudge grudge_;
  std::vector<lab::Rule> rules_;
  std::vector<std::string> pairs_;
  Json reset_;  // the connections that were reset; an object: why none
  double apply_ms_ = 0, heal_ms_ = 0;
  int id_ = 0;
};

// The order with those in front that the shape is about; how many they are becomes its size.
Result<std::vector<std::string>> order_of(const Json& parameters, const NemesisContext& context,
                                          GrudgeSpec& grudge) {
  Json asked = parameters;
  Json order = parameters.value("order", Json::array());
  if (grudge.shape == Shape::leader_minority) order.insert(order.begin(), kLeader);
  if (grudge.shape == Shape::primaries) {
    auto leaders = resolve_targets({{"targets", "primaries"}}, context);
    if (!leaders) return leaders;
    grudge.size = std::max<std::size_t>(1, leaders->size());
    const Json names = *leaders;
    order.insert(order.begin(), names.begin(), names.end());
  }
  asked["order"] = order;
  return resolve_order(asked, context);
}

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto [grudge, action, reset] = parse(parameters);
  auto order = order_of(parameters, context, grudge);
  if (!order) return tl::make_unexpected(order.error());
  if (order->size() < 2 && !hits_clients(grudge.shape)) return fail("a partition needs two nodes");
  return begun(
      std::make_unique<ActivePartition>(context.lab, parameters, grudge_of(grudge, *order), action),
      reset);
}

constexpr std::string_view kDirections[]{"out", "in"};
constexpr std::string_view kActions[]{"drop", "reject"};
constexpr Parameter kParameters[]{
    {.name = "shape", .words = kShapeNames},
    kOrderParameter,
    {.name = "size", .kind = Parameter::Kind::whole, .least = 1, .most = 1e6},
    {.name = "direction", .words = kDirections},
    {.name = "action", .words = kActions},
    {.name = "reset", .kind = Parameter::Kind::flag},
    {.name = "seed", .kind = Parameter::Kind::whole, .least = 0, .most = 1e15}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kPartition, context, inject);
}

}  // namespace
}  // namespace partition_fault

constinit const Entry kPartition{
    .name = "partition",
    .summary = "cut the network between nodes, or clients from them: halves, rings, bridges, one way",
    .plan = partition_fault::plan,
    .describe = partition_fault::describe,
    .parameters = partition_fault::kParameters,
    .make = partition_fault::make,
    .least_nodes = 2,
    .family = "network"};

}  // namespace gameday::nemesis
