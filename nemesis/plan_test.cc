// What is pure of the faults: plans, descriptions, grudges. No kernel needed.
#include <gtest/gtest.h>

#include <set>

#include "nemesis/catalog.h"
#include "nemesis/grudge.h"
#include "nemesis/packages.h"
#include "nemesis/targets.h"

namespace gameday::nemesis {
namespace {

using Names = std::vector<std::string>;

Names names(int count) {
  Names result;
  for (int i = 1; i <= count; ++i) result.push_back(fmt::format("n{}", i));
  return result;
}

// The nodes that `node` hears and that hear it, itself included.
std::set<std::string> reaches(const Grudge& grudge, const Names& nodes, const std::string& node) {
  std::set<std::string> result;
  const auto drops = [&](const std::string& to, const std::string& from) {
    const auto it = grudge.find(to);
    return it != grudge.end() && it->second.contains(from);
  };
  for (const auto& other : nodes)
    if (!drops(node, other) && !drops(other, node)) result.insert(other);
  return result;
}

bool is_symmetric(const Grudge& grudge) {
  for (const auto& [to, froms] : grudge)
    for (const auto& from : froms) {
      const auto it = grudge.find(from);
      if (it == grudge.end() || !it->second.contains(to)) return false;
    }
  return true;
}

TEST(Grudge, CutsGroups) {
  const Grudge expected{{"n1", {"n3"}}, {"n2", {"n3"}}, {"n3", {"n1", "n2"}}};
  EXPECT_EQ(grudge_of({Shape::halves, 2, true}, names(3)), expected);
  EXPECT_EQ(grudge_of({Shape::majority, 1, true}, {"n3", "n1", "n2"}), expected);
  EXPECT_EQ(grudge_of({Shape::one, 2, true}, {"n3", "n2", "n1"}), expected);
}

TEST(Grudge, OneWayDropsOneWayOnly) {
  EXPECT_EQ(grudge_of({Shape::one_way, 1, true}, names(3)),
            (Grudge{{"n2", {"n1"}}, {"n3", {"n1"}}}));
  EXPECT_EQ(grudge_of({Shape::one_way, 1, false}, names(3)), (Grudge{{"n1", {"n2", "n3"}}}));
  EXPECT_EQ(grudge_of({Shape::one_way, 1, true}, names(2)), (Grudge{{"n2", {"n1"}}}));
}

TEST(Grudge, IsolatesAMajorityEachAlone) {
  const auto three = grudge_of({Shape::isolate_majority, 1, true}, names(3));
  for (const auto& node : names(3)) EXPECT_EQ(reaches(three, names(3), node).size(), 1U);
  const auto five = grudge_of({Shape::isolate_majority, 1, true}, names(5));
  EXPECT_EQ(reaches(five, names(5), "n3").size(), 1U);
  EXPECT_EQ(reaches(five, names(5), "n4"), (std::set<std::string>{"n4", "n5"}));
}

TEST(Grudge, BridgeHasOneNodeInBetween) {
  EXPECT_EQ(grudge_of({Shape::bridge, 1, true}, names(3)),
            (Grudge{{"n1", {"n3"}}, {"n3", {"n1"}}}));
  const auto five = grudge_of({Shape::bridge, 1, true}, names(5));
  EXPECT_EQ(reaches(five, names(5), "n3").size(), 5U);
  EXPECT_EQ(reaches(five, names(5), "n1"), (std::set<std::string>{"n1", "n2", "n3"}));
  EXPECT_EQ(reaches(five, names(5), "n5"), (std::set<std::string>{"n3", "n4", "n5"}));
}

TEST(Grudge, InARingAllReachAMajorityAndNoTwoTheSame) {
  const auto five = grudge_of({Shape::ring, 1, true}, names(5));
  EXPECT_EQ(reaches(five, names(5), "n1"), (std::set<std::string>{"n5", "n1", "n2"}));
  for (int n = 4; n <= 64; ++n) {
    const auto grudge = grudge_of({Shape::ring, 1, true}, names(n));
    EXPECT_FALSE(grudge.empty()) << n;
    EXPECT_TRUE(is_symmetric(grudge)) << n;
    std::set<std::set<std::string>> majorities;
    for (const auto& node : names(n)) {
      const auto seen = reaches(grudge, names(n), node);
      EXPECT_GT(2 * seen.size(), static_cast<std::size_t>(n)) << n;
      majorities.insert(seen);
    }
    EXPECT_EQ(majorities.size(), static_cast<std::size_t>(n));
  }
}

TEST(Grudge, ARingIsPerfectWhereTheNumberOfNodesAllowsIt) {
  for (int n : {4, 5, 8, 9, 12, 13, 64}) {
    const auto grudge = grudge_of({Shape::ring}, names(n));
    for (const auto& node : names(n))
      EXPECT_EQ(reaches(grudge, names(n), node).size(), static_cast<std::size_t>(n / 2 + 1)) << n;
  }
}

TEST(Grudge, InAStochasticRingAllReachAMajority) {
  std::set<Grudge> different;
  for (int n = 3; n <= 20; ++n)
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto grudge = grudge_of({Shape::ring_stochastic, 1, true, seed}, names(n));
      EXPECT_EQ(grudge, grudge_of({Shape::ring_stochastic, 1, true, seed}, names(n)));
      EXPECT_FALSE(grudge.empty()) << n;
      EXPECT_TRUE(is_symmetric(grudge)) << n;
      for (const auto& node : names(n)) {
        EXPECT_GE(reaches(grudge, names(n), node).size(), static_cast<std::size_t>(n / 2 + 1));
        EXPECT_LE(reaches(grudge, names(n), node).size(), static_cast<std::size_t>(n / 2 + 2));
      }
      if (n == 7) different.insert(grudge);
    }
  EXPECT_GT(different.size(), 40U);
}

TEST(Grudge, ClientsCanBeCutFromNodes) {
  EXPECT_EQ(grudge_of({Shape::clients, 1}, names(3)),
            (Grudge{{"n1", {kClients}}, {kClients, {"n1"}}}));
  EXPECT_EQ(grudge_of({Shape::clients_minority}, names(5)),
            (Grudge{{"n3", {kClients}},
                    {"n4", {kClients}},
                    {"n5", {kClients}},
                    {kClients, {"n3", "n4", "n5"}}}));
}

TEST(Grudge, EveryShapeCutsSomethingWhateverTheSize) {
  for (std::string_view name : kShapeNames)
    for (int n = 2; n <= 9; ++n)
      for (std::size_t size : {0U, 1U, 4U, 99U}) {
        const Shape shape = parse_shape(name).value();
        EXPECT_FALSE(grudge_of({shape, size, true}, names(n)).empty()) << name << n;
        EXPECT_EQ(grudge_of({shape, size, true}, names(1)).empty(), !name.starts_with("clients"));
      }
}

TEST(Targets, ResolveTheLeader) {
  const Json parameters = {{"order", {"leader", "n3", "n1", "n2"}}};
  EXPECT_EQ(resolve_order(parameters, "n2", names(3)).value(), (Names{"n2", "n3", "n1"}));
  EXPECT_EQ(resolve_order(parameters, "", names(3)).value(), (Names{"n3", "n1", "n2"}));
  const Json others = {{"order", {"follower"}}};
  EXPECT_EQ(resolve_order(others, "n1", names(3)).value(), (Names{"n2", "n3", "n1"}));
  EXPECT_EQ(resolve_order(others, "", names(3)).value(), (Names{"n1", "n2", "n3"}));
  EXPECT_EQ(resolve_order(Json{{"order", {"n2"}}}, "n1", names(3)).value(),
            (Names{"n2", "n1", "n3"}));
  EXPECT_FALSE(resolve_order(Json{{"order", {"n4"}}}, "n1", names(3)));
  EXPECT_FALSE(resolve_order(Json{{"order", "n1"}}, "n1", names(3)));
}

TEST(Catalog, PlansArePureAndCanBeDescribed) {
  for (const auto& entry : catalog()) {
    EXPECT_EQ(find(entry.name), &entry);
    for (int nodes = 1; nodes <= 9; ++nodes)
      for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Rng a(seed), b(seed);
        const Json plan = entry.plan(a, names(nodes));
        EXPECT_EQ(plan, entry.plan(b, names(nodes)));
        EXPECT_EQ(plan, Json::parse(plan.dump()));  // survives test.json
        const std::string sentence = entry.describe(plan);
        EXPECT_GT(sentence.size(), 10U);
        const auto valid = check_parameters(entry.parameters, plan, names(nodes));
        EXPECT_TRUE(valid) << valid.error().message;
        if (seed < 3 && nodes == 5) fmt::print("  {}: {}\n", entry.name, sentence);
      }
  }
  EXPECT_EQ(find("no such fault"), nullptr);
}

TEST(Catalog, ParametersByHandAreCheckedByTheirTable) {
  const auto complaint = [](std::string_view fault, const Json& parameters) {
    const auto valid = check_parameters(find(fault)->parameters, parameters, names(3));
    return valid ? std::string() : valid.error().message;
  };
  const std::vector<std::tuple<std::string_view, Json, std::string_view>> cases{
      {"partition", {{"shape", "sideways"}}, "isolate-majority"},
      {"partition", {{"shape", 5}}, "one-way"},
      {"partition", {{"shap", "one"}}, "\"shap\"; there are shape, order, size"},
      {"partition", {{"order", {"n4"}}}, "n1, n2, n3"},
      {"partition", {{"order", "n1"}}, "list"},
      {"partition", {{"size", 0}}, "1 to"},
      {"kill", {{"count", 1.5}}, "whole"},
      {"kill", {{"style", "gently"}}, "bounce"},
      {"pause", Json::array(), "object"},
      {"clock", {{"style", "backwards"}}, "bump | strobe | drift | freeze | jump | suspend"},
      {"clock", {{"rates_ppm", {-1e6}}}, "list of numbers"},
      {"clock", {{"offsets_ms", Json::array()}}, "list of numbers"},
      {"clock", {{"offsets_ms", {1, "soon"}}}, "list of numbers"},
  };
  for (const auto& [fault, parameters, said] : cases)
    EXPECT_NE(complaint(fault, parameters).find(said), std::string::npos)
        << fault << parameters << ": " << complaint(fault, parameters);
  EXPECT_EQ(complaint("partition", {{"order", {"leader", "n2"}}}), "");
  EXPECT_NE(complaint("partition", {{"order", {"n2", "n2"}}}).find("each once"), std::string::npos);
  EXPECT_NE(complaint("partition", {{"targets", "all"}}).find("does not choose nodes"), std::string::npos);
  EXPECT_EQ(complaint("kill", Json::object()), "");
}

TEST(Catalog, PlansHaveVariety) {
  Rng rng(1);
  std::set<std::string> shapes3, shapes5;
  int leader = 0;
  for (int i = 0; i < 1000; ++i) {
    const Json plan = find("partition")->plan(rng, names(5));
    shapes5.insert(plan["shape"]);
    leader += plan["order"][0] == kLeader;
    shapes3.insert(find("partition")->plan(rng, names(3))["shape"].get<std::string>());
  }
  EXPECT_EQ(shapes5.size(), kShapeNames.size());
  EXPECT_EQ(shapes3.size(), 7U);
  EXPECT_NEAR(leader, 500, 60);
  double smallest = 1e9, largest = 0;
  for (int i = 0; i < 1000; ++i) {
    const Json plan = find("clock")->plan(rng, names(5));
    for (const auto& offset : plan.value("offsets_ms", Json::array())) {
      smallest = std::min(smallest, std::abs(offset.get<double>()));
      largest = std::max(largest, std::abs(offset.get<double>()));
    }
  }
  EXPECT_GE(smallest, 100);
  EXPECT_LE(largest, 60'000);
  EXPECT_GT(largest, 30'000);
}

TEST(Catalog, PacketPlansHaveVarietyAndCanBeRead) {
  Rng rng(1);
  std::set<std::string> styles;
  int replies_to_clients = 0;
  for (int i = 0; i < 1000; ++i) {
    const Json plan = find("packet")->plan(rng, names(5));
    styles.insert(plan["style"]);
    replies_to_clients += plan["style"] == "drop-replies" && plan["scope"] == "clients";
    EXPECT_TRUE(check_parameters(find("packet")->parameters, plan, names(5))) << plan;
  }
  EXPECT_EQ(styles.size(), 12U);  // all but corrupt-silently
  EXPECT_GT(replies_to_clients, 50);
  const std::vector<std::pair<Json, std::string>> sentences{
      {{{"style", "drop-replies"}, {"scope", "clients"}, {"targets", "all"}},
       "lose replies from all nodes to clients"},
      {{{"style", "delay"}, {"order", {"leader"}}, {"direction", "in"}, {"port", 7000}},
       "delay packets of port 7000 from the other nodes to the leader by 100 ms"},
      {{{"style", "loss"}, {"targets", "all"}, {"delay_ms", 5}, {"jitter_ms", 2}},
       "lose 20 % of the packets between all nodes, late by 5 ms with a jitter of 2 ms (uniform)"}};
  for (const auto& [parameters, sentence] : sentences)
    EXPECT_EQ(find("packet")->describe(parameters), sentence);
}

TEST(Targets, WordsAreNumbersOfNodes) {
  const std::vector<std::pair<std::string_view, std::vector<std::size_t>>> cases{
      {"one", {1, 1, 1, 1}},       // of 1, 3, 5 and 7 nodes
      {"minority", {1, 1, 2, 3}},  {"majority", {1, 2, 3, 4}},
      {"minority-third", {1, 1, 1, 2}}, {"all", {1, 3, 5, 7}}};
  for (const auto& [word, counts] : cases)
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(count_of(word, 2 * i + 1), counts[i]) << word;
}

TEST(Targets, ASchedulesWordOrNamesAreChecked) {
  const std::vector<std::string> nodes{"n1", "n2", "n3"};
  const auto& known = find("kill")->parameters;
  for (const Json& good : {Json("majority"), Json("primaries"), Json{"n3", "n1"}})
    EXPECT_TRUE(check_parameters(known, {{"targets", good}}, nodes)) << good;
  for (const Json& bad : {Json("most"), Json{"n4"}, Json{"n1", "n1"}, Json::array(), Json(2)})
    EXPECT_FALSE(check_parameters(known, {{"targets", bad}}, nodes)) << bad;
}

PlannedFault composite(std::string_view name, Moment when, Moment until, Json parameters = Json::object()) {
  return {std::move(when), std::move(until), std::string(name), std::move(parameters)};
}

TEST(Composites, BecomePlainFaultsWithinTheirTime) {
  for (const auto& c : composites()) {
    EXPECT_EQ(find_composite(c.name), &c);
    EXPECT_EQ(find(c.name), nullptr) << "a word means one thing";
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      Rng rng(seed);
      const Json parameters = c.plan(rng, names(3));
      const auto valid = check_parameters(c.parameters, parameters, names(3));
      ASSERT_TRUE(valid) << valid.error().message;
      const auto parts = expand(composite(c.name, 2, 2 + c.seconds, parameters), names(3));
      ASSERT_TRUE(parts) << parts.error().message;
      EXPECT_GE(parts->size(), c.name == "crash-at-fsync" ? 1U : 3U) << c.name;
      double last = 0;
      for (const auto& part : *parts) {
        const Entry* entry = find(part.fault);
        ASSERT_NE(entry, nullptr);
        const auto fits = check_parameters(entry->parameters, part.parameters, names(3));
        EXPECT_TRUE(fits) << fits.error().message;
        EXPECT_GE(part.when.seconds, last);
        last = part.when.seconds + part.until.seconds;
        EXPECT_LE(last, 2 + c.seconds + 1e-9);
        const auto again = parse_planned_fault(gameday::to_json(part));
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(gameday::to_json(*again), gameday::to_json(part));
      }
    }
  }
}

TEST(Composites, BeginWhereverTheyAreToldTo) {
  Moment ops, after;
  ops.kind = Moment::Kind::ops;
  ops.count = 500;
  after.kind = Moment::Kind::after;
  after.seconds = 3;
  const Json pace = {{"on_s", 0.5}, {"off_s", 0.7}};
  const auto parts = expand(composite("rolling-restart", ops, after, pace), names(3));
  ASSERT_TRUE(parts) << parts.error().message;
  ASSERT_EQ(parts->size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*parts)[i].when.count, 500);
    EXPECT_NEAR((*parts)[i].when.seconds, 1.2 * static_cast<double>(i), 1e-9);
    EXPECT_EQ((*parts)[i].parameters["targets"], Json::array({fmt::format("n{}", i + 1)}));
  }
  EXPECT_FALSE(expand(composite("rolling-restart", ops, 20), names(3))) << "20 s after what?";
  EXPECT_FALSE(expand(composite("rolling-restart", 1, 2, {{"speed", 9}}), names(3)));
  const auto plain = expand(composite("kill", ops, 20), names(3));
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->size(), 1U);
}

}  // namespace
}  // namespace gameday::nemesis
