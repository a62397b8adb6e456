// Packets on their way between nodes, or between nodes and clients: late, lost, twice, damaged, slow,
// kept back. What a style does can be combined with a delay, a rate and a largest size.
#include <algorithm>

#include "harness/core/duration.h"
#include "harness/lab/fabric.h"
#include "harness/lab/packets.h"
#include "nemesis/entries.h"
#include "nemesis/grudge.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace packet_fault {
namespace {

using lab::Impairment;
using lab::PacketRule;

enum class Style : std::uint8_t {
  delay,
  jitter,
  reorder,
  loss,
  burst_loss,
  duplicate,
  corrupt,
  corrupt_silently,
  rate,
  mtu_black_hole,
  syn_drop,
  drop_replies,
  hold
};
constexpr std::string_view kStyles[]{"delay",     "jitter",  "reorder",          "loss",
                                     "burst-loss", "duplicate", "corrupt",        "corrupt-silently",
                                     "rate",      "mtu-black-hole", "syn-drop", "drop-replies",
                                     "hold"};
constexpr std::string_view kScopes[]{"nodes", "clients"};
constexpr std::string_view kDirections[]{"out", "in", "both"};
constexpr std::string_view kTraffic[]{"all", "requests", "replies"};
constexpr std::string_view kProtocols[]{"any", "tcp", "udp"};

// What a style does where the parameters do not say.
struct Defaults {
  double delay_ms = 0, jitter_ms = 0;
  double probability = 0;
};
Defaults defaults_of(Style style) {
  switch (style) {
    case Style::delay:
      return {.delay_ms = 100};
    case Style::jitter:
      return {.delay_ms = 50, .jitter_ms = 40};
    case Style::reorder:
      return {.delay_ms = 20, .jitter_ms = 20};
    case Style::syn_drop:
    case Style::drop_replies:
      return {.probability = 1};
    case Style::loss:
    case Style::burst_loss:
      return {.probability = 0.2};
    case Style::duplicate:
    case Style::corrupt:
    case Style::corrupt_silently:
      return {.probability = 0.1};
    case Style::rate:
    case Style::mtu_black_hole:
    case Style::hold:
      return {};
  }
  return {};
}

template <typename Words>
std::size_t place_of(const Words& words, const std::string& word) {
  const auto found = std::find(std::begin(words), std::end(words), word);
  return found == std::end(words) ? 0 : static_cast<std::size_t>(found - std::begin(words));
}

Style style_of(const Json& parameters) {
  return static_cast<Style>(place_of(kStyles, parameters.value("style", "delay")));
}

struct Choice {
  Style style;
  double weight, towards_clients;
};
// Lost answers are what breaks logic that tries again, and clients are those who do. Silently damaged
// packets are not drawn: no server promises anything about them that has no checksums of its own.
constexpr Choice kChoices[]{{Style::delay, 15, 0.2},        {Style::jitter, 10, 0.2},
                            {Style::reorder, 10, 0.2},      {Style::loss, 10, 0.3},
                            {Style::burst_loss, 5, 0.3},    {Style::duplicate, 5, 0.3},
                            {Style::corrupt, 5, 0.3},       {Style::rate, 5, 0.3},
                            {Style::mtu_black_hole, 5, 0},  {Style::syn_drop, 5, 0},
                            {Style::drop_replies, 15, 0.7}, {Style::hold, 10, 0.3}};

const Choice& draw_choice(Rng& rng) {
  double sum = 0;
  for (const auto& choice : kChoices) sum += choice.weight;
  double at = rng.unit() * sum;
  for (const auto& choice : kChoices)
    if ((at -= choice.weight) < 0) return choice;
  return kChoices[0];
}

Json plan(Rng& rng, const std::vector<std::string>& nodes) {
  const Choice& choice = draw_choice(rng);
  const bool clients = nodes.size() < 2 || rng.chance(choice.towards_clients);
  Json parameters = {
      {"style", kStyles[static_cast<std::size_t>(choice.style)]},
      {"scope", clients ? "clients" : "nodes"},
      {"order", draw_order(rng, nodes)},
      {"seed", rng.below(1'000'000)}};
  const std::size_t count =
      draw_count(rng, nodes.size(), {.one = 50, .minority = 10, .majority = 10, .all = 30});
  if (count == nodes.size())
    parameters["targets"] = "all";
  else
    parameters["count"] = count;
  switch (choice.style) {
    case Style::delay:
      parameters["delay_ms"] = rng.between(20, 300);
      break;
    case Style::jitter:
    case Style::reorder:
      parameters["delay_ms"] = rng.between(10, 100);
      parameters["jitter_ms"] = rng.between(5, parameters["delay_ms"].get<std::int64_t>());
      parameters["distribution"] = lab::kDistributionNames[rng.below(4)];
      break;
    case Style::loss:
    case Style::duplicate:
    case Style::corrupt:
      parameters["probability"] = static_cast<double>(rng.between(5, 40)) / 100;
      break;
    case Style::burst_loss:
      parameters["probability"] = static_cast<double>(rng.between(10, 50)) / 100;
      parameters["burst"] = rng.between(3, 20);
      break;
    case Style::drop_replies:
      parameters["probability"] = rng.chance(0.5) ? 1.0 : 0.5;
      break;
    case Style::rate:
      parameters["rate_kbps"] = rng.between(32, 512);
      break;
    case Style::mtu_black_hole:
      parameters["mtu"] = rng.between(100, 600);
      break;
    default:
      break;
  }
  // A network that is bad one way only is what few have thought of.
  if (choice.style != Style::drop_replies && rng.chance(0.4))
    parameters["direction"] = rng.chance(0.5) ? "out" : "in";
  return parameters;
}

std::chrono::nanoseconds milliseconds(double ms) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6));
}

Impairment impairment_of(const Json& parameters) {
  const Style style = style_of(parameters);
  const Defaults defaults = defaults_of(style);
  const double probability = parameters.value("probability", defaults.probability);
  Impairment result;
  result.delay = milliseconds(parameters.value("delay_ms", defaults.delay_ms));
  result.jitter = milliseconds(parameters.value("jitter_ms", defaults.jitter_ms));
  result.distribution = static_cast<lab::Distribution>(
      place_of(lab::kDistributionNames, parameters.value("distribution", "uniform")));
  result.keep_order = style != Style::reorder;
  const std::int64_t kbps = parameters.value("rate_kbps", style == Style::rate ? 256 : 0);
  result.bytes_per_second = kbps * 1000 / 8;
  result.queue_bytes = parameters.value("queue_kb", std::int64_t{64}) * 1024;
  result.mtu = parameters.value("mtu", style == Style::mtu_black_hole ? 576 : 0);
  result.hold = style == Style::hold;
  switch (style) {
    case Style::burst_loss:
      result.burst = parameters.value("burst", 5.0);
      [[fallthrough]];
    case Style::loss:
    case Style::syn_drop:
    case Style::drop_replies:
      result.loss = probability;
      break;
    case Style::duplicate:
      result.duplicate = probability;
      break;
    case Style::corrupt:
      result.corrupt = probability;
      break;
    case Style::corrupt_silently:
      result.corrupt_silently = probability;
      break;
    default:
      break;
  }
  return result;
}

// Which packets of a pair: one rule, or two where a port may be at either end.
std::vector<PacketRule> rules_of(const Json& parameters, const std::string& from,
                                 const std::string& to) {
  const Style style = style_of(parameters);
  PacketRule rule{from, to};
  rule.protocol = static_cast<PacketRule::Protocol>(
      place_of(kProtocols, parameters.value("protocol", "any")));
  std::string traffic = parameters.value("traffic", "all");
  if (style == Style::syn_drop) {
    rule.only = PacketRule::Only::syn;
    traffic = "requests";
  }
  if (style == Style::drop_replies) {
    rule.only = PacketRule::Only::payload;
    traffic = "replies";
  }
  const auto port = parameters.value("port", std::uint16_t{0});
  if (traffic == "all" && port == 0) return {rule};
  const lab::Ports ports = port != 0 ? lab::Ports{port, port} : lab::kServicePorts;
  std::vector<PacketRule> result;
  if (traffic != "requests") {
    result.push_back(rule);
    result.back().from_ports = ports;
  }
  if (traffic != "replies") {
    result.push_back(rule);
    result.back().to_ports = ports;
  }
  return result;
}

std::string direction_of(const Json& parameters) {
  return parameters.value("direction", style_of(parameters) == Style::drop_replies ? "out" : "both");
}

std::string percent(double share) { return fmt::format("{:.3g} %", share * 100); }

std::string describe(const Json& parameters) {
  const Impairment impairment = impairment_of(parameters);
  const double delay = static_cast<double>(impairment.delay.count()) / 1e6;
  const double jitter = static_cast<double>(impairment.jitter.count()) / 1e6;
  const std::string share = percent(parameters.value(
      "probability", defaults_of(style_of(parameters)).probability));
  const bool late = delay > 0 || jitter > 0;
  const std::string by =
      jitter > 0 ? fmt::format("{:g} ms with a jitter of {:g} ms ({})", delay, jitter,
                               parameters.value("distribution", "uniform"))
                 : fmt::format("{:g} ms", delay);
  const bool all = impairment.loss >= 1;
  std::string what = "packets", verb;
  switch (style_of(parameters)) {
    case Style::delay:
    case Style::jitter:
      verb = "delay";
      break;
    case Style::reorder:
      verb = "reorder";
      break;
    case Style::loss:
      verb = fmt::format("lose {} of the", share);
      break;
    case Style::burst_loss:
      verb = fmt::format("lose {} of the", share);
      what = fmt::format("packets in bursts of {:g}", impairment.burst);
      break;
    case Style::duplicate:
      verb = fmt::format("double {} of the", share);
      break;
    case Style::corrupt:
      verb = fmt::format("damage {} of the", share);
      break;
    case Style::corrupt_silently:
      verb = fmt::format("alter {} of the", share);
      what = "packets without a trace in their checksums";
      break;
    case Style::rate:
      verb = fmt::format("let through {} kbit/s of the", impairment.bytes_per_second * 8 / 1000);
      break;
    case Style::mtu_black_hole:
      verb = fmt::format("swallow all above {} bytes of the", impairment.mtu);
      break;
    case Style::syn_drop:
      verb = all ? "lose" : fmt::format("lose {} of", share);
      what = "attempts to connect";
      break;
    case Style::drop_replies:
      verb = all ? "lose" : fmt::format("lose {} of", share);
      what = "replies";
      break;
    case Style::hold:
      verb = "hold back until the end all";
      break;
  }
  const std::string direction = direction_of(parameters);
  const bool clients = parameters.value("scope", "nodes") == kClients;
  const bool everybody = parameters.value("targets", Json()) == "all";
  const std::string who = describe_targets(parameters);
  const std::string others = clients ? "clients" : "the other nodes";
  std::string sentence = fmt::format("{} {} ", verb, what);
  if (parameters.contains("port")) sentence += fmt::format("of port {} ", parameters["port"].dump());
  if (const std::string traffic = parameters.value("traffic", "all"); traffic != "all")
    sentence += fmt::format("({} only) ", traffic);
  sentence += everybody && !clients ? "between all nodes"
              : direction == "out"  ? fmt::format("from {} to {}", who, others)
              : direction == "in"   ? fmt::format("from {} to {}", others, who)
                                    : fmt::format("between {} and {}", who, others);
  if (late && style_of(parameters) != Style::hold)
    sentence += fmt::format("{} by {}", verb == "delay" || verb == "reorder" ? "" : ", late", by);
  if (impairment.bytes_per_second > 0 && style_of(parameters) != Style::rate)
    sentence += fmt::format(", at {} kbit/s", impairment.bytes_per_second * 8 / 1000);
  if (impairment.mtu > 0 && style_of(parameters) != Style::mtu_black_hole)
    sentence += fmt::format(", none above {} bytes", impairment.mtu);
  return sentence;
}

Json to_json(const lab::PacketCounts& counts) {
  Json result = {{"seen", counts.seen}};
  const auto add = [&](const char* name, std::int64_t count) {
    if (count > 0) result[name] = count;
  };
  add("dropped", counts.dropped);
  add("delayed", counts.delayed);
  add("corrupted", counts.corrupted);
  add("duplicated", counts.duplicated);
  add("reordered", counts.reordered);
  add("held", counts.held);
  add("released", counts.released);
  return result;
}

class ActivePackets : public ActiveFault {
 public:
  ActivePackets(lab::Lab& lab, lab::Packets& packets, Json parameters,
                std::vector<std::string> targets)
      : lab_(lab),
        packets_(packets),
        deaths_(lab),
        parameters_(std::move(parameters)),
        targets_(std::move(targets)),
        impairment_(impairment_of(parameters_)) {
    const std::string direction = direction_of(parameters_);
    const auto add = [&](const std::string& from, const std::string& to) {
      const std::string pair = from + ">" + to;
      if (std::find(pairs_.begin(), pairs_.end(), pair) != pairs_.end()) return;
      for (auto& rule : rules_of(parameters_, address(from), address(to))) {
        rules_.push_back(rule);
        pairs_.push_back(pair);
      }
    };
    const auto others = parameters_.value("scope", "nodes") == kClients
                            ? std::vector<std::string>{kClients}
                            : node_names(lab_);
    for (const auto& target : targets_)
      for (const auto& other : others) {
        if (other == target) continue;
        if (direction != "in") add(target, other);
        if (direction != "out") add(other, target);
      }
  }
  ~ActivePackets() override {
    if (id_ != 0) (void)packets_.remove(id_);
  }

  Status begin() {
    auto id = packets_.add(rules_, impairment_, parameters_.value("seed", std::uint64_t{0}));
    if (!id) return tl::make_unexpected(id.error());
    id_ = *id;
    apply_ms_ = transaction_ms();
    return {};
  }

  Json description() const override {
    Json pairs = pairs_;
    pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
    return Json{
        {"style", parameters_.value("style", "delay")}, {"targets", targets_}, {"pairs", pairs}};
  }

  Result<Proof> heal() override {
    auto report = packets_.remove(id_);
    if (!report) return tl::make_unexpected(report.error());
    id_ = 0;
    return proof(*report);
  }

 private:
  std::string address(const std::string& name) const {
    return name == kClients ? lab::kClientsAddress : lab_.node(name)->address;
  }
  double transaction_ms() const {
    return ms(packets_.last_transaction());
  }

  Proof proof(const lab::PacketReport& report) const {
    lab::PacketCounts all;
    std::map<std::string, lab::PacketCounts> by_pair;
    for (std::size_t i = 0; i < report.rules.size(); ++i) {
      all += report.rules[i];
      by_pair[pairs_[i]] += report.rules[i];
    }
    Proof proof;
    std::vector<std::string> done;
    const auto say = [&](const char* verb, std::int64_t count) {
      if (count > 0) done.push_back(fmt::format("{} {}", verb, count));
    };
    say("lost", all.dropped);
    say("delayed", all.delayed);
    say("damaged", all.corrupted);
    say("doubled", all.duplicated);
    say("reordered", all.reordered);
    say("held", all.held);
    proof.effective = !done.empty();
    proof.summary = all.seen == 0 ? "no packet was there to be touched"
                    : done.empty()
                        ? fmt::format("none of {} packets was touched", all.seen)
                        : fmt::format("of {} packets {}", all.seen, join(done));
    if (all.held > 0) proof.summary += fmt::format(", released {} in the end", all.released);
    proof.detail = to_json(all);
    Json pairs = Json::object();
    for (const auto& [pair, counts] : by_pair) pairs[pair] = to_json(counts);
    proof.detail["pairs"] = pairs;
    proof.detail["apply_ms"] = apply_ms_;
    proof.detail["heal_ms"] = transaction_ms();
    proof.detail["realtime_priority"] = report.realtime;
    if (impairment_.hold) proof.detail["hold_limit"] = impairment_.hold_limit;
    if (report.overruns > 0) {
      proof.summary += fmt::format("; {} more lost because the queue was full", report.overruns);
      proof.detail["overruns"] = report.overruns;
    }
    deaths_.report(proof);
    return proof;
  }

  lab::Lab& lab_;
  lab::Packets& packets_;
  DeathWatch deaths_;
  Json parameters_;
  std::vector<std::string> targets_;
  Impairment impairment_;
  std::vector<PacketRule> rules_;
  std::vector<std::string> pairs_;  // of each rule: "n1>n2"
  double apply_ms_ = 0;
  int id_ = 0;
};

Result<std::unique_ptr<ActiveFault>> inject(const NemesisContext& context, const Json& parameters) {
  auto targets = resolve_targets(parameters, context);
  if (!targets) return tl::make_unexpected(targets.error());
  if (const Style style = style_of(parameters);
      parameters.contains("traffic") && (style == Style::syn_drop || style == Style::drop_replies))
    return fail("\"traffic\" is settled by the style {}", parameters["style"].dump());
  if (parameters.value("scope", "nodes") == "nodes" && context.lab.nodes().size() < 2)
    return fail("packets between nodes need two nodes; \"scope\" may be \"clients\"");
  auto packets = context.lab.packets();
  if (!packets) return tl::make_unexpected(packets.error());
  return begun(std::make_unique<ActivePackets>(context.lab, **packets, parameters, std::move(*targets)));
}

constexpr Parameter kParameters[]{
    {.name = "style", .words = kStyles},
    {.name = "scope", .words = kScopes},
    {.name = "direction", .words = kDirections},
    kOrderParameter,
    kCountParameter,
    kTargetsParameter,
    {.name = "port", .kind = Parameter::Kind::whole, .least = 1, .most = 65535},
    {.name = "protocol", .words = kProtocols},
    {.name = "traffic", .words = kTraffic},
    {.name = "delay_ms", .kind = Parameter::Kind::number, .least = 0, .most = 60'000},
    {.name = "jitter_ms", .kind = Parameter::Kind::number, .least = 0, .most = 60'000},
    {.name = "distribution", .words = lab::kDistributionNames},
    {.name = "probability", .kind = Parameter::Kind::number, .least = 0, .most = 1},
    {.name = "burst", .kind = Parameter::Kind::number, .least = 1, .most = 1e6},
    {.name = "rate_kbps", .kind = Parameter::Kind::whole, .least = 1, .most = 1e7},
    {.name = "queue_kb", .kind = Parameter::Kind::whole, .least = 1, .most = 1e6},
    {.name = "mtu", .kind = Parameter::Kind::whole, .least = 60, .most = 65535},
    {.name = "seed", .kind = Parameter::Kind::whole, .least = 0, .most = 1e15}};

std::unique_ptr<Nemesis> make(const NemesisContext& context) {
  return std::make_unique<EntryNemesis>(kPacket, context, inject);
}

}  // namespace
}  // namespace packet_fault

constinit const Entry kPacket{
    .name = "packet",
    .summary = "impair packets between nodes, or between nodes and clients: late, lost, twice, damaged, "
               "slow, held back, replies lost",
    .plan = packet_fault::plan,
    .describe = packet_fault::describe,
    .parameters = packet_fault::kParameters,
    .make = packet_fault::make,
    .available = lab::packets_available,
    .family = "network"};

}  // namespace gameday::nemesis
